"""How far an entity's score can be believed: reliability diagram, expected calibration error, thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.predict.decoding import span_scores
from tagwright.score.counts import matches
from tagwright.score.tagged import TaggedSplit
from tagwright.score.tally import Tally

__all__ = [
    "Bin",
    "Calibration",
    "Point",
    "ScoredSpans",
    "calibration_of",
    "log_loss",
    "measure_spans",
    "scored_spans",
]

BINS = 10
POINTS = 100
LEAST = 1e-7  # the resolution of float32 near 1: a wrong span with score 1 must not cost infinitely much


@dataclass(frozen=True, slots=True)
class ScoredSpans:
    """The predicted spans of a split, each with its score and whether it is right.

    Attributes:
        scores: float64, shape (spans,): the mean probability of the span's tags, in 0..1.
        correct: bool, shape (spans,): a gold span has the same type and borders (lenient reading).
        types: int64, shape (spans,): the index of the type in the label map.
        gold: int64, shape (types,): how many gold spans of each type there are.
    """

    scores: NDArray[np.float64]
    correct: NDArray[np.bool_]
    types: NDArray[np.int64]
    gold: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Bin:
    """The predicted spans whose score lies in `[low, high)`; the last bin holds 1 as well.

    Attributes:
        low: where the bin begins.
        high: where it ends.
        count: spans in it.
        score: the mean of their scores; 0 where there is none.
        precision: the share of them that is right; 0 where there is none.
    """

    low: float
    high: float
    count: int
    score: float
    precision: float


@dataclass(frozen=True, slots=True)
class Point:
    """What is left when spans that score under a threshold are dropped.

    Attributes:
        threshold: the least score that is kept.
        precision: the share of the kept spans that is right.
        recall: the share of all gold spans that are kept and right.
        f1: their harmonic mean.
    """

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well the scores of predicted spans agree with how often these are right.

    Attributes:
        entities: predicted spans.
        ece: expected calibration error (Guo et al. 2017): the mean distance between score and precision over
            ten bins of equal width, weighted by the spans in each; in 0..1, 0 is best.
        bins: the reliability diagram.
        curve: precision and recall against a threshold, from low to high; at most 100 points.
        temperature: the temperature that the probabilities were divided by; 1 leaves them alone.
        thresholds: the least score of each type; spans under it are dropped already.
    """

    entities: int
    ece: float
    bins: tuple[Bin, ...]
    curve: tuple[Point, ...]
    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "entities": self.entities,
            "ece": self.ece,
            "temperature": self.temperature,
            "thresholds": dict(self.thresholds),
            "bins": [
                {"low": b.low, "high": b.high, "count": b.count, "score": b.score, "precision": b.precision}
                for b in self.bins
            ],
            "curve": [
                {"threshold": p.threshold, "precision": p.precision, "recall": p.recall, "f1": p.f1}
                for p in self.curve
            ],
        }


def calibration_of(tagged: TaggedSplit) -> Calibration:
    """Measure the calibration of a tagged split, as the tagger answers: its temperature and thresholds applied.

    A span's score is the mean probability of its tags, as in `Entity.score`; it is right when a gold span has
    the same type and borders in the lenient reading.
    """
    spans = scored_spans(tagged)
    return measure_spans(spans, temperature=tagged.temperature, thresholds=tagged.thresholds)


def measure_spans(
    spans: ScoredSpans, *, temperature: float = 1.0, thresholds: Mapping[str, float] | None = None
) -> Calibration:
    """Measure the calibration of scored spans; `temperature` and `thresholds` are what they were made with."""
    bins = reliability(spans)
    return Calibration(
        entities=len(spans),
        ece=expected_error(bins),
        bins=bins,
        curve=threshold_curve(spans),
        temperature=temperature,
        thresholds=dict(thresholds or {}),
    )


def scored_spans(tagged: TaggedSplit) -> ScoredSpans:
    """Pair each predicted span of a split with its score and with whether it is right."""
    gold = tagged.labels.spans(tagged.gold_ids, tagged.offsets)
    predicted = tagged.labels.spans(tagged.pred_ids, tagged.offsets)
    return ScoredSpans(
        span_scores(tagged.probabilities, predicted),
        matches(gold, predicted),
        np.asarray(predicted.types, dtype=np.int64),
        np.bincount(gold.types, minlength=len(tagged.labels.types)).astype(np.int64),
    )


def reliability(spans: ScoredSpans) -> tuple[Bin, ...]:
    """Sort spans into ten bins of equal width by their score."""
    edges = np.arange(BINS + 1) / BINS
    place = np.clip(np.searchsorted(edges, spans.scores, side="right") - 1, 0, BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    some = np.maximum(counts, 1)
    scores = np.bincount(place, weights=spans.scores, minlength=BINS) / some
    precisions = np.bincount(place, weights=spans.correct, minlength=BINS) / some
    rows = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return tuple(
        Bin(low, high, count, score, precision)
        for (low, high, count), score, precision in zip(
            rows, scores.tolist(), precisions.tolist(), strict=True
        )
    )


def expected_error(bins: tuple[Bin, ...]) -> float:
    """Return the expected calibration error of a reliability diagram; 0 where there are no spans."""
    total = sum(row.count for row in bins)
    return sum(row.count * abs(row.precision - row.score) for row in bins) / total if total else 0.0


def log_loss(spans: ScoredSpans) -> float:
    """Return the mean of -log(score) over right spans and -log(1 - score) over wrong ones; 0 without spans."""
    if not len(spans):
        return 0.0
    scores = np.clip(spans.scores, LEAST, 1 - LEAST)
    return float(-np.log(np.where(spans.correct, scores, 1 - scores)).mean())


def threshold_curve(spans: ScoredSpans) -> tuple[Point, ...]:
    """Return what is left at thresholds from 0 upwards: at each distinct score, or at 100 spread over the spans."""
    order = np.argsort(-spans.scores, kind="stable")
    scores, right = spans.scores[order], np.cumsum(spans.correct[order])
    # The last span of each run of equal scores: a threshold keeps all of the run or none.
    lasts = np.flatnonzero(np.append(scores[1:] < scores[:-1], True)) if len(scores) else np.zeros(0, int)
    if len(lasts) > POINTS:
        lasts = lasts[np.unique(np.linspace(0, len(lasts) - 1, POINTS).round().astype(int))]
    gold = int(spans.gold.sum())
    points = []
    for last in lasts[::-1].tolist():
        tally = Tally(int(right[last]), gold, last + 1)
        threshold = float(scores[last]) if last + 1 < len(scores) else 0.0
        points.append(Point(threshold, tally.precision, tally.recall, tally.f1))
    return tuple(points)
