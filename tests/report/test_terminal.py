"""The table of scores at several widths."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tagwright.report.terminal import score_table, show
from tagwright.score.counts import Scores, score

SCORES = score(
    [["B-person", "I-person", "O"], ["B-creative-work", "O"]],
    [["B-person", "I-person", "O"], ["O", "I-person"]],
).to_dict()


def render(scores: dict[str, object], width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=True, no_color=True).print(score_table(scores))
    return stream.getvalue().splitlines()


def test_readings_stand_side_by_side() -> None:
    stream = io.StringIO()
    show(score_table(SCORES), file=stream)
    text = stream.getvalue()
    assert "\x1b" not in text
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["lenient", "strict"]
    assert ["person", "0.5000", "1.0000", "0.6667", "1", *["1.0000"] * 3, "1"] in rows
    assert rows[-1][:2] == ["accuracy", "0.6000"]


@pytest.mark.parametrize("width", [50, 60, 80, 120])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    lines = render(SCORES, width)
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in lines) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert text.count("0.6667") == 2
    assert ("lenient" in lines[0] and "strict" in lines[0]) == (width >= 80)


def test_readings_that_are_missing_are_left_out() -> None:
    one = {key: value for key, value in SCORES.items() if key not in ("strict", "differing_words")}
    text = "\n".join(render(one, 80))
    assert "lenient" in text
    assert "strict" not in text
    assert "differing" not in text


def test_lost_words_are_always_told_and_differing_ones_where_there_are_some() -> None:
    assert render(SCORES, 100)[-1].endswith("words 5 · words lost 0")
    assert render({**SCORES, "differing_words": 2}, 100)[-1].endswith("words lost 0 · words differing 2")


def test_a_type_that_only_one_reading_sees_leaves_blanks() -> None:
    scores = score([["I-x", "O"]], [["I-x", "O"]], scheme="iob2").to_dict()
    rows = [line.split() for line in render(scores, 100)]
    assert "x" in {row[0].replace("\x1b[1m", "") for row in rows if row}


def test_markup_in_a_type_is_shown_as_it_is() -> None:
    scores = score([["B-[red]x"]], [["B-[red]x"]]).to_dict()
    assert any("[red]x" in line for line in render(scores, 100))


def test_nothing_scored() -> None:
    text = "\n".join(render(Scores().to_dict(), 80))
    assert "0.0000" in text
    assert "nan" not in text.lower()
