"""Which gold and predicted spans belong together: a one-to-one pairing of spans that share words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.spans import IntArray, Spans

__all__ = ["Pairing", "overlap_counts", "overlapping", "pair_spans"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Spans paired one to one, in order of their places.

    Attributes:
        gold: int64, shape (pairs,): index of the gold span of each pair.
        predicted: int64, shape (pairs,): index of the predicted span.
        exact: bool, shape (pairs,): whether the two begin and end at the same words; their types may differ.
    """

    gold: Ints
    predicted: Ints
    exact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.gold)


def overlapping(gold: Spans, predicted: Spans) -> tuple[Ints, Ints]:
    """List every two spans that share a word.

    Returns:
        Indices of the gold and of the predicted spans, each of shape (overlaps,), in the order in which the
        shared words stand. There are fewer overlaps than spans of both sides together.
    """
    first, beyond = _reach(gold, predicted)
    counts = np.maximum(beyond - first, 0)
    of_gold = np.repeat(np.arange(len(gold)), counts)
    # Count on from the first span that each reaches.
    of_predicted = np.arange(len(of_gold)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    return of_gold, of_predicted


def overlap_counts(gold: Spans, predicted: Spans) -> tuple[Ints, Ints]:
    """Count, for each gold span, the predicted spans it shares words with; and the other way round.

    Returns:
        int64 arrays of shapes (gold,) and (predicted,).
    """
    sides = (_reach(gold, predicted), _reach(predicted, gold))
    of_gold, of_predicted = (np.maximum(beyond - first, 0) for first, beyond in sides)
    return of_gold, of_predicted


def pair_spans(gold: Spans, predicted: Spans) -> Pairing:
    """Pair the spans that share words, each at most once.

    Where several share words, those with identical borders are paired first, then those of the same type, then
    those with more words in common, then the leftmost. The words that two spans share are shared by no other
    two, so that the order is total and the same from either side.
    """
    of_gold, of_predicted = overlapping(gold, predicted)
    gold_starts, predicted_starts = gold.starts[of_gold], predicted.starts[of_predicted]
    gold_ends, predicted_ends = gold.ends[of_gold], predicted.ends[of_predicted]
    exact = (gold_starts == predicted_starts) & (gold_ends == predicted_ends)
    chosen = np.ones(len(of_gold), dtype=bool)
    # Two overlaps that compete for a span are neighbours in the list; identical spans have no competitor.
    rival = np.zeros(len(of_gold), dtype=bool)
    rival[1:] = (of_gold[1:] == of_gold[:-1]) | (of_predicted[1:] == of_predicted[:-1])
    rival[:-1] |= rival[1:]
    if rival.any():
        knots = np.flatnonzero(rival)
        shared = np.minimum(gold_ends, predicted_ends) - np.maximum(gold_starts, predicted_starts)
        same_type = gold.types[of_gold] == predicted.types[of_predicted]
        order = knots[np.lexsort((knots, -shared[knots], ~same_type[knots]))]
        chosen[knots] = False
        chosen[_take_free(order, of_gold, of_predicted)] = True
    return Pairing(of_gold[chosen], of_predicted[chosen], exact[chosen])


def _take_free(order: Ints, of_gold: Ints, of_predicted: Ints) -> list[int]:
    """Go through overlaps in order, and take each whose two spans are both still free."""
    taken: list[int] = []
    used_gold: set[int] = set()
    used_predicted: set[int] = set()
    rows = zip(order.tolist(), of_gold[order].tolist(), of_predicted[order].tolist(), strict=True)
    for place, one, other in rows:
        if one not in used_gold and other not in used_predicted:
            taken.append(place)
            used_gold.add(one)
            used_predicted.add(other)
    return taken


def _reach(spans: Spans, others: Spans) -> tuple[IntArray, IntArray]:
    """For each span, the first of the others that ends after it begins, and the first that begins after it ends.

    Both sides are in order and free of overlaps, so that those in between share words with it.
    """
    first = np.searchsorted(others.ends, spans.starts, side="right")
    beyond = np.searchsorted(others.starts, spans.ends, side="left")
    return first, beyond
