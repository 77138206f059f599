"""The comparison as text, at several widths."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tagwright.report.comparison import comparison_view
from tagwright.report.terminal import show
from tagwright.score.compare import compare

GOLD = [["B-person", "I-person", "O"], ["O", "B-creative-work"], ["O", "O"], ["B-person", "O"]] * 10
HALF = [["O"] * len(tags) if number % 2 else tags for number, tags in enumerate(GOLD)]
NEAR = [["O"] * len(tags) if number == 1 else tags for number, tags in enumerate(GOLD)]
NAMES = ["base", "a-rather-long-name-of-a-run", "last"]

SYSTEMS = compare(GOLD, HALF, NEAR, GOLD, names=NAMES, rounds=200).to_dict()
PAIR = compare(GOLD, HALF, NEAR, names=NAMES[:2], rounds=200).to_dict()
GROUPS = compare(GOLD, groups={"old": [HALF, NEAR], "new": [GOLD, NEAR], "same": [GOLD, GOLD]}).to_dict()


def render(comparison: dict[str, Any], width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(comparison_view(comparison))
    return stream.getvalue().splitlines()


def piped(comparison: dict[str, Any]) -> str:
    stream = io.StringIO()
    show(comparison_view(comparison), file=stream)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("comparison", [SYSTEMS, PAIR, GROUPS], ids=["systems", "pair", "groups"])
def test_no_number_is_cut(comparison: dict[str, Any], width: int) -> None:
    lines = render(comparison, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    for system in comparison["systems"]:
        assert f"{system['f1']:.4f}" in text
    for pair in comparison["pairs"]:
        assert f"{pair['difference']:+.4f}" in text


def test_figures_stand_beside_their_names() -> None:
    rows = [line.split() for line in piped(PAIR).splitlines()]
    base, other = PAIR["systems"]
    low, high = (f"{bound:.4f}" for bound in base["interval"])
    assert [
        "base",
        f"{base['precision']:.4f}",
        f"{base['recall']:.4f}",
        f"{base['f1']:.4f}",
        low,
        "to",
        high,
    ] in rows
    [pair] = PAIR["pairs"]
    low, high = (f"{bound:+.4f}" for bound in pair["interval"])
    assert [other["name"], f"{pair['difference']:+.4f}", low, "to", high, f"{pair['p']:.4f}"] in rows
    person = pair["per_type"]["person"]
    assert ["person", "20", f"{person['a']:.4f}", f"{person['b']:.4f}"] in [row[:4] for row in rows]


def test_verdicts_and_notes_are_lines_of_their_own_when_piped() -> None:
    for comparison in (SYSTEMS, PAIR, GROUPS):
        lines = piped(comparison).splitlines()
        for said in [*(pair["verdict"] for pair in comparison["pairs"]), *comparison["notes"]]:
            assert said in lines


def test_holm_only_where_there_is_something_to_correct() -> None:
    assert "p (Holm)" in piped(SYSTEMS)
    assert "p (Holm)" not in piped(PAIR)


def test_groups_show_runs_and_deviations() -> None:
    rows = [line.split() for line in piped(GROUPS).splitlines()]
    for group in GROUPS["groups"]:
        assert [group["name"], "2", f"{group['mean']:.4f}", f"{group['deviation']:.4f}"] in rows
    assert "p (permutation)" in piped(GROUPS)


def test_a_group_without_a_spread_has_no_interval() -> None:
    text = piped(compare(GOLD, groups={"old": [HALF, HALF], "new": [GOLD, GOLD]}).to_dict())
    assert any(line.startswith("new ") and "–" in line for line in text.splitlines())


def test_names_cannot_drive_the_terminal() -> None:
    found = compare(GOLD, HALF, NEAR, names=["\x1b[31mred", "[bold]x"], rounds=10).to_dict()
    text = piped(found)
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text
    assert "[bold]x" in text
