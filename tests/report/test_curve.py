"""A learning curve in the terminal and as a picture."""

from __future__ import annotations

import io
import sys
from xml.etree import ElementTree

import pytest
from rich.console import Console

from tagwright.errors import MissingExtraError
from tagwright.report.curve import curve_svg, curve_view
from tagwright.report.terminal import show


def point(share, sentences, f1, interval=None):
    runs = [{"sentences": sentences, "f1": value} for value in f1]
    mean = sum(f1) / len(f1)
    deviation = None if interval is None else 0.01
    return {
        "share": share, "sentences": sentences, "f1": mean, "deviation": deviation, "interval": interval, "runs": runs,
    }  # fmt: skip


def curve(points):
    return {
        "data": "toy", "encoder": "tiny", "split": "validation", "unit": "document", "support": 1234,
        "points": points, "judgement": {"words": "More labels would help."},
    }  # fmt: skip


BANDED = curve([point(0.5, 1200, [0.4, 0.42], [0.3, 0.52]), point(1, 2400.5, [0.6, 0.62], [0.6, 0.62])])
SINGLE = curve([point(0.1, 10, [0.0]), point(1, 100, [1.0])])


def shown(told):
    file = io.StringIO()
    show(curve_view(told), file=file)
    return file.getvalue().splitlines()


def test_a_row_for_each_share():
    lines = shown(BANDED)
    assert lines[2].split()[:7] == ["0.5", "1,200", "0.4100", "0.0100", "0.3000", "to", "0.5200"]
    assert "├" in lines[2]
    assert lines[2].index("●") < lines[3].index("●")
    assert "validation F1 of tiny on toy; parts drawn by document, 2 seeds; 1,234 gold spans" in lines
    assert lines[-1] == "More labels would help."


@pytest.mark.parametrize("told", [BANDED, SINGLE])
@pytest.mark.parametrize("width", [60, 70, 80, 100])
def test_the_plot_takes_what_room_the_figures_leave(told, width):
    file = io.StringIO()
    Console(file=file, width=width).print(curve_view(told))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in file.getvalue()
    assert f"{told['points'][-1]['f1']:.4f}" in lines[3]
    assert ("●" in lines[3]) == (told is SINGLE or width >= 80)


def test_one_seed_has_no_band():
    lines = shown(SINGLE)
    assert "±" not in lines[0]
    assert lines[2].split() == ["0.1", "10", "0.0000", "●"]
    assert "├" not in "".join(lines)


@pytest.mark.parametrize("told", [BANDED, SINGLE, curve([point(1, 5, [0.5])])])
def test_the_picture_is_svg_and_the_same_each_time(told):
    drawn = curve_svg(told)
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "training sentences" in drawn
    assert drawn == curve_svg(told)
    assert ("95% interval" in drawn) == (told is BANDED)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tagwright\[report\]'"):
        curve_svg(BANDED)
