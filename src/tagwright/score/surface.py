"""The reading of WNUT 2017: each distinct (surface form, type) pair counts once, however often it occurs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.score.tally import Reading, Tally
from tagwright.tags.spans import Spans

__all__ = ["Form", "Surface", "compare_forms"]

Form = tuple[str, str]
"""The words of a span, joined by blanks, and its type."""


@dataclass(frozen=True)
class Surface:
    """The distinct forms of each side; sets, so that parts of a data set add up.

    A form is correct when at least one predicted span of it was correct at its own place. So it is in `gold`
    and in `predicted`; one that is in both need not be correct.

    Attributes:
        gold: forms of gold spans.
        predicted: forms of predicted spans, in gold's words.
        correct: forms of correct spans.
    """

    gold: frozenset[Form] = frozenset()
    predicted: frozenset[Form] = frozenset()
    correct: frozenset[Form] = frozenset()

    def __add__(self, other: Surface) -> Surface:
        return Surface(self.gold | other.gold, self.predicted | other.predicted, self.correct | other.correct)

    @cached_property
    def reading(self) -> Reading:
        """The number of forms of each type, in place of spans."""
        sides = (self.correct, self.gold, self.predicted)
        rows: dict[str, list[int]] = {}
        for side, forms in enumerate(sides):
            for _, name in forms:
                rows.setdefault(name, [0, 0, 0])[side] += 1
        return Reading({name: Tally(*rows[name]) for name in sorted(rows)})

    @property
    def precision(self) -> float:
        """Share of the predicted forms that are correct."""
        return self.reading.precision

    @property
    def recall(self) -> float:
        """Share of the gold forms that were found."""
        return self.reading.recall

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return self.reading.f1

    @property
    def support(self) -> int:
        """How many distinct gold forms there were."""
        return len(self.gold)

    def to_dict(self) -> dict[str, Any]:
        """Return ratios and support, in forms, all together and per type, as JSON values."""
        return self.reading.to_dict()


def compare_forms(
    gold: Spans,
    predicted: Spans,
    correct: NDArray[np.bool_],
    words: Sequence[str],
    types: Sequence[str],
) -> Surface:
    """Collect the distinct forms of spans.

    Args:
        gold: the gold spans, as positions in `words`.
        predicted: the predicted spans.
        correct: shape (predicted,): whether the predicted span has its like in gold.
        words: every word, one sentence after another.
        types: the name of each number in `Spans.types`.
    """
    in_gold = {form: form for form in _forms(gold, words, types)}
    # Equal forms are kept once, whichever sets they are in.
    forms = [in_gold.get(form, form) for form in _forms(predicted, words, types)]
    return Surface(
        frozenset(in_gold),
        frozenset(forms),
        frozenset(forms[place] for place in np.flatnonzero(correct).tolist()),
    )


def _forms(spans: Spans, words: Sequence[str], types: Sequence[str]) -> list[Form]:
    rows = zip(spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True)
    return [
        (words[start] if end - start == 1 else " ".join(words[start:end]), types[label])
        for start, end, label in rows
    ]
