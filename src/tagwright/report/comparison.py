"""A comparison as text for the terminal: renders what it is given, no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tagwright.report.fitting import Fitting
from tagwright.report.show import NOTHING, interval, ratio, visible

__all__ = ["comparison_view"]


def comparison_view(comparison: Mapping[str, Any]) -> RenderableType:
    """Show the systems, every one held against the first, and what that allows to say.

    Args:
        comparison: `Comparison.to_dict()`, or the JSON of `tagwright compare`.
    """
    groups = comparison.get("groups")
    systems = Fitting(partial(_systems, comparison))
    parts: list[RenderableType] = [Text(_bench(comparison), style="bold"), Text(), systems]
    if groups:
        parts += [Text(), _groups(groups), Text(), _group_pairs(comparison)]
    else:
        parts += [Text(), _pairs(comparison)]
        for pair in comparison["pairs"]:
            if pair["per_type"]:
                parts += [Text(), Fitting(partial(_types, pair, comparison["level"]))]
    for verdict in [pair["verdict"] for pair in comparison["pairs"]] + list(comparison["notes"]):
        parts += [Text(), Text(visible(verdict))]
    return Group(*parts)


def _bench(comparison: Mapping[str, Any]) -> str:
    source = comparison["data"]
    facts = [f"{source} ({comparison['split']})" if comparison["split"] else source]
    if comparison["unit"] == "documents":
        facts.append(f"documents {comparison['units']:,}")
    facts += [f"{name} {comparison[name]:,}" for name in ("sentences", "words", "mentions")]
    return visible(" · ".join([*facts, comparison["reading"]]))


def _systems(comparison: Mapping[str, Any], every: bool) -> Table:
    grouped = bool(comparison.get("groups"))
    table = _table("system", *(["group"] if grouped else []))
    ratios = {"precision": "precision", "recall": "recall", "F1": "f1"} if every else {"F1": "f1"}
    for name in (*ratios, _level(comparison)):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name == "F1" else "")
    for system in comparison["systems"]:
        names = [system["name"], *([system["group"]] if grouped else [])]
        table.add_row(
            *map(_text, names),
            *(ratio(system[key]) for key in ratios.values()),
            interval(system["interval"]),
        )
    return table


def _groups(groups: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("group")
    for name in ("runs", "mean F1", "deviation"):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name == "mean F1" else "")
    for group in groups:
        table.add_row(
            _text(group["name"]), f"{len(group['runs']):,}", ratio(group["mean"]), ratio(group["deviation"])
        )
    return table


def _pairs(comparison: Mapping[str, Any]) -> Fitting:
    return Fitting(partial(_against, comparison, {"p": "p", "p_holm": "p (Holm)"}))


def _group_pairs(comparison: Mapping[str, Any]) -> Fitting:
    tests = {"p": "p (Welch)", "p_permutation": "p (permutation)", "p_holm": "p (Holm)"}
    return Fitting(partial(_against, comparison, tests))


def _against(comparison: Mapping[str, Any], tests: Mapping[str, str], every: bool) -> Table:
    """Show the pairs; Holm's correction only where there is something to correct.

    Without `every`, the verdicts below are left to tell the interval and the p.
    """
    pairs: Sequence[Mapping[str, Any]] = comparison["pairs"]
    if len(pairs) == 1:
        tests = {key: name for key, name in tests.items() if key != "p_holm"}
    if any(pair["interval"] is None for pair in pairs):
        tests = {key: "p" if key == "p" else name for key, name in tests.items()}
    table = _table(f"against {visible(pairs[0]['a'])}")
    if not every:
        tests = {}
    for name in ("difference", *([_level(comparison)] if every else []), *tests.values()):
        table.add_column(name, justify="right", no_wrap=True, style="bold" if name == "difference" else "")
    for pair in pairs:
        values = [ratio(pair[key]) for key in tests]
        bounds = [interval(pair["interval"], signs=True)] if every else []
        table.add_row(_text(pair["b"]), _signed(pair["difference"]), *bounds, *values)
    return table


def _types(pair: Mapping[str, Any], level: float, every: bool) -> Table:
    table = _table("type")
    table.add_column("support", justify="right", no_wrap=True)
    for key in "ab":
        table.add_column(_text(pair[key]), justify="right", overflow="fold", min_width=6, max_width=14)
    table.add_column("difference", justify="right", no_wrap=True, style="bold")
    if every:
        table.add_column(_level({"level": level}), justify="right", no_wrap=True)
    for name, row in pair["per_type"].items():
        numbers = (f"{row['support']:,}", ratio(row["a"]), ratio(row["b"]), _signed(row["difference"]))
        bounds = [interval(row["interval"], signs=True)] if every else []
        table.add_row(_text(name), *numbers, *bounds)
    return table


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold", min_width=6)
    return table


def _level(comparison: Mapping[str, Any]) -> str:
    return f"{comparison['level']:.0%} interval"


def _signed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:+.4f}"


def _text(text: str) -> Text:
    return Text(visible(text))
