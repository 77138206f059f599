"""What is tried next: the recipe, some points spread over the space, then Optuna's TPE on what is known by then."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from tagwright.config import Range, Space
from tagwright.tune.trials import key_of

__all__ = ["SpaceSampler", "distributions_of"]

SPREAD = 3
"""Points after the recipe that are spread over the space: a model of four points is better than none."""

TRIES = 200  # draws until one is new


class SpaceSampler(BaseSampler):
    """Draws the values of a trial from its place in the search and the trials before it, and from nothing else.

    So a search that was stopped goes on with the values it would have gone on with, and does not begin to explore
    anew.

    Args:
        space: the search space.
        first: the values of trial 0.
        seed: of the draws.
    """

    def __init__(self, space: Space, first: Mapping[str, Any], seed: int) -> None:
        self.space = space
        self.first = dict(first)
        self.seed = seed
        self.place_of: Callable[[FrozenTrial], tuple[int, set[Any]]] = lambda trial: (trial.number, set())
        """Returns a trial's place in the search, and the values (`key_of`) that need not be tried again."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all dimensions: they are drawn together."""
        return distributions_of(self.space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the values of a trial."""
        place, tried = self.place_of(trial)
        values = self.first
        for attempt in range(TRIES):
            values = self._draw(study, trial, search_space, place, attempt)
            if key_of(values) not in tried:
                return values
        if self.space.size is not None:  # nearly all of them were tried
            return next((one for one in self.space.every() if key_of(one) not in tried), values)
        return values

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one value by itself, which the search never asks for."""
        [dimension] = [one for one in self.space if one.key == param_name]
        return dimension.at(float(np.random.default_rng([self.seed, trial.number]).random()))

    def _draw(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
        place: int,
        attempt: int,
    ) -> dict[str, Any]:
        if place == 0 and attempt == 0:
            return self.first
        if place <= SPREAD and attempt == 0:
            # A Latin square: each dimension is cut into as many parts as there are points, one point in each part.
            generator = np.random.default_rng(self.seed)
            parts = [generator.permutation(SPREAD) for _ in self.space]
            within = generator.random((SPREAD, len(self.space)))[place - 1]
            return self._at([(part[place - 1] + x) / SPREAD for part, x in zip(parts, within, strict=True)])
        if place > SPREAD and attempt < TRIES // 4:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that an argument is experimental, in Optuna 4
                # A sampler for each draw: its state would be lost with the process.
                seed = int(np.random.default_rng([self.seed, place, attempt]).integers(2**32))
                tpe = TPESampler(seed=seed, n_startup_trials=1, multivariate=True, constant_liar=True)
                found = tpe.sample_relative(study, trial, search_space)
            if found.keys() == search_space.keys():
                return {one.key: one.snap(found[one.key]) for one in self.space}
        return self._at(np.random.default_rng([self.seed, place, attempt]).random(len(self.space)))

    def _at(self, places: Any) -> dict[str, Any]:
        return {one.key: one.at(float(place)) for one, place in zip(self.space, places, strict=True)}


def distributions_of(space: Space) -> dict[str, BaseDistribution]:
    """Return the dimensions of a space in Optuna's words."""
    found: dict[str, BaseDistribution] = {}
    for one in space:
        if not isinstance(one, Range):
            found[one.key] = CategoricalDistribution(one.values)
        elif one.whole:
            found[one.key] = IntDistribution(
                int(one.low), int(one.high), log=one.log, step=1 if one.log else int(one.step or 1)
            )
        else:
            found[one.key] = FloatDistribution(one.low, one.high, log=one.log, step=one.step)
    return found
