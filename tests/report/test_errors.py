"""Where a tagger fails, in the terminal: at several widths, without colour, with hostile data."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from tagwright.report.errors import errors_view
from tagwright.report.terminal import show
from tagwright.score.analysis import analyse
from tagwright.tags import LabelMap, Scheme
from tests.score.test_analysis import SENTENCES, split_of

ANALYSIS = analyse(split_of(SENTENCES)).to_dict()


def render(analysis: dict[str, Any], width: int = 100) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True, highlight=False).print(errors_view(analysis))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def cells(lines: list[str], title: str) -> dict[str, list[str]]:
    """The rows of a table under a title, by their first cell."""
    begin = lines.index(title)
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[begin + 1 :]]
    return {row[0]: row[1:] for row in rows[: rows.index([""])]}


def test_classes_have_a_column_for_each_type() -> None:
    found = cells(render(ANALYSIS), "what was right and what went wrong")
    assert found["class"] == ["count", "location", "person"]
    assert found["wrong type"] == ["2", "2", "–"]
    assert found["too short"] == ["1", "–", "1"]
    assert found["tangled"] == ["0", "–", "–"]


def test_confusion_of_types() -> None:
    found = cells(render(ANALYSIS), "confusion of types")
    assert found["gold \\ predicted"] == ["location", "person", "(nothing)"]
    assert found["location"] == ["1", "2", "1"]
    assert found["(nothing)"] == ["1", "–", "–"]


def test_slices_and_wrong_forms() -> None:
    lines = render(ANALYSIS)
    row = next(line.split() for line in lines if line.startswith("  2 words"))
    assert row[2:5] == ["0.0000", "0.0000", "0.0000"]
    assert row[-2:] == ["1", "0"]
    assert ["2", "Rome", "location", "person", "wrong", "type"] in [line.split() for line in lines]
    assert ["1", "and", "–", "location", "spurious"] in [line.split() for line in lines]


def test_mistakes_are_marked_by_brackets() -> None:
    lines = render(ANALYSIS)
    first = lines[lines.index("most confident mistakes") + 1 :]
    assert [line.strip() for line in first[:6]] == [
        "0.7500  wrong type · sentence s0",
        "gold       Jeff Bezos left [Rome]location",
        "predicted  Jeff Bezos left [Rome]person",
        "0.5000  too short · sentence s0",
        "gold       [Jeff Bezos]person left Rome",
        "predicted  [Jeff]person Bezos left Rome",
    ]
    spurious = first.index("0.5000  spurious · sentence s2")
    assert [line.strip() for line in first[spurious + 1 : spurious + 3]] == [
        "gold       Rome and ESB",
        "predicted  Rome [and]location ESB",
    ]


def test_context_is_cut_and_says_so() -> None:
    words = [(f"w{number}", "O", "O", 0.5) for number in range(40)]
    words[20] = ("Ada", "O", "B-person", 0.5)
    words[21] = ("https://example.invalid/" + "x" * 80, "O", "O", 0.5)
    lines = render(analyse(split_of([words], documents=["d7"])).to_dict(), 200)
    assert "0.5000  spurious · sentence s0 of d7" in lines
    line = next(line for line in lines if "[Ada]person" in line)
    assert line.split()[:3] == ["predicted", "…", "w12"]
    assert line.split()[-2:] == ["w28", "…"]
    assert "example.invalid/xxx" in line
    assert "x" * 40 not in line


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    labels = LabelMap.from_types([f"a-rather-long-type-{number}" for number in range(5)], Scheme.IOB2)
    names = labels.names[1::2]
    rows = [[(f"w{n}", gold, predicted, 0.5)] for n, gold in enumerate(names) for predicted in names]
    lines = render(analyse(split_of(rows, labels)).to_dict(), width)
    assert max(map(len, lines)) <= width
    assert not any(re.search(r"\d…", line) for line in lines)
    wide = any(line.startswith("gold \\ predicted") for line in lines)
    assert wide == (width >= 160)
    assert any("and 10 more pairs of types" in line for line in lines) != wide


def test_many_types_are_listed_by_their_numbers() -> None:
    labels = LabelMap.from_types([f"T{number:02}" for number in range(50)], Scheme.WORD)
    rows = [[(name, name, labels.names[place - 1], 0.5)] for place, name in enumerate(labels.names)]
    lines = render(analyse(split_of(rows, labels)).to_dict(), 10_000)
    assert max(map(len, lines)) < 200
    assert any("… and 44 more" in line for line in lines)
    assert any("… and 40 more pairs of types" in line for line in lines)


def test_what_is_missing_or_empty_is_left_out() -> None:
    assert render({}) == []
    lines = render(analyse(split_of([[("a", "O", "O", 1.0)]])).to_dict())
    assert lines[0] == "what was right and what went wrong"
    assert not {"confusion of types", "most frequent wrong forms", "most confident mistakes"} & {*lines}
    only = render({"confident": ANALYSIS["confident"][:1]})
    assert only[0] == "most confident mistakes"


def test_an_error_without_lists_of_its_spans_is_shown_by_the_two_that_stand_for_it() -> None:
    example = ANALYSIS["confident"][0]
    error = {key: value for key, value in example["errors"][0].items() if key not in ("golds", "predictions")}
    assert render({"confident": [{**example, "errors": [error]}]}) == render({"confident": [example]})


def test_data_neither_drives_the_terminal_nor_is_read_as_markup() -> None:
    labels = LabelMap.from_types(["[bold]x", "\x1b[31my"], Scheme.IOB2)
    words = ["[red]a[/red]", "b\x1b[2Jc", "\u202etxet", "\ud800", "line\nbreak"]
    rows = [[(word, "B-[bold]x", "B-\x1b[31my", 0.5)] for word in words]
    text = "\n".join(render(analyse(split_of(rows, labels, documents=["\x07"] * 5)).to_dict(), 300))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800]", text)
    assert "[[red]a[/red]][bold]x" in text
    assert "b\\x1b[2Jc" in text
    assert "line\\x0abreak" in text


def test_a_pipe_gets_plain_lines() -> None:
    stream = io.StringIO()
    show(errors_view(ANALYSIS), file=stream)
    assert "\x1b" not in stream.getvalue()
    assert max(map(len, stream.getvalue().splitlines())) < 200
