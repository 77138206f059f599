"""The least score of each type at which its entities reach a precision, and what that keeps and drops."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.meta import SILENT
from tagwright.score.calibration import ScoredSpans
from tagwright.score.tally import Tally, ratio

__all__ = ["TypeEffect", "check_precision", "effects_of", "fit_thresholds", "wilson_bound"]

_GRAIN = 10_000  # thresholds have four decimals where that tells the entities apart


@dataclass(frozen=True, slots=True)
class TypeEffect:
    """What a threshold does to the entities of a type.

    Attributes:
        name: the type; `all` together.
        threshold: the least score that is kept; None for all types together, and where none was fitted: a type
            that the tagger does not know.
        before: correct, gold and predicted entities without it.
        after: the same with it.
    """

    name: str
    threshold: float | None
    before: Tally
    after: Tally

    @property
    def silenced(self) -> bool:
        """Whether the threshold lets nothing pass, ever."""
        return self.threshold is not None and self.threshold > 1

    @property
    def lower(self) -> float:
        """The lower end of the 95% interval (Wilson) of the precision that is kept: 0 where nothing is."""
        return wilson_bound(self.after.correct, self.after.predicted)

    def to_dict(self) -> dict[str, Any]:
        """Return the ratios and counts as JSON values."""
        return {
            "type": self.name,
            "threshold": self.threshold,
            "silenced": self.silenced,
            "gold": self.before.gold,
            "entities": self.before.predicted,
            "kept": self.after.predicted,
            "precision_before": self.before.precision,
            "recall_before": self.before.recall,
            "precision": self.after.precision,
            "precision_low": self.lower,
            "recall": self.after.recall,
        }


def check_precision(precision: float) -> None:
    """Refuse a precision that cannot be asked for.

    Raises:
        InputError: it is not above 0 and at most 1.
    """
    if not 0 < precision <= 1:
        raise InputError(
            f"a precision of {precision:g} cannot be asked for", mend="give one above 0, at most 1: 0.9"
        )


def fit_thresholds(spans: ScoredSpans, types: Sequence[str], precision: float) -> dict[str, float]:
    """Find for each type the lowest score such that the entities at or above it reach a precision.

    Args:
        spans: the predicted entities, with the scores that will be served.
        types: the types, in the order of their indices.
        precision: the precision wanted, above 0 and at most 1.

    Returns:
        A threshold for each type: 0 where all entities together reach the precision; `SILENT` where no set of
        the best ones does, or there is none to judge by. It lies just below the least score that is kept.
    """
    check_precision(precision)
    found = {}
    for number, name in enumerate(types):
        own = spans.types == number
        found[name] = _lowest(spans.scores[own], spans.correct[own], precision)
    return found


def _lowest(scores: NDArray[np.float64], correct: NDArray[np.bool_], precision: float) -> float:
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], np.cumsum(correct[order])
    counts = np.arange(1, len(scores) + 1)
    # Equal scores pass together or not at all: only the last of a run can be the last that is kept.
    last_of_run = np.append(scores[1:] < scores[:-1], True)[: len(scores)]
    reached = np.flatnonzero((right / counts >= precision) & last_of_run)
    if not len(reached):
        return SILENT
    last = int(reached[-1])
    if last == len(scores) - 1:
        return 0.0
    kept, dropped = float(scores[last]), float(scores[last + 1])
    rounded = math.floor(kept * _GRAIN) / _GRAIN
    if dropped < rounded <= kept:
        return rounded
    between = (kept + dropped) / 2
    return between if dropped < between <= kept else kept


def effects_of(
    spans: ScoredSpans, types: Sequence[str], thresholds: Mapping[str, float]
) -> tuple[list[TypeEffect], TypeEffect]:
    """Count what thresholds do to entities.

    Args:
        spans: the predicted entities, none dropped.
        types: the types, in the order of their indices.
        thresholds: the least score of each type; 0 for those that are not named.

    Returns:
        The effect on each type that is predicted or in gold, sorted by name, and on all together.
    """
    least = np.array([thresholds.get(name, 0.0) for name in types])
    kept = spans.scores >= least[spans.types]

    def count(which: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(spans.types[which], minlength=len(types)).astype(np.int64)

    columns = [
        count(spans.correct),
        count(np.ones(len(spans), dtype=bool)),
        count(spans.correct & kept),
        count(kept),
    ]
    rows = []
    for number, name in enumerate(types):
        right, predicted, right_kept, predicted_kept = (int(column[number]) for column in columns)
        gold = int(spans.gold[number])
        before, after = Tally(right, gold, predicted), Tally(right_kept, gold, predicted_kept)
        fitted = name in thresholds or not thresholds
        rows.append(TypeEffect(name, float(least[number]) if fitted else None, before, after))
    together = TypeEffect(
        "all", None, sum((row.before for row in rows), Tally()), sum((row.after for row in rows), Tally())
    )
    rows = [row for row in rows if row.before.gold or row.before.predicted or row.silenced]
    return sorted(rows, key=lambda row: row.name), together


def wilson_bound(correct: int, entities: int, *, z: float = 1.959964) -> float:
    """Return the lower end of Wilson's interval (1927) of a share; 95% for the given `z`.

    >>> round(wilson_bound(9, 10), 3)
    0.596
    """
    if not entities:
        return 0.0
    share, spread = ratio(correct, entities), z * z / entities
    middle = share + spread / 2
    return max(0.0, (middle - math.sqrt(spread * (share * (1 - share) + spread / 4))) / (1 + spread))
