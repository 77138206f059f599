"""Scores as tables for the terminal: renders what it is given, no arithmetic."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import IO, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

__all__ = ["score_table", "show"]

READINGS = ("lenient", "strict")


def score_table(scores: Mapping[str, Any], *, readings: Sequence[str] = READINGS) -> RenderableType:
    """Show scores: all types together, their mean, each type by name, and what was counted.

    The readings stand side by side where the terminal is wide enough, one below the other where not.

    Args:
        scores: what `Scores.to_dict()` gives, or the JSON of `tagwright score` and `tagwright evaluate`.
        readings: the readings to show, by their keys in `scores`; those that are missing are left out.
    """
    return _ScoreTable(scores, [reading for reading in readings if reading in scores])


def show(renderable: RenderableType, *, file: IO[str] | None = None) -> None:
    """Write to a stream, stdout by default; where it is no terminal, as wide as needed and without colour."""
    console = Console(file=file or sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(renderable)


class _ScoreTable:
    def __init__(self, scores: Mapping[str, Any], readings: Sequence[str]) -> None:
        self.scores = scores
        self.readings = readings

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = _table(self.scores, self.readings)
        if Measurement.get(console, options.update(width=10_000), wide).minimum <= options.max_width:
            yield wide
        else:
            yield from chain.from_iterable(
                [_table(self.scores, [reading]), Text()] for reading in self.readings[:-1]
            )
            yield _table(self.scores, self.readings[-1:])
        yield Text()
        yield Text(_counted(self.scores))


def _table(scores: Mapping[str, Any], readings: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("\ntype", overflow="fold", min_width=12)
    for reading in readings:
        table.add_column(f"{reading}\n precision", justify="right", no_wrap=True)
        table.add_column("\nrecall", justify="right", no_wrap=True)
        table.add_column("\nF1", justify="right", no_wrap=True, style="bold")
        table.add_column("\nsupport", justify="right", no_wrap=True)
    table.add_row("all (micro)", *_cells([scores[reading] for reading in readings]))
    macro = [{"f1": scores[reading].get("macro_f1")} for reading in readings]
    table.add_row("mean (macro)", *_cells(macro), end_section=True)
    names = {name for reading in readings for name in scores[reading]["per_type"]}
    for name in sorted(names):
        rows = [scores[reading]["per_type"].get(name, {}) for reading in readings]
        table.add_row(Text(name), *_cells(rows))
    return table


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = []
    for row in rows:
        ratios = [row.get(key) for key in ("precision", "recall", "f1")]
        cells += ["" if ratio is None else f"{ratio:.4f}" for ratio in ratios]
        cells.append(f"{row['support']:,}" if "support" in row else "")
    return cells


def _counted(scores: Mapping[str, Any]) -> str:
    parts = [f"accuracy {scores['accuracy']:.4f}"]
    for key, name in (
        ("sentences", "sentences"),
        ("words", "words"),
        ("lost_words", "words lost"),
        ("differing_words", "words differing"),
    ):
        if scores.get(key) or (key in scores and key != "differing_words"):
            parts.append(f"{name} {scores[key]:,}")
    return " · ".join(parts)
