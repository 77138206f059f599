"""What a comparison found: systems, pairs and groups, as values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tagwright.score.paired import Difference
from tagwright.score.resample import Interval

__all__ = ["Bench", "Comparison", "GroupPair", "GroupScore", "SystemPair", "SystemScore"]


@dataclass(frozen=True, slots=True)
class Bench:
    """What the systems were compared on, and how.

    Attributes:
        source: what gold was read from.
        split: the split, where `source` is a data set.
        reading: how tags were read as spans.
        sentences: sentences compared on.
        words: their words.
        mentions: their gold spans.
        unit: what was resampled and swapped: `sentences` or `documents`.
        units: how many of them there are.
        rounds: rounds of the bootstrap of differences, and of the randomisation.
        seed: of the draws.
        level: of the intervals.
    """

    source: str
    split: str | None
    reading: str
    sentences: int
    words: int
    mentions: int
    unit: str
    units: int
    rounds: int
    seed: int
    level: float


@dataclass(frozen=True, slots=True)
class SystemScore:
    """One system.

    Attributes:
        name: short, and unlike every other's.
        source: the path it was read from, where it has one.
        f1: micro F1.
        interval: of it, by bootstrap.
        precision: micro precision.
        recall: micro recall.
        group: the recipe it is a run of, where there are groups.
    """

    name: str
    source: str | None
    f1: float
    interval: Interval
    precision: float
    recall: float
    group: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the system as JSON values."""
        values = {
            "name": self.name,
            "source": self.source,
            "f1": self.f1,
            "interval": list(self.interval),
            "precision": self.precision,
            "recall": self.recall,
        }
        return values if self.group is None else values | {"group": self.group}


@dataclass(frozen=True, slots=True)
class SystemPair:
    """A system held against the first one, on the same sentences.

    Attributes:
        a: the first system.
        b: the other.
        difference: b's F1 less a's.
        interval: of the difference, by paired bootstrap.
        p: by approximate randomisation, two-sided.
        p_holm: the same, corrected for all pairs of the comparison.
        differing: units in which the two systems' counts differ.
        needed: about how many units would show a difference of this size; None where nothing tells.
        per_type: the same difference for each type; the intervals are not corrected for their number.
        verdict: what all this allows to say.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    p: float
    p_holm: float
    differing: int
    needed: int | None
    per_type: Mapping[str, Difference]
    verdict: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "interval": list(self.interval),
            "p": self.p,
            "p_holm": self.p_holm,
            "differing": self.differing,
            "needed": self.needed,
            "per_type": {
                name: {
                    "a": part.first,
                    "b": part.second,
                    "difference": part.value,
                    "interval": list(part.interval),
                    "support": part.support,
                }
                for name, part in self.per_type.items()
            },
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The runs of one recipe.

    Attributes:
        name: the recipe.
        runs: the name of each run, as in `Comparison.systems`.
        mean: of their F1.
        deviation: of their F1, over n - 1.
    """

    name: str
    runs: tuple[str, ...]
    mean: float
    deviation: float

    def to_dict(self) -> dict[str, Any]:
        """Return the group as JSON values."""
        return {
            "name": self.name,
            "mean": self.mean,
            "deviation": self.deviation,
            "runs": list(self.runs),
        }


@dataclass(frozen=True, slots=True)
class GroupPair:
    """A recipe held against the first one, over runs with several seeds.

    Attributes:
        a: the first group.
        b: the other.
        runs: how many runs each has.
        difference: b's mean F1 less a's.
        interval: of the difference, by Welch's t; None where no run differs from another of its group.
        p: by Welch's t test, two-sided; by permutation where there is no interval.
        p_holm: the same, corrected for all pairs of the comparison.
        permutation: p by permutation of the runs.
        lowest: the lowest p that a permutation of so many runs can give.
        needed: about how many runs a side would show a difference of this size; None where nothing tells.
        verdict: what all this allows to say.
    """

    a: str
    b: str
    runs: tuple[int, int]
    difference: float
    interval: Interval | None
    p: float
    p_holm: float
    permutation: float
    lowest: float
    needed: int | None
    verdict: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as JSON values."""
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "p": self.p,
            "p_holm": self.p_holm,
            "p_permutation": self.permutation,
            "lowest_p_permutation": self.lowest,
            "needed": self.needed,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several systems on the same sentences, every one held against the first; or groups of runs.

    Attributes:
        bench: what they were compared on, and how.
        systems: every system, in the order given.
        pairs: every other system against the first, or every other group against the first group.
        groups: the groups; empty where single systems were compared.
        notes: what holds for the whole comparison, in words.
        notices: counted losses and facts of the input, in words.
    """

    bench: Bench
    systems: tuple[SystemScore, ...]
    pairs: tuple[SystemPair, ...] | tuple[GroupPair, ...]
    groups: tuple[GroupScore, ...] = ()
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright compare`; differences and F1 in 0..1, unrounded."""
        bench = self.bench
        values: dict[str, Any] = {
            "data": bench.source,
            "split": bench.split,
            "reading": bench.reading,
            "sentences": bench.sentences,
            "words": bench.words,
            "mentions": bench.mentions,
            "unit": bench.unit,
            "units": bench.units,
            "rounds": bench.rounds,
            "seed": bench.seed,
            "level": bench.level,
            "systems": [system.to_dict() for system in self.systems],
            "pairs": [pair.to_dict() for pair in self.pairs],
        }
        if self.groups:
            values["groups"] = [group.to_dict() for group in self.groups]
        return values | {"notes": list(self.notes)}
