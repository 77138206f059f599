"""What a bootstrap resamples: the sentences of a data set, and its documents where they are marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tagwright.score.resample import F1Intervals, UnitCounts, count_kinds, f1_intervals, same_spans, units_of
from tagwright.tags.spans import IntArray, Spans

__all__ = ["MANY_TYPES", "Units"]

MANY_TYPES = 200
"""Of more types, none is counted by itself: tables of counts have a place for each, in every kind of unit."""

_NOTHING = UnitCounts()


@dataclass(frozen=True, slots=True)
class Units:
    """The counts of each sentence and of each document, for one reading. Parts of a data set add up.

    Both are kept, because whether documents can be resampled is only known at the end: a part may hold a single
    document while the whole holds many. A document that lies in two parts counts as two.

    Attributes:
        sentences: counted by sentence.
        documents: counted by document; a sentence outside every document is a unit of its own.
    """

    sentences: UnitCounts = field(default_factory=lambda: _NOTHING)
    documents: UnitCounts = field(default_factory=lambda: _NOTHING)

    @classmethod
    def of(
        cls,
        gold: Spans,
        predicted: Spans,
        offsets: IntArray,
        types: Sequence[str],
        *,
        documents: Sequence[str | None] | None = None,
        per_type: bool = True,
    ) -> Units:
        """Count.

        Args:
            gold: the gold spans, as positions in a flat array of words.
            predicted: the predicted spans.
            offsets: shape (sentences + 1,): where each sentence begins; last, the number of words.
            types: the name of each number in `Spans.types`.
            documents: the document of each sentence, None or empty outside of documents; or None if there are none.
            per_type: count each type by itself, or else all together: where every word is a span, hardly two
                sentences have the same counts of each type, and memory would grow with their number.
        """

        def count(borders: IntArray, groups: Sequence[str | None] | None = None) -> UnitCounts:
            if per_type:
                return UnitCounts.of(gold, predicted, borders, types, documents=groups)
            return _together(gold, predicted, borders, groups)

        sentences = count(offsets)
        groups = [name or None for name in documents or ()]
        names = set(groups)
        if not names - {None}:
            return cls(sentences, sentences)
        return cls(sentences, count(offsets, groups) if len(names) > 1 else count(offsets[[0, -1]]))

    def __add__(self, other: Units) -> Units:
        sentences = self.sentences + other.sentences
        if self.documents is self.sentences and other.documents is other.sentences:
            return Units(sentences, sentences)
        return Units(sentences, self.documents + other.documents)

    @property
    def name(self) -> str:
        """`documents` where several documents group the sentences, `sentences` otherwise."""
        return "documents" if 1 < self.documents.units < self.sentences.units else "sentences"

    def intervals(self) -> F1Intervals:
        """Return the 95% bootstrap intervals of F1, over documents or sentences as `name` says."""
        return f1_intervals(self.documents if self.name == "documents" else self.sentences)


def _together(
    gold: Spans, predicted: Spans, borders: IntArray, documents: Sequence[str | None] | None
) -> UnitCounts:
    """Count the spans of all types as one, which has no name."""
    units, count = units_of(documents, len(borders) - 1)
    sides = (predicted.starts[same_spans(gold, predicted)], gold.starts, predicted.starts)
    place = [units[np.searchsorted(borders, starts, side="right") - 1] for starts in sides]
    column = np.repeat(np.arange(3), [len(starts) for starts in sides])
    rows, times = count_kinds(np.concatenate(place), column, count, 3)
    return UnitCounts(("",), rows.reshape(len(rows), 1, 3), times)
