"""Types that are too rare, types that a split lacks, and mentions that train has already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tagwright.inspect.part import Part

__all__ = ["FEW", "Overlap", "TypeCount", "find_rare_types", "overlap_of", "type_counts"]

FEW = 20
"""A type with fewer mentions in a split is rare there."""


@dataclass(frozen=True, slots=True)
class TypeCount:
    """A type that is rare in a split, or missing from it.

    Attributes:
        type: the type.
        split: the split.
        mentions: how many mentions of it the split has; 0 where it is missing.
        elsewhere: how many the other splits have together.
    """

    type: str
    split: str
    mentions: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a split's mentions occur in train.

    Attributes:
        mentions: mentions of the split.
        in_train_exact: those that train has with the same form and the same type.
        in_train_casefold: the same when upper and lower case are not told apart.
        form_in_train_exact: those whose form is a mention of train, whatever its type there.
        form_in_train_casefold: the same when upper and lower case are not told apart.
    """

    mentions: int
    in_train_exact: int
    in_train_casefold: int
    form_in_train_exact: int
    form_in_train_casefold: int


def type_counts(part: Part) -> dict[str, int]:
    """Count the mentions of each type of the label map, most frequent first."""
    counts = dict.fromkeys(part.labels.types, 0)
    for kind in part.types:
        counts[kind] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def find_rare_types(
    counts: Mapping[str, Mapping[str, int]], *, few: int = FEW
) -> tuple[tuple[TypeCount, ...], tuple[TypeCount, ...]]:
    """Find types that are rare in a split, and types that a split lacks.

    A type of the label map that no split has, because the source declares it and never uses it, is missing from
    every split.

    Args:
        counts: for each split, the mentions of each type.
        few: a type with fewer mentions, and at least one, is rare.

    Returns:
        The rare ones and the missing ones, in the order of the splits, each with the most frequent elsewhere first.
    """
    types = {kind for own in counts.values() for kind in own}
    total = {kind: sum(own.get(kind, 0) for own in counts.values()) for kind in types}
    found = [
        TypeCount(kind, split, own.get(kind, 0), total[kind] - own.get(kind, 0))
        for split, own in counts.items()
        for kind in sorted(types, key=lambda kind: (-total[kind], kind))
        if own.get(kind, 0) < few
    ]
    return tuple(one for one in found if one.mentions), tuple(one for one in found if not one.mentions)


def overlap_of(part: Part, train: Part) -> Overlap:
    """Count the mentions of a part that the train split has, too."""
    forms, pairs = set(train.forms), set(zip(train.forms, train.types, strict=True))
    folded = {form.casefold() for form in forms}
    folded_pairs = {(form.casefold(), kind) for form, kind in pairs}
    own = list(zip(part.forms, part.types, strict=True))
    return Overlap(
        mentions=len(own),
        in_train_exact=sum(mention in pairs for mention in own),
        in_train_casefold=sum((form.casefold(), kind) in folded_pairs for form, kind in own),
        form_in_train_exact=sum(form in forms for form, _ in own),
        form_in_train_casefold=sum(form.casefold() in folded for form, _ in own),
    )
