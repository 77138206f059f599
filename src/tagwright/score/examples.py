"""Mistakes in their sentences, as plain values that a page or a terminal can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.score.mistakes import CLASSES, Mistakes
from tagwright.score.tagged import TaggedSplit
from tagwright.tags.spans import Spans

__all__ = ["LONG_SENTENCE", "MARGIN", "Gallery"]

Ints = NDArray[np.int64]

LONG_SENTENCE = 120
"""A sentence of more words than this (a whole document, say) is not shown whole."""

MARGIN = 30
"""So many words are shown on either side of a mistake in such a sentence."""


@dataclass(frozen=True)
class Gallery:
    """The mistakes of a tagged split, to be shown.

    Attributes:
        tagged: the split.
        mistakes: its spans, grouped and classified.
        scores: float64, shape (predicted,): the score of each predicted span.
    """

    tagged: TaggedSplit
    mistakes: Mistakes
    scores: NDArray[np.float64]

    @cached_property
    def confidences(self) -> NDArray[np.float64]:
        """The highest score among each group's predicted spans: float64, shape (groups,); -1 without any."""
        first = self.mistakes.predicted_first
        some = np.flatnonzero(np.diff(first))
        highest = np.full(len(self.mistakes), -1.0)
        if len(some):
            highest[some] = np.maximum.reduceat(self.scores, first[some])
        return highest

    def frequent(self, limit: int) -> list[dict[str, Any]]:
        """Count the wrong forms with the types and the class of their mistake; the most frequent first.

        Returns:
            At most `limit` of `form`, `gold` and `predicted` (types, or None), `class` and `count`. The form is
            that of gold, or of the prediction where gold has none.
        """
        counts = Counter(
            (error["form"], error["gold_type"], error["predicted_type"], error["class"])
            for error in map(self._describe, self.mistakes.wrong.tolist())
        )
        ranked = sorted(counts.items(), key=lambda item: (-item[1], tuple(map(str, item[0]))))
        return [
            {"form": form, "gold": gold, "predicted": predicted, "class": name, "count": count}
            for (form, gold, predicted, name), count in ranked[:limit]
        ]

    def confident(self, limit: int) -> list[dict[str, Any]]:
        """Return the mistakes with the highest scores, each in its sentence, the most confident first."""
        wrong = self.mistakes.wrong
        wrong = wrong[self.confidences[wrong] >= 0]
        order = wrong[np.argsort(-self.confidences[wrong], kind="stable")][:limit]
        return [self._show([group]) for group in order.tolist()]

    def examples(self, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return every sentence that has mistakes, with all of them.

        Where there are more than `limit`, as many are taken, evenly spread over the data. In a sentence of
        more than `LONG_SENTENCE` words, passages with mistakes are shown instead.

        Returns:
            The examples, and how many were left out.
        """
        passages = self._passages()
        kept: Sequence[int] = range(len(passages))
        if len(passages) > limit:
            kept = np.linspace(0, len(passages) - 1, limit).round().astype(int).tolist()
        return [self._show(passages[place].tolist()) for place in kept], len(passages) - len(kept)

    def _passages(self) -> list[Ints]:
        """Return the mistakes that are shown together: by sentence, or by passage in a long one."""
        wrong = self.mistakes.wrong
        if not len(wrong):
            return []
        starts, ends = self._bounds(wrong)
        sentences = np.searchsorted(self.tagged.offsets, starts, side="right") - 1
        long = np.diff(self.tagged.offsets)[sentences] > LONG_SENTENCE
        apart = sentences[1:] != sentences[:-1]
        apart |= long[1:] & (starts[1:] - ends[:-1] > 2 * MARGIN)
        return np.split(wrong, np.flatnonzero(apart) + 1)

    def _bounds(self, groups: Ints) -> tuple[Ints, Ints]:
        """Return the first word of each group, and one past its last."""
        far = len(self.tagged.words)
        starts, ends = np.full(len(groups), far), np.zeros(len(groups), dtype=np.int64)
        sides = (
            (self.mistakes.gold, self.mistakes.gold_first),
            (self.mistakes.predicted, self.mistakes.predicted_first),
        )
        for spans, borders in sides:
            first, last = borders[groups], borders[groups + 1]
            some = first < last
            starts[some] = np.minimum(starts[some], spans.starts[first[some]])
            ends[some] = np.maximum(ends[some], spans.ends[last[some] - 1])
        return starts, ends

    def _show(self, groups: list[int]) -> dict[str, Any]:
        """Return a sentence, or a passage of a long one, with some of its mistakes."""
        tagged = self.tagged
        starts, ends = self._bounds(np.array([groups[0], groups[-1]]))
        sentence = int(np.searchsorted(tagged.offsets, starts[0], side="right")) - 1
        first, last = tagged.offsets[sentence : sentence + 2].tolist()
        begin, end = first, last
        if last - first > LONG_SENTENCE:
            begin = self._outside(max(first, int(starts[0]) - MARGIN), start=True)
            end = self._outside(min(last, int(ends[-1]) + MARGIN), start=False)
        gold_from, gold_to = _within(self.mistakes.gold, begin, end)
        predicted_from, predicted_to = _within(self.mistakes.predicted, begin, end)
        types = tagged.labels.types
        return {
            "id": tagged.sentence_ids[sentence],
            "document": tagged.documents[sentence] if tagged.documents is not None else None,
            "first_word": begin - first,
            "sentence_words": last - first,
            "words": list(tagged.words[begin:end]),
            "gold": list(_spans(self.mistakes.gold, gold_from, gold_to, begin, types)),
            "predicted": [
                {**span, "score": score}
                for span, score in zip(
                    _spans(self.mistakes.predicted, predicted_from, predicted_to, begin, types),
                    self.scores[predicted_from:predicted_to].tolist(),
                    strict=True,
                )
            ],
            "errors": [self._describe(group, gold_from, predicted_from) for group in groups],
        }

    @cached_property
    def _all_bounds(self) -> tuple[Ints, Ints]:
        return self._bounds(np.arange(len(self.mistakes)))

    def _outside(self, border: int, *, start: bool) -> int:
        """Move the border of a passage out of the spans that it would cut, mistaken or not."""
        starts, ends = self._all_bounds
        place = int(np.searchsorted(starts, border)) - 1
        if place >= 0 and ends[place] > border:
            return int(starts[place] if start else ends[place])
        return border

    def _describe(self, group: int, gold_from: int = 0, predicted_from: int = 0) -> dict[str, Any]:
        """Return a mistake, its spans numbered from the first ones shown."""
        mistakes, types = self.mistakes, self.tagged.labels.types
        golds = range(*mistakes.gold_first[group : group + 2].tolist())
        predictions = range(*mistakes.predicted_first[group : group + 2].tolist())
        gold, predicted = int(mistakes.gold_pair[group]), int(mistakes.predicted_pair[group])
        found = self._form(mistakes.predicted, predictions)
        return {
            "class": CLASSES[mistakes.classes[group]].name,
            "gold": gold - gold_from if golds else None,
            "predicted": predicted - predicted_from if predictions else None,
            "golds": [place - gold_from for place in golds],
            "predictions": [place - predicted_from for place in predictions],
            "form": self._form(mistakes.gold, golds) if golds else found,
            "predicted_form": found if predictions else None,
            "gold_type": types[mistakes.gold.types[gold]] if golds else None,
            "predicted_type": types[mistakes.predicted.types[predicted]] if predictions else None,
            "score": float(self.confidences[group]) if predictions else None,
        }

    def _form(self, spans: Spans, places: range) -> str:
        """Return the words from the first of neighbouring spans to the last."""
        if not places:
            return ""
        return " ".join(self.tagged.words[int(spans.starts[places[0]]) : int(spans.ends[places[-1]])])


def _within(spans: Spans, begin: int, end: int) -> tuple[int, int]:
    """Return the range of the spans that begin in a range of words."""
    first, last = np.searchsorted(spans.starts, (begin, end)).tolist()
    return first, last


def _spans(spans: Spans, first: int, last: int, begin: int, types: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield spans as plain values, words counted from the first one shown."""
    columns = (spans.types, spans.starts, spans.ends)
    for kind, start, end in zip(*(column[first:last].tolist() for column in columns), strict=True):
        yield {"label": types[kind], "word_start": start - begin, "word_end": end - begin}
