"""The temperature at which entity scores agree best with how often they are right (Guo et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.pieces import ranges
from tagwright.errors import require
from tagwright.predict.decoding import span_scores, tempered
from tagwright.score.calibration import ScoredSpans, log_loss, scored_spans
from tagwright.score.tagged import TaggedSplit
from tagwright.tags import offsets_of
from tagwright.tags.spans import Spans

__all__ = ["HIGHEST", "LOWEST", "EntityWords", "fit_temperature"]

LOWEST, HIGHEST = 0.1, 10.0
"""Temperatures are looked for between these; what lies beyond is no calibration."""

DECIMALS = 4
_STEPS = 25


@dataclass(frozen=True, slots=True)
class EntityWords:
    """The words inside the predicted entities of a split: all that a temperature can change.

    Attributes:
        log_probabilities: float32, shape (words, labels): each word's distribution at temperature 1.
        ids: int64, shape (words,): the chosen tags.
        spans: the entities, as positions in these words.
        scored: their scores at temperature 1, and whether they are right.
    """

    log_probabilities: NDArray[np.float32]
    ids: NDArray[np.int64]
    spans: Spans
    scored: ScoredSpans

    @classmethod
    def of(cls, tagged: TaggedSplit) -> EntityWords:
        """Take them out of a split that was tagged at temperature 1 with `log_probabilities=True`."""
        if tagged.log_probabilities is None:
            raise ValueError("the split was tagged without its log-probabilities")
        spans = tagged.labels.spans(tagged.pred_ids, tagged.offsets)
        lengths = spans.ends - spans.starts
        words = ranges(spans.starts, lengths)
        borders = offsets_of(lengths)
        return cls(
            tagged.log_probabilities[words],
            tagged.pred_ids[words],
            Spans(borders[:-1], borders[1:], spans.types),
            scored_spans(tagged),
        )

    def at(self, temperature: float) -> ScoredSpans:
        """Return the entities with the scores that they have at a temperature, to the bit as they are served."""
        distributions = tempered(self.log_probabilities, temperature)
        probabilities = np.exp(distributions[np.arange(len(self.ids)), self.ids])
        return replace(self.scored, scores=span_scores(probabilities, self.spans))


def fit_temperature(words: EntityWords) -> float | None:
    """Find the temperature with the least log loss of entity scores against right and wrong.

    The tags stay as they were chosen at temperature 1.

    Returns:
        The temperature, between `LOWEST` and `HIGHEST`, rounded to four decimals; None where all entities are
        right, or all wrong: the best temperature would be without bound.
    """
    if words.scored.correct.all() or not words.scored.correct.any():
        return None
    optimize = require("scipy.optimize", "train")

    def loss(log_temperature: float) -> float:
        return log_loss(words.at(float(np.exp(log_temperature))))

    # The loss may have several valleys: the lowest point of a grid first, then down from there.
    grid = np.linspace(np.log(LOWEST), np.log(HIGHEST), _STEPS)
    best = int(np.argmin([loss(point) for point in grid]))
    bounds = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _STEPS - 1)])
    found = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return round(float(np.exp(found.x)), DECIMALS)
