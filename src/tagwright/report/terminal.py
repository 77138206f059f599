"""Scores as tables for the terminal: renders what it is given, no arithmetic."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tagwright.report.show import interval, ratio, visible, whole

__all__ = ["score_table", "show"]

READINGS = ("lenient", "strict")
OTHERS = ("boundary", "type", "partial", "surface")
COUNTS = ("correct", "incorrect", "partial", "missed", "spurious")


def score_table(scores: Mapping[str, Any], *, readings: Sequence[str] = READINGS) -> RenderableType:
    """Show scores: all types together, their mean, each type by name; the other readings; what was counted.

    The readings stand side by side where the terminal is wide enough, one below the other where not; intervals
    that find no room beside F1 are told for all types together, below.

    Args:
        scores: what `Scores.to_dict()` gives, or the JSON of `tagwright score` and `tagwright evaluate`.
        readings: the readings to show type by type, by their keys in `scores`; those that are missing are left
            out.
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
        def fits(table: Table) -> bool:
            return Measurement.get(console, options.update(width=10_000), table).minimum <= options.max_width

        known = [reading for reading in self.readings if "f1_interval" in self.scores[reading]]
        layouts = [(True, True), (True, False), (False, True), (False, False)]  # side by side, with intervals
        tables: list[Table] = []
        for together, with_intervals in layouts:
            groups = [self.readings] if together else [[reading] for reading in self.readings]
            tables = [_table(self.scores, group, with_intervals and bool(known)) for group in groups]
            if all(map(fits, tables)):
                break
        for number, table in enumerate(tables):
            if number:
                yield Text()
            yield table
        if others := [reading for reading in OTHERS if reading in self.scores]:
            counted = _others(self.scores, others)
            yield Text()
            yield counted if fits(counted) else _others(self.scores, others, counts=())
        yield Text()
        if known and not with_intervals:
            for reading in known:
                yield Text(f"95% interval of F1, {reading}: {interval(self.scores[reading]['f1_interval'])}")
        yield Text(_counted(self.scores))


def _table(scores: Mapping[str, Any], readings: Sequence[str], with_intervals: bool) -> Table:
    """Show some readings side by side, type by type."""
    table = _empty_table("\ntype", min_width=12)
    for reading in readings:
        table.add_column(f"{reading}\n precision", justify="right", no_wrap=True)
        table.add_column("\nrecall", justify="right", no_wrap=True)
        table.add_column("\nF1", justify="right", no_wrap=True, style="bold")
        if with_intervals:
            table.add_column("\n95% interval", justify="right", no_wrap=True, min_width=len(interval((0, 1))))
        table.add_column("\nsupport", justify="right", no_wrap=True)
    rows = [scores[reading] for reading in readings]
    macro = [{"f1": row.get("macro_f1"), "f1_interval": row.get("macro_f1_interval")} for row in rows]
    table.add_row("all (micro)", *_cells(rows, with_intervals))
    table.add_row("mean (macro)", *_cells(macro, with_intervals), end_section=True)
    for name in sorted({name for row in rows for name in row["per_type"]}):
        table.add_row(
            Text(visible(name)), *_cells([row["per_type"].get(name, {}) for row in rows], with_intervals)
        )
    return table


def _cells(rows: Sequence[Mapping[str, Any]], with_intervals: bool) -> list[str]:
    cells = []
    for row in rows:
        ratios = [row.get(key) for key in ("precision", "recall", "f1")]
        cells += ["" if value is None else ratio(value) for value in ratios]
        if with_intervals:
            cells.append(interval(row["f1_interval"]) if row.get("f1_interval") else "")
        cells.append(whole(row["support"]) if "support" in row else "")
    return cells


def _others(scores: Mapping[str, Any], readings: Sequence[str], *, counts: Sequence[str] = COUNTS) -> Table:
    """Show the readings that are no matter of types, one a line."""
    table = _empty_table("all types", min_width=12)
    for name in ("precision", "recall", "F1", *counts):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name == "F1" else "")
    for reading in readings:
        row = scores[reading]
        cells = [ratio(row[key]) for key in ("precision", "recall", "f1")]
        cells += [whole(row[key]) if key in row else "" for key in counts]
        table.add_row(reading, *cells)
    return table


def _empty_table(head: str, *, min_width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column(head, overflow="fold", min_width=min_width)
    return table


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
    if scores.get("interval_unit") == "documents":
        parts.append("intervals over documents")
    return " · ".join(parts)
