"""The readings of SemEval-2013 task 9.1: what a wrong span got right, by borders, by type, or in part.

Gold and predicted spans that share words are paired one to one (`tagwright.score.overlaps.pair_spans`), and each
reading has its own word for a pair:

| gold | predicted | boundary | type | partial |
|---|---|---|---|---|
| a span | the same borders and type | correct | correct | correct |
| a span | the same borders, another type | correct | incorrect | correct |
| a span | other borders, shared words, the same type | incorrect | correct | partial |
| a span | other borders, shared words, another type | incorrect | incorrect | partial |
| a span | nothing that is paired with it | missed | missed | missed |
| nothing that is paired with it | a span | spurious | spurious | spurious |

So correct + incorrect + partial + missed are the gold spans, and correct + incorrect + partial + spurious the
predicted ones. A pair that is partial counts half: precision is (correct + partial / 2) / predicted, recall
(correct + partial / 2) / gold. All but precision and spurious spans go by the gold span's type; see `Matches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagwright.score.overlaps import pair_spans
from tagwright.score.tally import PerType, ratio
from tagwright.tags.spans import Spans

__all__ = ["Matched", "Matches", "SemEval", "compare_spans"]


@dataclass(frozen=True, slots=True)
class Matches:
    """How many spans of a type were paired, and how well.

    In a pair of two types, the two sides tell of different types. What became of the gold spans goes by their
    type, so that correct + incorrect + partial + missed is the type's support. Precision asks what the
    predictions of a type are worth, and goes by the predicted type above and below the line.

    Attributes:
        correct: gold spans of the type whose pair is right in the reading's eyes.
        incorrect: those whose pair is wrong.
        partial: those whose pair is half right.
        missed: those without a pair.
        spurious: predicted spans of the type without a pair.
        predicted: predicted spans of the type.
        predicted_correct: those whose pair is right.
        predicted_partial: those whose pair is half right.
    """

    correct: int = 0
    incorrect: int = 0
    partial: int = 0
    missed: int = 0
    spurious: int = 0
    predicted: int = 0
    predicted_correct: int = 0
    predicted_partial: int = 0

    def __add__(self, other: Matches) -> Matches:
        return Matches(
            self.correct + other.correct,
            self.incorrect + other.incorrect,
            self.partial + other.partial,
            self.missed + other.missed,
            self.spurious + other.spurious,
            self.predicted + other.predicted,
            self.predicted_correct + other.predicted_correct,
            self.predicted_partial + other.predicted_partial,
        )

    @property
    def gold(self) -> int:
        """How many gold spans there were."""
        return self.correct + self.incorrect + self.partial + self.missed

    @property
    def support(self) -> int:
        """How many gold spans there were."""
        return self.gold

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are correct, partial ones counted half."""
        return ratio(self._halves_predicted, 2 * self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found, partial ones counted half."""
        return ratio(self._halves, 2 * self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        found, right = self._halves, self._halves_predicted
        return ratio(found * right, right * self.gold + found * self.predicted)  # counts, so that it is exact

    @property
    def _halves(self) -> int:
        return 2 * self.correct + self.partial

    @property
    def _halves_predicted(self) -> int:
        return 2 * self.predicted_correct + self.predicted_partial

    def to_dict(self) -> dict[str, Any]:
        """Return the ratios, unrounded, the support and the five counts."""
        counts = ("correct", "incorrect", "partial", "missed", "spurious")
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "support": self.support,
            **{name: count for name, count in asdict(self).items() if name in counts},
        }


class Matched(PerType[Matches]):
    """What one reading says of every pair."""

    __slots__ = ()
    nothing = Matches()


class SemEval(NamedTuple):
    """The three readings of SemEval-2013 that `lenient` and `strict` do not give.

    Attributes:
        boundary: the borders decide, whatever the type.
        type: the type decides, as soon as words are shared.
        partial: the borders decide, and shared words count half, whatever the type.
    """

    boundary: Matched = Matched()
    type: Matched = Matched()
    partial: Matched = Matched()


def compare_spans(gold: Spans, predicted: Spans, types: Sequence[str]) -> SemEval:
    """Pair spans once, and count what each reading makes of the pairs.

    Args:
        gold: the gold spans.
        predicted: the predicted spans; their types are numbered as gold's.
        types: the name of each number.
    """
    pairing = pair_spans(gold, predicted)
    gold_types, predicted_types = gold.types[pairing.gold], predicted.types[pairing.predicted]
    same = gold_types == predicted_types

    def count(kinds: NDArray[np.integer]) -> NDArray[np.int64]:
        return np.bincount(kinds, minlength=len(types))

    in_gold, in_predicted, paired, paired_predicted = (
        count(kinds) for kinds in (gold.types, predicted.types, gold_types, predicted_types)
    )

    def read(correct: NDArray[np.bool_], partial: NDArray[np.bool_]) -> Matched:
        right, half = count(gold_types[correct]), count(gold_types[partial])
        columns = (
            right,
            paired - right - half,
            half,
            in_gold - paired,
            in_predicted - paired_predicted,
            in_predicted,
            count(predicted_types[correct]),
            count(predicted_types[partial]),
        )
        rows = zip(types, np.stack(columns, axis=1).tolist(), strict=True)
        return Matched({name: Matches(*row) for name, row in sorted(rows) if any(row)})

    never = np.zeros(len(pairing), dtype=bool)
    return SemEval(read(pairing.exact, never), read(same, never), read(pairing.exact, ~pairing.exact))
