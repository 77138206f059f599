"""What `tagwright calibrate` fitted, as text for the terminal: renders what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagwright.report.fitting import Fitting
from tagwright.report.show import visible

__all__ = ["calibration_view", "reliability_diagram"]

WIDTH = 30
"""Characters of a full bar in the reliability diagram."""


def calibration_view(result: Mapping[str, Any]) -> RenderableType:
    """Show the errors before and after, the reliability diagram, and what thresholds do to each type.

    Args:
        result: `Calibrated.to_dict()`, or the JSON of `tagwright calibrate`.
    """
    fitted, check = result["fitted"], result["check"]
    title = (
        f"temperature {result['temperature']:.4f}, from {fitted['entities']:,} entities of"
        f" {fitted['split']} ({fitted['sentences']:,} sentences), {result['precision']}"
    )
    effects = [effect for effect in (fitted, check) if effect]
    parts: list[RenderableType] = [Text(title, style="bold"), Text(), _errors(effects)]
    for effect in effects:
        parts += [Text(), reliability_diagram(effect["after"]["bins"], title=f"after: {_of(effect, fitted)}")]
    wanted = result["min_precision"]
    if wanted is not None:
        for effect in effects:
            parts += [
                Text(),
                _thresholds(effect, f"thresholds for a precision of {wanted:g}: {_of(effect, fitted)}"),
            ]
    return Group(*parts)


def reliability_diagram(bins: Sequence[Mapping[str, Any]], *, title: str = "") -> RenderableType:
    """Show how often entities are right, by their score: a bar for the precision, a stroke at the mean score.

    Where scores are honest, each bar ends at its stroke.

    Args:
        bins: the `bins` of `Calibration.to_dict()`.
        title: what the entities are of.
    """
    return _titled(title, Fitting(partial(_diagram, bins)))


def _diagram(bins: Sequence[Mapping[str, Any]], bars: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("score", no_wrap=True)
    for name in ("entities", "mean score", "precision"):
        table.add_column(name, justify="right", no_wrap=True)
    if bars:
        table.add_column("precision ▇, mean score │", no_wrap=True, min_width=WIDTH + 1)
    for row in bins:
        bounds = f"{row['low']:.1f} to {row['high']:.1f}"
        if row["count"]:
            numbers = f"{row['count']:,}", f"{row['score']:.4f}", f"{row['precision']:.4f}"
            table.add_row(bounds, *numbers, *([_bar(row["precision"], row["score"])] if bars else []))
        else:
            table.add_row(bounds, "0")
    return table


def _bar(precision: float, score: float) -> Text:
    filled, stroke = round(precision * WIDTH), round(score * WIDTH)
    cells = "▇" * filled + " " * (WIDTH + 1 - filled)
    bar = Text(cells[:stroke], style="cyan")
    bar.append("│", style="bold").append(cells[stroke + 1 :].rstrip(), style="cyan")
    return bar


def _errors(effects: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("split", no_wrap=True)
    table.add_column("entities", justify="right")
    for name in ("calibration error", "after", "log loss", "after"):
        table.add_column(name, justify="right", style="bold" if name == "after" else "", no_wrap=True)
    for effect in effects:
        errors = [f"{effect[side][key]:.4f}" for key in ("ece", "log_loss") for side in ("before", "after")]
        table.add_row(_line(effect["split"]), f"{effect['entities']:,}", *errors)
    return table


def _thresholds(effect: Mapping[str, Any], title: str) -> RenderableType:
    legend = Text("at least: the lower end of the 95% interval (Wilson) of the precision after", style="dim")
    return Group(_titled(title, Fitting(partial(_types, effect))), legend)


def _types(effect: Mapping[str, Any], before: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("type", overflow="fold", min_width=12)
    wide = ("threshold", "entities", "kept", "precision", "after", "at least", "recall", "after")
    narrow = ("threshold", "kept", "precision\nafter", "at least", "recall\nafter")
    for name in wide if before else narrow:
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name.endswith("after") else "")
    for row in [effect["all"], *effect["types"]]:
        together = row is effect["all"]
        least = "" if row["threshold"] is None else f"{row['threshold']:.4f}"
        kept = [f"{row['precision']:.4f}", f"{row['precision_low']:.4f}"] if row["kept"] else ["", ""]
        table.add_row(
            _line("all" if together else row["type"]),
            "silenced" if row["silenced"] else least,
            *([f"{row['entities']:,}"] if before else []),
            f"{row['kept']:,}",
            *([f"{row['precision_before']:.4f}" if row["entities"] else ""] if before else []),
            *kept,
            *([f"{row['recall_before']:.4f}"] if before else []),
            f"{row['recall']:.4f}",
            end_section=together,
        )
    return table


def _titled(title: str, table: RenderableType) -> RenderableType:
    return Group(_line(title, style="bold"), table) if title else table


def _of(effect: Mapping[str, Any], fitted: Mapping[str, Any]) -> str:
    return (
        f"{effect['split']} (fitted on it)" if effect is fitted else f"{effect['split']} (not fitted on it)"
    )


def _line(line: str, style: str = "") -> Text:
    return Text(visible(line), style=style)
