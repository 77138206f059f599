"""What kind of mistake each span is part of: one class for every gold and every predicted span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagwright.score.overlaps import pair_spans
from tagwright.tags.spans import IntArray, Spans

__all__ = ["CLASSES", "NOTHING", "ErrorClass", "Mistakes", "classify"]

Ints = NDArray[np.int64]

NOTHING = "(nothing)"
"""What stands in the confusion of types where a span has no counterpart."""


class ErrorClass(NamedTuple):
    """A class of agreement or error, and what it means."""

    name: str
    meaning: str


CLASSES = (
    ErrorClass("correct", "the right words and the right type"),
    ErrorClass("wrong type", "the right words, another type"),
    ErrorClass("too long", "the right type; all the words of the entity, and more"),
    ErrorClass("too short", "the right type; some of the words of the entity, and no others"),
    ErrorClass("shifted", "the right type; some of the words of the entity, and others"),
    ErrorClass("wrong border and type", "some words in common, but other borders and another type"),
    ErrorClass("split", "one entity, found as several"),
    ErrorClass("merged", "several entities, found as one"),
    ErrorClass("tangled", "several entities and several predictions that overlap in a chain"),
    ErrorClass("missed", "an entity, and nothing predicted on any of its words"),
    ErrorClass("spurious", "a prediction, and no entity on any of its words"),
)
"""The classes, in the order in which they are shown; see `classify`."""

_PLACE = {name: place for place, (name, _) in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Gold and predicted spans, grouped where they overlap, each group with its class.

    A group's spans are neighbours on either side, so that a group is a range of gold spans and a range of
    predicted ones. Groups are in order of their first words.

    Attributes:
        gold: the gold spans.
        predicted: the predicted spans.
        classes: int64, shape (groups,): index into `CLASSES`.
        gold_first: int64, shape (groups + 1,): index of each group's first gold span; last, their number.
        predicted_first: int64, shape (groups + 1,): the same for the predicted spans.
        gold_pair: int64, shape (groups,): the gold span that stands for the group; -1 where it has none.
        predicted_pair: int64, shape (groups,): the predicted span that stands for it; -1 where it has none.
        counterpart: int64, shape (gold,): the predicted span that each gold span is paired with, or -1.
    """

    gold: Spans
    predicted: Spans
    classes: Ints
    gold_first: Ints
    predicted_first: Ints
    gold_pair: Ints
    predicted_pair: Ints
    counterpart: Ints

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def of_gold(self) -> Ints:
        """The class of each gold span: int64, shape (gold,)."""
        return np.repeat(self.classes, np.diff(self.gold_first))

    @property
    def of_predicted(self) -> Ints:
        """The class of each predicted span: int64, shape (predicted,)."""
        return np.repeat(self.classes, np.diff(self.predicted_first))

    @property
    def wrong(self) -> Ints:
        """The groups that are not correct."""
        return np.flatnonzero(self.classes != _PLACE["correct"])

    @property
    def gold_types(self) -> Ints:
        """The type of the gold span that stands for each group; -1 where it has none."""
        return _take(self.gold.types, self.gold_pair)

    @property
    def predicted_types(self) -> Ints:
        """The type of the predicted span that stands for each group; -1 where it has none."""
        return _take(self.predicted.types, self.predicted_pair)

    def table(self, types: Sequence[str]) -> list[dict[str, Any]]:
        """Count each class.

        Args:
            types: the names of the types.

        Returns:
            One row a class, in the order of `CLASSES`: `name`, `meaning`, `count` (groups), `gold` and
            `predicted` (their spans) and `per_type`, where a group counts under the type of the gold span that
            stands for it, or the predicted one where it has no gold.
        """
        size = len(types)
        kinds = np.where(self.gold_pair >= 0, self.gold_types, self.predicted_types)
        counts = np.bincount(self.classes * size + kinds, minlength=len(CLASSES) * size)
        by_type = counts.reshape(len(CLASSES), size)
        totals, of_gold, of_predicted = (
            np.bincount(ids, minlength=len(CLASSES)).tolist()
            for ids in (self.classes, self.of_gold, self.of_predicted)
        )
        return [
            {
                "name": name,
                "meaning": meaning,
                "count": totals[place],
                "gold": of_gold[place],
                "predicted": of_predicted[place],
                "per_type": {label: count for label, count in sorted(zip(types, row, strict=True)) if count},
            }
            for place, ((name, meaning), row) in enumerate(zip(CLASSES, by_type.tolist(), strict=True))
        ]

    def confusion(self, types: Sequence[str]) -> dict[str, Any]:
        """Count which type was predicted for which: spans that share words, paired one to one.

        Borders may differ, so that the diagonal holds every pair of the same type and not only the correct
        ones. A row adds up to the gold spans of its type, a column to the predicted ones.

        Args:
            types: the names of the types; those without any span are left out.

        Returns:
            `gold` and `predicted`: the types, sorted, and `NOTHING`; `counts`: a row for each gold type.
        """
        nothing = len(types)
        paired = self.counterpart >= 0
        opposite = np.full(len(self.gold), nothing)
        opposite[paired] = self.predicted.types[self.counterpart[paired]]
        alone = np.ones(len(self.predicted), dtype=bool)
        alone[self.counterpart[paired]] = False
        rows = np.concatenate((self.gold.types, np.full(int(alone.sum()), nothing)))
        columns = np.concatenate((opposite, self.predicted.types[alone]))
        size = nothing + 1
        counts = np.bincount(rows * size + columns, minlength=size * size).reshape(size, size)
        used = np.flatnonzero(counts[:-1].any(axis=1) | counts[:, :-1].any(axis=0))
        order = [*sorted(used.tolist(), key=lambda place: types[place]), nothing]
        names = [*(types[place] for place in order[:-1]), NOTHING]
        return {"gold": names, "predicted": list(names), "counts": counts[np.ix_(order, order)].tolist()}


def classify(gold: Spans, predicted: Spans) -> Mistakes:
    """Give every gold and every predicted span exactly one class.

    Spans are grouped: two belong together when they share a word, or when others link them that do. What a
    group is depends on how many gold and predicted spans it has, and, where it has one of each, on their
    borders and types:

    | gold | predicted | borders                                        | types     | class                 |
    |-----:|----------:|------------------------------------------------|-----------|-----------------------|
    |    1 |         1 | the same                                       | the same  | correct               |
    |    1 |         1 | the same                                       | different | wrong type            |
    |    1 |         1 | the predicted span holds the gold one and more | the same  | too long              |
    |    1 |         1 | the gold span holds the predicted one and more | the same  | too short             |
    |    1 |         1 | each has words that the other has not          | the same  | shifted               |
    |    1 |         1 | any of the last three                          | different | wrong border and type |
    |    1 | 2 or more |                                                | any       | split                 |
    | 2 or more |    1 |                                                | any       | merged                |
    | 2 or more | 2 or more |                                           | any       | tangled               |
    |    1 |         0 |                                                |           | missed                |
    |    0 |         1 |                                                |           | spurious              |

    Every gold span that is not correct is a false negative, every such predicted span a false positive.
    Swapping the sides swaps too long and too short, split and merged, missed and spurious, and leaves the rest.

    Args:
        gold: in order, free of overlaps, as `LabelMap.spans` gives them.
        predicted: the same for the predicted side; types by the same indices.
    """
    pairing = pair_spans(gold, predicted)
    gold_first, predicted_first = _group(gold, predicted)
    gold_pair = _standing_for(gold_first, pairing.gold)
    predicted_pair = _standing_for(predicted_first, pairing.predicted)
    counterpart = np.full(len(gold), -1)
    counterpart[pairing.gold] = pairing.predicted

    golds, predictions = np.diff(gold_first), np.diff(predicted_first)
    starts, ends, types = (
        (_take(one, gold_pair), _take(other, predicted_pair))
        for one, other in (
            (gold.starts, predicted.starts),
            (gold.ends, predicted.ends),
            (gold.types, predicted.types),
        )
    )
    same_type = types[0] == types[1]
    holds_gold = (starts[1] <= starts[0]) & (ends[1] >= ends[0])
    within_gold = (starts[1] >= starts[0]) & (ends[1] <= ends[0])
    rules = {
        "missed": predictions == 0,
        "spurious": golds == 0,
        "tangled": (golds > 1) & (predictions > 1),
        "split": predictions > 1,
        "merged": golds > 1,
        "correct": holds_gold & within_gold & same_type,
        "wrong type": holds_gold & within_gold,
        "wrong border and type": ~same_type,
        "too long": holds_gold,
        "too short": within_gold,
    }  # the first that holds
    places = [np.int64(_PLACE[name]) for name in rules]
    classes = np.select(list(rules.values()), places, default=np.int64(_PLACE["shifted"]))
    return Mistakes(
        gold, predicted, classes, gold_first, predicted_first, gold_pair, predicted_pair, counterpart
    )


def _group(gold: Spans, predicted: Spans) -> tuple[Ints, Ints]:
    """Return where each group of overlapping spans begins, among the gold and among the predicted spans."""
    starts = np.concatenate((gold.starts, predicted.starts))
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(np.concatenate((gold.ends, predicted.ends))[order])
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = starts[order][1:] >= reached[:-1]
    heads = np.append(np.flatnonzero(begins), len(order))
    golds = np.concatenate(([0], np.cumsum(order < len(gold))))[heads]
    return golds, heads - golds


def _standing_for(first: Ints, paired: Ints) -> Ints:
    """Choose for each group its first paired span, or its only span, or -1 where it has none on this side."""
    pairs = np.append(paired, first[-1])
    found = pairs[np.searchsorted(paired, first[:-1])]
    alone = np.where(np.diff(first) == 1, first[:-1], -1)
    return np.where(found < first[1:], found, alone)


def _take(values: IntArray, places: Ints) -> Ints:
    """Return the values at the places, -1 where a place is -1."""
    taken = np.append(values, -1)[places]
    return taken.astype(np.int64)
