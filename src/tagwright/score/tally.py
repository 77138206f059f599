"""How many spans agree, and the ratios that gives; undefined ratios are 0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Counted", "PerType", "Reading", "Tally", "ratio"]


class Counted(Protocol):
    """What every tally offers, however it counts: it adds up, and gives ratios."""

    def __add__(self, other: Self, /) -> Self: ...

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are right."""
        ...

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found."""
        ...

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        ...

    @property
    def support(self) -> int:
        """How many gold spans there were."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return ratios and counts as JSON values."""
        ...


C = TypeVar("C", bound=Counted)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many spans there were, and how many of them agree. Ratios that are undefined are 0.

    Attributes:
        correct: spans with a counterpart of the same type and borders on the other side.
        gold: spans in the gold tags.
        predicted: spans in the predicted tags.
    """

    correct: int = 0
    gold: int = 0
    predicted: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.correct + other.correct, self.gold + other.gold, self.predicted + other.predicted)

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are correct."""
        return ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found."""
        return ratio(self.correct, self.gold)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return ratio(2 * self.correct, self.gold + self.predicted)

    @property
    def support(self) -> int:
        """How many gold spans there were."""
        return self.gold

    def to_dict(self) -> dict[str, Any]:
        """Return the ratios, unrounded, and the support."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.support}


@dataclass(frozen=True, slots=True)
class PerType(Generic[C]):
    """The tallies of one reading, type by type, and what they give together.

    Attributes:
        per_type: the tally of each type that has a span on either side, sorted by name.
    """

    nothing: ClassVar[Any]  # the tally of no spans at all

    per_type: Mapping[str, C] = field(default_factory=dict)

    def __add__(self, other: Self) -> Self:
        names = sorted({*self.per_type, *other.per_type})
        parts = (self.per_type, other.per_type)
        tallies = {name: [part[name] for part in parts if name in part] for name in names}
        return type(self)({name: sum(found[1:], found[0]) for name, found in tallies.items()})

    @property
    def micro(self) -> C:
        """The tally of all types together."""
        together: C = sum(self.per_type.values(), self.nothing)
        return together

    @property
    def precision(self) -> float:
        """Micro precision."""
        return self.micro.precision

    @property
    def recall(self) -> float:
        """Micro recall."""
        return self.micro.recall

    @property
    def f1(self) -> float:
        """Micro F1."""
        return self.micro.f1

    @property
    def support(self) -> int:
        """How many gold spans there were."""
        return self.micro.support

    @property
    def macro_precision(self) -> float:
        """Mean of the types' precision."""
        return _mean(tally.precision for tally in self.per_type.values())

    @property
    def macro_recall(self) -> float:
        """Mean of the types' recall."""
        return _mean(tally.recall for tally in self.per_type.values())

    @property
    def macro_f1(self) -> float:
        """Mean of the types' F1."""
        return _mean(tally.f1 for tally in self.per_type.values())

    def to_dict(self) -> dict[str, Any]:
        """Return micro ratios and counts, macro F1 and the same per type, as JSON values."""
        return {
            **self.micro.to_dict(),
            "macro_f1": self.macro_f1,
            "per_type": {name: tally.to_dict() for name, tally in self.per_type.items()},
        }


class Reading(PerType[Tally]):
    """The tallies of one way of reading tags as spans."""

    __slots__ = ()
    nothing = Tally()

    @classmethod
    def of(cls, types: Sequence[str], counts: NDArray[np.int64]) -> Reading:
        """Build from counts of correct, gold and predicted spans: int64, shape (types, 3)."""
        rows = zip(types, counts.tolist(), strict=True)
        return cls({name: Tally(*row) for name, row in sorted(rows) if any(row)})


def ratio(part: float, whole: float) -> float:
    """Divide; 0 where there is nothing to divide by."""
    return part / whole if whole else 0.0


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0
