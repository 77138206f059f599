"""Where a tagger fails: F1 over spans that have something in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.score.forms import CASINGS, SEEN, Forms, KnownForms, casing
from tagwright.score.resample import Interval, UnitCounts, count_kinds, f1_intervals, units_of
from tagwright.score.tally import Tally
from tagwright.tags.spans import IntArray, Spans

__all__ = ["Slice", "SliceRow", "slice_scores"]

Ints = NDArray[np.int64]

_ENTITY_LENGTHS = ("1 word", "2 words", "3 words", "4 words", "5 or more")
_SENTENCE_LENGTHS = {"1 to 10 words": 11, "11 to 20": 21, "21 to 40": 41, "41 to 80": 81, "81 or more": 0}


@dataclass(frozen=True, slots=True)
class SliceRow:
    """The score of some of the spans.

    Attributes:
        name: what they have in common.
        tally: how many there are on either side, and how many agree.
        f1_interval: 95% interval of F1, by bootstrap over sentences, or over documents where they are marked;
            None where every span is right or none is, as then a bootstrap cannot tell.
    """

    name: str
    tally: Tally
    f1_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values."""
        return {
            "name": self.name,
            **self.tally.to_dict(),
            "predicted": self.tally.predicted,
            "correct": self.tally.correct,
            "f1_interval": list(self.f1_interval) if self.f1_interval else None,
        }


@dataclass(frozen=True, slots=True)
class Slice:
    """All spans, cut into rows by one property. A span is in one row, so that every count adds up.

    Attributes:
        name: the property, short.
        title: the property, as a heading.
        rows: those that hold a gold or a predicted span.
    """

    name: str
    title: str
    rows: tuple[SliceRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the slicing as JSON values."""
        return {"name": self.name, "title": self.title, "rows": [row.to_dict() for row in self.rows]}


@dataclass(frozen=True, slots=True)
class _Cut:
    """A slicing before it is counted: the names of its rows, and the row of each span of either side."""

    name: str
    title: str
    rows: Sequence[str]
    gold: Ints
    predicted: Ints


def slice_scores(
    words: Sequence[str],
    offsets: IntArray,
    gold: Spans,
    predicted: Spans,
    correct: NDArray[np.bool_],
    *,
    known: KnownForms | None = None,
    documents: Sequence[str | None] | None = None,
    rounds: int = 1000,
    seed: int = 0,
) -> list[Slice]:
    """Score spans by whether training has seen their form, by their length, their sentence's, and their casing.

    A gold span belongs to a row by what itself is, a predicted span by what itself is. One that is correct is
    its counterpart's equal in all of this, so precision, recall and F1 of a row are defined: precision is the
    share of the predicted spans of that kind that is right, recall the share of the gold spans that was found.

    Args:
        words: every word, one sentence after another.
        offsets: shape (sentences + 1,): where each sentence begins; last, the number of words.
        gold: the gold spans.
        predicted: the predicted spans.
        correct: bool, shape (predicted,): whether gold has a span of the same borders and type.
        known: the forms of the training mentions; without them that slicing is left out.
        documents: the document of each sentence, where they are marked.
        rounds: resamples for the intervals.
        seed: of the resamples.
    """
    units, count = units_of(documents, len(offsets) - 1)
    sides = [units[np.searchsorted(offsets, spans.starts, side="right") - 1] for spans in (gold, predicted)]
    slices = []
    for cut in _cuts(words, offsets, gold, predicted, known):
        rows = []
        for place, name in enumerate(cut.rows):
            of_gold, of_predicted = cut.gold == place, cut.predicted == place
            events = (sides[1][of_predicted & correct], sides[0][of_gold], sides[1][of_predicted])
            tally = Tally(*map(len, events))
            if tally.gold or tally.predicted:
                interval = None
                if 0 < 2 * tally.correct < tally.gold + tally.predicted:
                    counts = _unit_counts(events, count)
                    interval = f1_intervals(counts, rounds=rounds, seed=seed).micro
                rows.append(SliceRow(name, tally, interval))
        if rows:
            slices.append(Slice(cut.name, cut.title, tuple(rows)))
    return slices


def _unit_counts(events: Sequence[Ints], units: int) -> UnitCounts:
    """Count events per unit; given the units of correct, of gold and of predicted spans."""
    column = np.repeat(np.arange(len(events)), list(map(len, events)))
    rows, times = count_kinds(np.concatenate(events), column, units, len(events))
    return UnitCounts(("all",), rows.reshape(len(rows), 1, len(events)), times)


def _cuts(
    words: Sequence[str], offsets: IntArray, gold: Spans, predicted: Spans, known: KnownForms | None
) -> list[_Cut]:
    forms = Forms.of(words, gold, predicted)

    def by_form(name: str, title: str, rows: Sequence[str], kind_of: Callable[[str], str]) -> _Cut:
        table = np.array([rows.index(kind_of(form)) for form in forms.names], dtype=np.int64)
        return _Cut(name, title, rows, table[forms.gold], table[forms.predicted])

    def by_number(
        name: str, title: str, rows: Sequence[str], bounds: Sequence[int], measured: Sequence[IntArray]
    ) -> _Cut:
        places = (np.searchsorted(bounds, values, side="right") for values in measured)
        return _Cut(name, title, rows, *places)

    cuts = []
    if known is not None:
        cuts.append(by_form("seen in train", "Form seen in training", SEEN, known.look_up))
    lengths = [spans.ends - spans.starts for spans in (gold, predicted)]
    cuts.append(
        by_number("entity length", "Length of the entity", _ENTITY_LENGTHS, range(2, 6), lengths),
    )
    sizes = np.diff(offsets)
    sentences = [
        sizes[np.searchsorted(offsets, spans.starts, side="right") - 1] for spans in (gold, predicted)
    ]
    bounds = list(_SENTENCE_LENGTHS.values())[:-1]
    cuts.append(
        by_number("sentence length", "Length of the sentence", list(_SENTENCE_LENGTHS), bounds, sentences)
    )
    cuts.append(by_form("casing", "Casing of the entity", CASINGS, casing))
    return cuts
