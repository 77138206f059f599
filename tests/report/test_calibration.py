"""The view of `tagwright calibrate`: all numbers shown, as wide as a terminal, data kept harmless."""

import io

import pytest
from rich.console import Console

from tagwright.report.calibration import calibration_view, reliability_diagram

BIN = {"low": 0.9, "high": 1.0, "count": 1200, "score": 0.95, "precision": 0.6}
EMPTY = {"low": 0.8, "high": 0.9, "count": 0, "score": 0.0, "precision": 0.0}


def row(name, threshold, kept, **values):
    return {
        "type": name, "threshold": threshold, "silenced": (threshold or 0) > 1, "gold": 40, "entities": 30,
        "kept": kept, "precision_before": 0.5, "recall_before": 0.4, "precision": 0.9321, "precision_low": 0.7654,
        "recall": 0.1234, **values,
    }  # fmt: skip


def effect(split="validation", types=()):
    return {
        "split": split, "sentences": 1009, "entities": 616, "gold": 836,
        "before": {"ece": 0.1378, "log_loss": 0.5938, "bins": [EMPTY, BIN]},
        "after": {"ece": 0.0217, "log_loss": 0.5085, "bins": [EMPTY, BIN]},
        "types": list(types), "all": row("all", None, 12),
    }  # fmt: skip


def result(**values):
    return {
        "temperature": 1.4643, "precision": "bf16", "min_precision": 0.9, "check": None,
        "fitted": effect(types=[row("person", 0.81, 12), row("group", 2.0, 0)]), **values,
    }  # fmt: skip


def render(view, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(view)
    return console.file.getvalue()


def test_everything_is_shown_in_80_columns():
    text = render(calibration_view(result(check=effect("test"))))
    for shown in (
        "1.4643",
        "616",
        "0.1378",
        "0.0217",
        "0.5938",
        "0.5085",
        "0.8100",
        "0.9321",
        "0.7654",
        "0.1234",
    ):
        assert shown in text
    assert "validation (fitted on it)" in text
    assert "test (not fitted on it)" in text
    assert "…" not in text
    [silenced] = [line for line in text.splitlines() if line.startswith("group")]
    assert "silenced" in silenced
    assert "0.9321" not in silenced  # nothing is kept that could be right


@pytest.mark.parametrize("width", [60, 70, 75])
def test_a_narrow_terminal_loses_columns_and_no_digits(width):
    text = render(calibration_view(result()), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    [person] = [line for line in text.splitlines() if line.startswith("person")]
    assert person.split() == ["person", "0.8100", "12", "0.9321", "0.7654", "0.1234"]
    assert "0.9500    0.6000" in text


def test_without_thresholds_there_is_no_table_of_them():
    assert "thresholds" not in render(calibration_view(result(min_precision=None)))


def test_a_bar_as_long_as_the_precision_and_a_stroke_at_the_score():
    empty, full = render(reliability_diagram([EMPTY, BIN])).splitlines()[2:4]
    assert empty.split() == ["0.8", "to", "0.9", "0"]
    assert full.split()[3:6] == ["1,200", "0.9500", "0.6000"]
    bar = full[full.index("▇") :]
    assert bar.count("▇") == 18
    assert bar.index("│") == 28


def test_a_type_cannot_drive_the_terminal():
    text = render(calibration_view(result(fitted=effect(types=[row("\x1b[2J[red]x", 0.5, 1)]))))
    assert "\x1b" not in text
    assert "[red]x" in text
