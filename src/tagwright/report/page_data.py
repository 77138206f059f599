"""A data summary as the tables and findings of a page: lookups and labels, no arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tagwright.report.show import NOTHING, whole

__all__ = ["Lines", "Table", "data_findings", "data_tables"]

_LENGTHS = {"median": "median", "p90": "90% up to", "p99": "99% up to", "longest": "longest"}


class Table(NamedTuple):
    """A table: its caption, its head and its rows, the first cell of each naming it."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Lines(NamedTuple):
    """A list: its caption, a line of text on it, and what it lists."""

    caption: str
    text: str
    lines: Sequence[str]


def data_tables(data: Mapping[str, Any]) -> list[Table]:
    """Return what a data summary counts, one column a split."""
    splits: Mapping[str, Mapping[str, Any]] = data["splits"]
    head = ["what", *splits]
    sizes = [
        [name, *(whole(split[name]) for split in splits.values())]
        for name in ("sentences", "words", "mentions")
    ]
    sizes += [
        [
            f"words in a sentence, {label}",
            *(whole(split["words_per_sentence"][key]) for split in splits.values()),
        ]
        for key, label in _LENGTHS.items()
    ]
    types = dict.fromkeys(label for split in splits.values() for label in split["types"])
    tables = [
        Table("Sizes", head, sizes),
        Table(
            "Mentions of each type",
            head,
            [[label, *(whole(split["types"].get(label, 0)) for split in splits.values())] for label in types],
        ),
    ]
    overlap = data.get("overlap") or {}
    if overlap:
        rows = [
            [label, *(_look(overlap, name, key) for name in overlap)]
            for key, label in (
                ("mentions", "mentions"),
                ("in_train_exact", "form and type in train, as written"),
                ("in_train_casefold", "form and type in train, in any case"),
            )
        ]
        tables.append(Table("Mentions that training has seen", ["what", *overlap], rows))
    duplicates = data.get("duplicates") or {}
    if duplicates:
        rows = [
            [label, *(_look(duplicates, name, key) for name in duplicates)]
            for key, label in (
                ("copies", "surplus copies"),
                ("groups", "groups of equal sentences"),
                ("conflicting", "groups labelled differently"),
            )
        ]
        tables.append(Table("Sentences that occur more than once", ["what", *duplicates], rows))
    return tables


def data_findings(data: Mapping[str, Any]) -> list[Lines]:
    """Return what the checks of a data summary found, what matters most first, each with its worst examples."""
    return [
        Lines(
            f"{whole(one['count'])} {one['what']}",
            one["meaning"],
            [
                ": ".join(part for part in (example["where"], example["text"]) if part)
                for example in one["examples"]
            ],
        )
        for one in data.get("findings") or ()
    ]


def _look(values: Mapping[str, Mapping[str, Any]], name: str, key: str) -> str:
    found = values[name].get(key)
    return NOTHING if found is None else whole(found)
