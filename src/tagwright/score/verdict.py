"""What a comparison allows to say, in words."""

from __future__ import annotations

import math
from statistics import NormalDist

from tagwright.score.comparison import Bench, GroupPair, SystemPair
from tagwright.score.resample import Interval

__all__ = [
    "ALPHA",
    "ONE_RUN",
    "SAME_SENTENCES",
    "judge_groups",
    "judge_systems",
    "needed_runs",
    "needed_units",
]

ALPHA = 0.05
"""Below this p a difference is called shown."""

POWER = 0.8
"""What is said to be needed shows the difference in this share of cases."""

ONE_RUN = (
    "Each tagger is one training run. This compares taggers, not recipes: another seed moves F1 too, often by as"
    " much. To compare recipes, train each with several seeds and use --group."
)
SAME_SENTENCES = (
    "Seeds show whether one recipe beats another on this test set, whatever the seed. The sentences stay the same:"
    " nothing is said about others."
)
_NO_EQUALS = "This does not show that they are equally good"


def judge_systems(pair: SystemPair, bench: Bench, *, tests: int) -> str:
    """Say what holding a system against the first shows.

    Args:
        pair: the two, all but the verdict.
        bench: what they were compared on.
        tests: how many systems were held against the first.
    """
    here = f"these {bench.sentences:,} sentences"
    if bench.unit == "documents":
        here += f" ({bench.units:,} documents)"
    if not pair.differing:
        return f"{pair.a} and {pair.b} have the same counts in all of {here}: nothing here tells them apart."
    figures = f"{_points(pair.difference)} of F1 ({_bounds(pair.interval, bench.level)}, {_p(pair, tests)})"
    if pair.p_holm < ALPHA:
        said = (
            f"{pair.b} is {_better(pair.difference)} than {pair.a} on {here}: {figures}. Chance alone rarely"
        )
        said += " gives so much."
        if pair.interval[0] <= 0 <= pair.interval[1]:
            said += " It is a close call: the interval reaches zero."
        return said
    said = (
        f"The difference between {pair.b} and {pair.a} on {here} is within what chance gives: {figures}."
        f" {_NO_EQUALS}."
    )
    lowest = 0.5 ** (pair.differing - 1)
    if lowest * tests >= ALPHA:
        where = f"{pair.differing:,} {bench.unit if pair.differing > 1 else bench.unit[:-1]}"
        return f"{said} Their counts differ in {where} only: too few for any p below {min(1.0, lowest):.2g}."
    if tests / (1 + bench.rounds) >= ALPHA:
        rounds = "1 round is" if bench.rounds == 1 else f"{bench.rounds} rounds are"
        return f"{said} {rounds} too few for any p below {1 / (1 + bench.rounds):.2g}."
    if pair.needed is None or pair.needed <= bench.units:  # a close call
        return said
    if pair.needed > 1000 * bench.units:
        return f"{said} No test set of a usual size would show so small a difference."
    return (
        f"{said} To show a difference of this size, about {pair.needed:,} {bench.unit} would be needed"
        " (a rough figure)."
    )


def judge_groups(pair: GroupPair, bench: Bench, *, tests: int) -> str:
    """Say what holding a group of runs against the first shows; see `judge_systems`."""
    here = f"these {bench.sentences:,} sentences"
    over = f"{pair.runs[0]} and {pair.runs[1]} runs"
    if pair.interval is None:
        if not pair.difference:
            return f"Every run of {pair.a} and of {pair.b} has the same F1 on {here}: nothing here tells them apart."
        return (
            f"{pair.b} differs from {pair.a} on {here} by {_points(pair.difference)} of mean F1, and within each"
            f" group all runs have the same F1. Are they runs of different seeds? Without a spread there is no"
            f" interval, only a permutation over {over} ({_p(pair, tests)})."
        )
    figures = (
        f"{_points(pair.difference)} of mean F1 over {over} ({_bounds(pair.interval, bench.level)},"
        f" {_p(pair, tests)})"
    )
    if pair.p_holm < ALPHA:
        said = f"{pair.b} is {_better(pair.difference)} than {pair.a} on {here}: {figures}. Seeds alone"
        said += " rarely give so much."
    else:
        said = (
            f"The difference between {pair.b} and {pair.a} on {here} is within what seeds give: {figures}."
            f" {_NO_EQUALS}."
        )
        if pair.needed is not None and pair.needed > 1000:
            said += " No usual number of runs would show so small a difference."
        elif pair.needed is not None and pair.needed > min(pair.runs):
            said += (
                f" To show a difference of this size, about {pair.needed:,} runs a side would be needed"
                " (a rough figure)."
            )
    if pair.lowest * tests >= ALPHA:
        said += (
            f" By permutation alone so few runs can never give a p below {pair.lowest:.2g} (here"
            f" {pair.permutation:.2g}); the p above leans on F1 being normally distributed over seeds. Train more."
        )
    return said


def needed_units(
    units: int, difference: float, interval: Interval, *, level: float = 0.95, tests: int = 1
) -> int | None:
    """Return about how many units would show a difference of this size, in four cases of five.

    An interval narrows with the square root of the number of units. Two digits are kept: more would pretend.

    Args:
        units: how many there are now.
        difference: the difference found, taken for the true one.
        interval: its interval.
        level: the level of the interval.
        tests: how many tests share the chance of a false alarm.

    Returns:
        The number; None where there is no difference, or no spread.
    """
    deviation = (interval[1] - interval[0]) / 2 / NormalDist().inv_cdf((1 + level) / 2)
    if not difference or not deviation:
        return None
    return _round(units * (_reach(tests) * deviation / difference) ** 2)


def needed_runs(difference: float, deviations: tuple[float, float], *, tests: int = 1) -> int | None:
    """Return about how many runs a side would show a difference of this size, in four cases of five.

    Args:
        difference: of the means.
        deviations: the standard deviation of each group.
        tests: how many tests share the chance of a false alarm.

    Returns:
        The number, at least 3; None where there is no difference, or no spread.
    """
    variance = deviations[0] ** 2 + deviations[1] ** 2
    if not difference or not variance:
        return None
    # The last term is what t costs against the normal distribution (Guenther 1981).
    return max(3, _round(variance * (_reach(tests) / difference) ** 2 + _bar(tests) ** 2 / 4))


def _bar(tests: int) -> float:
    return NormalDist().inv_cdf(1 - ALPHA / 2 / tests)


def _reach(tests: int) -> float:
    return _bar(tests) + NormalDist().inv_cdf(POWER)


def _round(number: float) -> int:
    return math.ceil(float(f"{min(number, 1e18):.1e}"))


def _better(difference: float) -> str:
    return "better" if difference > 0 else "worse"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f} points"


def _bounds(interval: Interval, level: float) -> str:
    return f"{100 * level:g}% interval {100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def _p(pair: SystemPair | GroupPair, tests: int) -> str:
    if tests == 1:
        return _equals("p", pair.p)
    return f"{_equals('p', pair.p_holm)} after Holm's correction for {tests} tests"


def _equals(name: str, p: float) -> str:
    return f"{name} < 0.0001" if p < 0.00005 else f"{name} = {p:.4f}" if p < 0.1 else f"{name} = {p:.2f}"
