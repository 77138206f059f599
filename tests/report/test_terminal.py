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


def test_readings_stand_side_by_side_with_intervals_where_there_is_room() -> None:
    stream = io.StringIO()
    show(score_table(SCORES), file=stream)
    text = stream.getvalue()
    assert "\x1b" not in text
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["lenient", "strict"]
    assert rows[1] == ["type", *["precision", "recall", "F1", "95%", "interval", "support"] * 2]
    low, high = (f"{bound:.4f}" for bound in SCORES["lenient"]["per_type"]["person"]["f1_interval"])
    person = next(row for row in rows if row[:1] == ["person"])
    assert person[1:8] == ["0.5000", "1.0000", "0.6667", low, "to", high, "1"]
    assert person[8:11] == ["1.0000"] * 3
    assert rows[-1][:2] == ["accuracy", "0.6000"]
    assert "95% interval of F1" not in text


def test_the_other_readings_follow_with_their_counts() -> None:
    rows = [line.replace("\x1b[1m", "").replace("\x1b[0m", "").split() for line in render(SCORES, 80)]
    head = next(place for place, row in enumerate(rows) if row[:2] == ["all", "types"])
    counts = ["correct", "incorrect", "partial", "missed", "spurious"]
    assert rows[head] == ["all", "types", "precision", "recall", "F1", *counts]
    assert rows[head + 2] == ["boundary", *["0.5000"] * 3, "1", "0", "0", "1", "1"]
    assert [row[0] for row in rows[head + 2 : head + 5]] == ["boundary", "type", "partial"]
    assert "surface" not in {row[0] for row in rows if row}  # no words are known


@pytest.mark.parametrize("width", [50, 66, 80, 120])
def test_no_number_is_cut_at_any_width(width: int) -> None:
    lines = render(SCORES, width)
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) for line in lines) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert text.count("0.6667") == 2
    assert ("lenient" in lines[0] and "strict" in lines[0]) == (width >= 80)
    beside = "95% interval of F1, lenient" not in text
    assert beside == (width in (66, 120))
    assert text.count(" to ") == (8 if beside else 2)
    assert ("spurious" in text) == (width >= 80)


def test_scores_of_an_older_version_are_shown_without_what_they_lack() -> None:
    old = {
        key: {name: row for name, row in part.items() if "interval" not in name}
        if isinstance(part, dict)
        else part
        for key, part in SCORES.items()
        if key not in ("boundary", "type", "partial", "f1_interval", "interval_unit")
    }
    text = "\n".join(render(old, 120))
    assert "interval" not in text
    assert "boundary" not in text
    assert text.count("0.6667") == 2


def test_documents_are_named_where_intervals_go_over_them() -> None:
    assert render({**SCORES, "interval_unit": "documents"}, 100)[-1].endswith("intervals over documents")


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
