"""A data set's summary as text for the terminal: renders what it is given."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["summary_view"]

_LENGTHS = {"median": "median", "p90": "90% up to", "p99": "99% up to", "longest": "longest"}
_SHOWN = 10


def summary_view(summary: Mapping[str, Any]) -> RenderableType:
    """Show what `tagwright.inspect.summary.inspect_data` found.

    Args:
        summary: `DataSummary.to_dict()`, or the JSON of `tagwright inspect`.
    """
    facts = [summary["source"], summary["scheme"], summary["licence"]]
    parts: list[RenderableType] = [
        _line(" · ".join(fact for fact in facts if fact), style="bold"),
        _table(summary),
    ]
    for name, split in summary["splits"].items():
        parts += _section(f"most frequent in {name}", _examples(split["examples"]))
    invalid = [f"{tag['where']}: {tag['tag']} in {tag['context']}" for tag in summary["invalid_tags"]]
    parts += _section(f"invalid tags ({len(invalid):,})", invalid)
    parts += _section("notices", summary["notices"])
    return Group(*parts)


def _table(summary: Mapping[str, Any]) -> Table:
    splits: Mapping[str, Mapping[str, Any]] = summary["splits"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for name in splits:
        table.add_column(_line(name), justify="right", no_wrap=True)

    def add(label: str, values: Iterable[Any] = ()) -> None:
        table.add_row(_line(label), *(f"{v:,}" if isinstance(v, int) else v for v in values))

    def add_lengths(title: str, key: str) -> None:
        add(title)
        for name, label in _LENGTHS.items():
            add(f"  {label}", [split[key][name] for split in splits.values()])

    for row in ("sentences", "words", "mentions"):
        add(row, [split[row] for split in splits.values()])
    for label in dict.fromkeys(label for split in splits.values() for label in split["types"]):
        add(f"  {label}", [split["types"].get(label, 0) for split in splits.values()])
    add_lengths("words in a sentence", "words_per_sentence")
    if summary["encoder"]:
        add_lengths(f"pieces in a sentence ({summary['encoder']})", "pieces_per_sentence")
        add(f"  over its {summary['max_pieces']:,}", [split["over_limit"] for split in splits.values()])
    if summary["overlap"]:
        add("mentions whose form is in train")
        for label, key in (("as written", "in_train_exact"), ("in any case", "in_train_casefold")):
            add(f"  {label}", [_share(summary["overlap"].get(name), key) for name in splits])
    return table


def _share(overlap: Mapping[str, int] | None, key: str) -> str:
    if overlap is None:
        return ""
    return f"{overlap[key] / overlap['mentions']:.1%}" if overlap["mentions"] else "-"


def _examples(examples: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [
        f"{label}: " + " · ".join(f"{form} {count:,}" for form, count in forms.items())
        for label, forms in examples.items()
        if forms
    ]


def _section(title: str, lines: Sequence[str]) -> list[Text]:
    """Return a titled list, cut after ten lines, or nothing when there is none."""
    if not lines:
        return []
    section = [Text(), _line(title, style="bold"), *(_line(f"  {line}") for line in lines[:_SHOWN])]
    if len(lines) > _SHOWN:
        section.append(_line(f"  … and {len(lines) - _SHOWN:,} more (--json has all)"))
    return section


def _line(line: str, style: str = "") -> Text:
    """Return text with its control characters written as escapes, so that data cannot drive the terminal."""
    visible = "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) == "Cc" else c for c in line)
    return Text(visible, style=style)
