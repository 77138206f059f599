"""What `tagwright tune` searches over: the table `[tune]` of a recipe, checked against the recipe's own fields."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from tagwright.config.dimensions import Choices, Dimension, Range
from tagwright.config.space_table import read_dimensions

if TYPE_CHECKING:
    from tagwright.config.recipe import Recipe

__all__ = ["Space", "value_of"]


@dataclass(frozen=True, slots=True)
class Space:
    """A search space.

    Attributes:
        dimensions: the fields that vary, in the order of the recipe.
    """

    dimensions: tuple[Dimension, ...] = ()

    def __iter__(self) -> Iterator[Dimension]:
        return iter(self.dimensions)

    def __len__(self) -> int:
        return len(self.dimensions)

    @classmethod
    def read(cls, table: Mapping[str, Any], recipe: Recipe, where: str | None = None) -> Space:
        """Check the table `[tune]` of a recipe.

        Args:
            table: fields and what they may be: `{low=…, high=…, log=…, step=…}` or a list of choices.
            recipe: the recipe it stands in.
            where: the recipe's file, for errors.

        Raises:
            InputError: a field is unknown or not to be searched, or a value is not one that the field can take;
                the field is named.
        """
        return cls(read_dimensions(table, recipe, where))

    @property
    def size(self) -> int | None:
        """How many recipes there are in the space; None where a range holds any number."""
        sizes = [dimension.size for dimension in self.dimensions]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def every(self) -> Iterator[dict[str, Any]]:
        """Give the values of every recipe of a space in which they can be counted."""
        lists = [
            [one.at((place + 0.5) / (one.size or 1)) for place in range(one.size or 1)]
            if isinstance(one, Choices) or not one.log
            else [int(one.low) + place for place in range(one.size or 1)]
            for one in self.dimensions
        ]
        keys = [one.key for one in self.dimensions]
        return (dict(zip(keys, values, strict=True)) for values in product(*lists))

    def apply(self, recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
        """Return a copy of a recipe with values of the space, and without a space of its own."""
        made = recipe.model_copy(deep=True)
        made.tune = type(made.tune)()
        for key, value in values.items():
            section, _, field = key.partition(".")
            setattr(getattr(made, section), field, value)
        return made

    def nearest(self, recipe: Recipe) -> dict[str, Any]:
        """Return the values of a recipe, each the nearest that the space has; None counts as the middle."""
        found = {}
        for dimension in self.dimensions:
            own = value_of(recipe, dimension.key)
            if own is None:
                found[dimension.key] = dimension.at(0.5)
            elif isinstance(dimension, Range) and dimension.step is None:
                found[dimension.key] = min(max(own, dimension.low), dimension.high)  # with all its figures
            else:
                found[dimension.key] = dimension.snap(own)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in the recipe: fields and what they may be."""
        return {dimension.key: dimension.to_spec() for dimension in self.dimensions}


def value_of(recipe: Recipe, key: str) -> Any:
    """Return a field of a recipe by `section.field`."""
    section, _, field = key.partition(".")
    return getattr(getattr(recipe, section), field)
