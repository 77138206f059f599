"""A field that a search varies, and the values it may take."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Choices", "Dimension", "Range"]

_SIGNIFICANT = 4  # figures of a drawn number: more would be noise, and hard to read


@dataclass(frozen=True, slots=True)
class Range:
    """A field that takes numbers between two bounds, both included.

    Attributes:
        key: the field, `section.field`.
        low: the least.
        high: the greatest.
        log: draw evenly on a logarithmic scale.
        step: the distance of neighbouring values from `low` on; None for any number (1 for whole numbers).
        whole: whether the field takes whole numbers only.
    """

    key: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def size(self) -> int | None:
        """How many values there are; None for any number between the bounds."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    @property
    def values(self) -> tuple[Any, ...]:
        """The bounds."""
        return (self.low, self.high)

    def at(self, place: float) -> Any:
        """Return the value at a place from 0 to 1 along the range."""
        if self.size is not None and not self.log:
            return self.snap(self.low + (self.step or 1) * min(int(place * self.size), self.size - 1))
        if self.log:
            return self.snap(math.exp(math.log(self.low) + place * math.log(self.high / self.low)))
        return self.snap(self.low + place * (self.high - self.low))

    def snap(self, value: float) -> Any:
        """Return the nearest value of the range, with few enough figures to be read."""
        value = min(max(value, self.low), self.high)
        if self.step is not None:
            value = self.low + round((value - self.low) / self.step) * self.step
            value = min(round(value, 12), self.high)
        else:
            value = min(max(float(f"{value:.{_SIGNIFICANT}g}"), self.low), self.high)
        return round(value) if self.whole else float(value)

    def share(self, value: float) -> float:
        """Return the place of a value along the range, from 0 to 1; the reverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def to_spec(self) -> dict[str, Any]:
        """Return what stands in the recipe."""
        step = {"step": self.step} if self.step is not None and not (self.whole and self.step == 1) else {}
        return {"low": self.low, "high": self.high, **step, **({"log": True} if self.log else {})}


@dataclass(frozen=True, slots=True)
class Choices:
    """A field that takes one of some values.

    Attributes:
        key: the field, `section.field`.
        values: the values, in the order of the recipe.
    """

    key: str
    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def at(self, place: float) -> Any:
        """Return the value at a place from 0 to 1."""
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def snap(self, value: Any) -> Any:
        """Return the value itself where it is one of them, the nearest number, or else the first."""
        if value in self.values:
            return self.values[self.values.index(value)]
        numbers = [one for one in self.values if isinstance(one, int | float) and not isinstance(one, bool)]
        if isinstance(value, int | float) and len(numbers) == len(self.values):
            return min(numbers, key=lambda one: abs(one - value))
        return self.values[0]

    def to_spec(self) -> list[Any]:
        """Return what stands in the recipe."""
        return list(self.values)


Dimension = Range | Choices
