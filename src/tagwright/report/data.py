"""The terminal's view of a data set's summary."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_summary"]

_LENGTHS = {"median": "median", "p90": "90% up to", "p99": "99% up to", "longest": "longest"}
_SHOWN = 10


def print_summary(summary: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what `tagwright.inspect.summary.inspect_data` found.

    Args:
        summary: `DataSummary.to_dict()`.
        console: where to; stdout by default.
    """
    console = console or Console(markup=False, highlight=False, emoji=False)
    facts = [summary["source"], summary["scheme"], summary["licence"]]
    _line(console, " · ".join(fact for fact in facts if fact), style="bold")
    console.print(_table(summary))
    for name, split in summary["splits"].items():
        _examples(console, name, split)
    _list(console, "invalid tags", [_invalid(tag) for tag in summary["invalid_tags"]])
    _list(console, "notices", summary["notices"])


def _table(summary: Mapping[str, Any]) -> Table:
    splits: Mapping[str, Mapping[str, Any]] = summary["splits"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in splits:
        table.add_column(Text(_visible(name)), justify="right")

    def add(label: str, values: Iterable[Any]) -> None:
        table.add_row(Text(label), *(Text(f"{v:,}" if isinstance(v, int) else str(v)) for v in values))

    for row in ("sentences", "words", "mentions"):
        add(row, [split[row] for split in splits.values()])
    for label in dict.fromkeys(label for split in splits.values() for label in split["types"]):
        add(f"  {_visible(label)}", [split["types"].get(label, 0) for split in splits.values()])
    _add_lengths(add, "words in a sentence", [split["words_per_sentence"] for split in splits.values()])
    if summary["encoder"]:
        pieces = [split["pieces_per_sentence"] for split in splits.values()]
        _add_lengths(add, f"pieces in a sentence ({summary['encoder']})", pieces)
        limit = f"  over the encoder's {summary['max_pieces']:,}"
        add(limit, [split["over_limit"] for split in splits.values()])
    if summary["overlap"]:
        add("mentions whose form is in train", [])
        for label, key in (("as written", "in_train_exact"), ("in any case", "in_train_casefold")):
            add(f"  {label}", [_share(summary["overlap"].get(name), key) for name in splits])
    return table


def _add_lengths(add: Any, title: str, lengths: Sequence[Mapping[str, int]]) -> None:
    add(title, [])
    for key, label in _LENGTHS.items():
        add(f"  {label}", [quantiles[key] for quantiles in lengths])


def _share(overlap: Mapping[str, int] | None, key: str) -> str:
    if overlap is None:
        return ""
    return f"{overlap[key] / overlap['mentions']:.1%}" if overlap["mentions"] else "-"


def _examples(console: Console, name: str, split: Mapping[str, Any]) -> None:
    lines = [
        f"{_visible(label)}: " + " · ".join(f"{_visible(form)} {count:,}" for form, count in forms.items())
        for label, forms in split["examples"].items()
        if forms
    ]
    if lines:
        _list(console, f"most frequent in {name}", lines, counted=False)


def _invalid(tag: Mapping[str, str]) -> str:
    return f"{tag['where']}: {tag['tag']} in {tag['context']}"


def _list(console: Console, title: str, lines: Sequence[str], *, counted: bool = True) -> None:
    if not lines:
        return
    console.print()
    _line(console, f"{title} ({len(lines):,})" if counted else _visible(title), style="bold")
    for line in lines[:_SHOWN]:
        _line(console, f"  {line}")
    if len(lines) > _SHOWN:
        _line(console, f"  … and {len(lines) - _SHOWN:,} more (all of them with --json)")


def _line(console: Console, line: str, style: str = "") -> None:
    console.print(Text(_visible(line), style=style), soft_wrap=True)


def _visible(text: str) -> str:
    """Write control characters as escapes, so that data cannot drive the terminal."""
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in text)
