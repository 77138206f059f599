"""The points of a learning curve, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from tagwright.train.gains import Judgement, interval_of_mean

__all__ = ["Curve", "CurvePoint", "CurveRun"]


@dataclass(frozen=True)
class CurveRun:
    """One training on a part of the data.

    Attributes:
        share: of the train split.
        seed: of the draw and of the training.
        sentences: trained on.
        words: in them.
        mentions: gold spans in them.
        steps: of the training.
        f1: lenient micro F1 on the scored split, in 0..1.
        precision: the same for precision.
        recall: the same for recall.
        strict_f1: F1 by the strict reading.
    """

    share: float
    seed: int
    sentences: int
    words: int
    mentions: int
    steps: int
    f1: float
    precision: float
    recall: float
    strict_f1: float

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> CurveRun:
        """Take the fields from a JSON object.

        Raises:
            KeyError: one is missing.
            TypeError: one is no number.
            ValueError: one is out of its range.
        """
        values = {name.name: record[name.name] for name in fields(cls)}
        if not all(type(value) in (int, float) for value in values.values()):
            raise TypeError("a field of a point is no number")
        run = cls(**values)
        ratios = (run.share, run.f1, run.precision, run.recall, run.strict_f1)
        counts = (run.seed, run.words, run.mentions, run.steps, run.sentences - 1)
        if not all(0 <= ratio <= 1 for ratio in ratios) or not all(count >= 0 for count in counts):
            raise ValueError("a field of a point is out of its range")
        return run


@dataclass(frozen=True)
class CurvePoint:
    """The trainings on one share of the data.

    Attributes:
        share: of the train split.
        sentences: trained on, the mean over seeds.
        f1: the mean over seeds.
        deviation: standard deviation over seeds; None for one seed.
        interval: 95% interval of the mean (Student's, over seeds), within 0..1; None for one seed.
        runs: one a seed.
    """

    share: float
    sentences: float
    f1: float
    deviation: float | None
    interval: tuple[float, float] | None
    runs: list[CurveRun]

    @classmethod
    def of(cls, runs: Sequence[CurveRun]) -> CurvePoint:
        """Put the trainings on one share together."""
        f1 = np.array([run.f1 for run in runs])
        interval = interval_of_mean(f1)
        return cls(
            share=runs[0].share,
            sentences=float(np.mean([run.sentences for run in runs])),
            f1=float(f1.mean()),
            deviation=None if interval is None else float(f1.std(ddof=1)),
            interval=interval and (max(interval[0], 0.0), min(interval[1], 1.0)),
            runs=list(runs),
        )


@dataclass(frozen=True)
class Curve:
    """A learning curve.

    Attributes:
        path: its folder, with `curve.jsonl` (a line a training), `curve.json` (`to_dict()`) and, where
            matplotlib is installed, `curve.svg`.
        source: the data, as it was named.
        encoder: what was fine-tuned.
        split: what was scored.
        unit: what was drawn: `document` or `sentence`.
        sentences: in the whole train split.
        support: gold spans in the scored split.
        points: one a share, growing.
        judgement: whether more labels would help.
        notices: counted losses and facts, in words.
    """

    path: Path
    source: str
    encoder: str
    split: str
    unit: str
    sentences: int
    support: int
    points: list[CurvePoint]
    judgement: Judgement
    notices: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright curve`."""
        points = [
            {
                "share": point.share,
                "sentences": point.sentences,
                "f1": point.f1,
                "deviation": point.deviation,
                "interval": point.interval and list(point.interval),
                "runs": [asdict(run) for run in point.runs],
            }
            for point in self.points
        ]
        return {
            "data": self.source,
            "encoder": self.encoder,
            "split": self.split,
            "unit": self.unit,
            "sentences": self.sentences,
            "support": self.support,
            "points": points,
            "judgement": self.judgement.to_dict(),
            "notices": self.notices,
        }
