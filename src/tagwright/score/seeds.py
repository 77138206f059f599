"""Several runs of two recipes: is one recipe better than the other, whatever the seed?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from itertools import chain, combinations
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, require
from tagwright.predict.tagger import Tagger
from tagwright.score.comparison import Bench, GroupPair, GroupScore, SystemScore
from tagwright.score.paired import holm
from tagwright.score.resample import Interval
from tagwright.score.systems import System
from tagwright.score.verdict import judge_groups, needed_runs

__all__ = ["SeedTest", "collect_runs", "compare_groups", "lowest_p", "permutation_p", "welch_and_permutation"]

_ALL = 200_000
"""So many ways of sharing runs out between two recipes are looked at one by one; of more, a random sample."""

_EXACT = 1e-12


@dataclass(frozen=True, slots=True)
class SeedTest:
    """Two groups of runs side by side.

    Attributes:
        difference: the second group's mean F1 less the first's.
        interval: of that difference, by Welch's t; None where no run differs from another of its group.
        welch: p by Welch's t test, two-sided; None there too.
        permutation: p by permutation of the runs, two-sided.
        lowest: the lowest p that so many runs can give by permutation.
    """

    difference: float
    interval: Interval | None
    welch: float | None
    permutation: float
    lowest: float

    @property
    def p(self) -> float:
        """Welch's p, or that of the permutation where Welch's test knows no spread."""
        return self.permutation if self.welch is None else self.welch


def welch_and_permutation(
    first: Sequence[float],
    second: Sequence[float],
    *,
    rounds: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> SeedTest:
    """Compare two groups of runs by Welch's t test and by permutation.

    Args:
        first: the F1 of each run of one recipe, each trained with a seed of its own.
        second: the same for the other recipe.
        rounds: permutations drawn where there are too many to try all.
        seed: of those draws.
        level: of the interval.

    Raises:
        InputError: a group has fewer than two runs.
        MissingExtraError: scipy is not installed.
    """
    if min(len(first), len(second)) < 2:
        raise InputError("a group has fewer than two runs", mend="train the recipe again with another seed")
    difference = fmean(second) - fmean(first)
    interval, welch = None, None
    if max(np.ptp(first), np.ptp(second)) > _EXACT:
        parts = [variance(values) / len(values) for values in (first, second)]
        error = math.sqrt(sum(parts))
        freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(first) - 1) + parts[1] ** 2 / (len(second) - 1))
        t = require("scipy.stats", "train").t(freedom)
        reach = float(t.ppf((1 + level) / 2)) * error
        interval, welch = (difference - reach, difference + reach), float(2 * t.sf(abs(difference) / error))
    return SeedTest(
        difference=difference,
        interval=interval,
        welch=welch,
        permutation=permutation_p(first, second, rounds=rounds, seed=seed),
        lowest=lowest_p(len(first), len(second), rounds=rounds),
    )


def permutation_p(
    first: Sequence[float], second: Sequence[float], *, rounds: int = 10_000, seed: int = 0
) -> float:
    """Return how often runs shared out at random differ in their means as far as found: two-sided.

    All ways of sharing them out are tried, or, where there are more than 200,000, `rounds` random ones; then p
    is (1 + as far apart) / (1 + rounds).
    """
    values = np.array([*first, *second], dtype=np.float64)
    size, total = len(first), float(values.sum())
    found = abs(fmean(second) - fmean(first)) - _EXACT

    def apart(sums: NDArray[np.float64]) -> int:
        means = (total - sums) / (len(values) - size) - sums / size
        return int(np.count_nonzero(abs(means) >= found))

    if (ways := math.comb(len(values), size)) <= _ALL:
        choices = np.array(list(combinations(range(len(values)), size)), dtype=np.int64)
        return apart(values[choices].sum(axis=1)) / ways
    generator = np.random.default_rng(seed)
    drawn = generator.permuted(np.tile(values, (rounds, 1)), axis=1)
    return (1 + apart(drawn[:, :size].sum(axis=1))) / (1 + rounds)


def lowest_p(first: int, second: int, *, rounds: int = 10_000) -> float:
    """Return the lowest p that a permutation of so many runs can give.

    One sharing out of all is the one found. In groups of one size its mirror image is as far apart.
    """
    ways = math.comb(first + second, first)
    return (2 if first == second else 1) / ways if ways <= _ALL else 1 / (1 + rounds)


def collect_runs(groups: Mapping[str, System | Sequence[System]]) -> dict[str, list[System]]:
    """Find the runs of each group: paths as they are, patterns (`runs/new-*`) by what they match, sorted.

    Raises:
        InputError: there are fewer than two groups, a group has fewer than two runs, a pattern matches nothing,
            or a run stands twice.
    """
    runs = {name: _expand(members) for name, members in groups.items()}
    if len(runs) < 2:
        raise InputError("there is only one group" if runs else "there is no group", mend="give two or more")
    for name, members in runs.items():
        if len(members) < 2:
            raise InputError(
                f"the group {name!r} has only one run" if members else f"the group {name!r} has no runs",
                mend="train the recipe again with other seeds; without --group, single systems are compared",
            )
    every = chain.from_iterable(runs.values())
    paths = Counter(str(Path(run).resolve()) for run in every if isinstance(run, str | Path))
    if double := next((path for path, count in paths.items() if count > 1), None):
        raise InputError("the run stands twice among the groups", where=double, mend="name every run once")
    return runs


def _expand(members: Any) -> list[System]:
    found: list[System] = []
    for member in [members] if isinstance(members, str | Path | Tagger) else members:
        if not isinstance(member, str | Path) or Path(member).exists():
            found.append(member)
        elif matched := sorted(glob(str(member))):
            found += matched
        else:
            pattern = any(letter in str(member) for letter in "*?[")
            what = "nothing matches the pattern" if pattern else "there is no such file or folder"
            raise InputError(what, where=str(member), mend="name the runs' files or folders")
    return found


def compare_groups(
    scores: Sequence[SystemScore], bench: Bench
) -> tuple[tuple[GroupScore, ...], tuple[GroupPair, ...]]:
    """Hold every group of runs against the first group.

    Args:
        scores: every run, with its group.
        bench: what they were compared on.
    """
    members: dict[str, list[SystemScore]] = {}
    for score in scores:
        members.setdefault(score.group or "", []).append(score)
    groups, values = [], {}
    for name, runs in members.items():
        values[name] = [run.f1 for run in runs]
        groups.append(
            GroupScore(name, tuple(run.name for run in runs), fmean(values[name]), stdev(values[name]))
        )
    first, *others = groups
    tests = len(others)
    pairs = []
    for other in others:
        test = welch_and_permutation(
            values[first.name], values[other.name], rounds=bench.rounds, seed=bench.seed, level=bench.level
        )
        pairs.append(
            GroupPair(
                a=first.name,
                b=other.name,
                runs=(len(first.runs), len(other.runs)),
                difference=test.difference,
                interval=test.interval,
                p=test.p,
                p_holm=test.p,
                permutation=test.permutation,
                lowest=test.lowest,
                needed=needed_runs(test.difference, (first.deviation, other.deviation), tests=tests),
            )
        )
    corrected = holm([pair.p for pair in pairs])
    pairs = [replace(pair, p_holm=p) for pair, p in zip(pairs, corrected, strict=True)]
    judged = tuple(replace(pair, verdict=judge_groups(pair, bench, tests=tests)) for pair in pairs)
    return tuple(groups), judged
