"""Two systems on the same sentences: how far their F1 differ, and how far chance alone would set them apart.

Both questions are put to the distinct tables of counts that units have (see `tagwright.score.resample`), so ten
thousand rounds cost no more for a million sentences than for a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.score.resample import Interval, count_kinds, draws, merge_kinds, percentiles, same_spans
from tagwright.tags.spans import IntArray, Spans

__all__ = ["Difference", "PairedCounts", "bootstrap_difference", "holm", "randomisation_p"]

_MIRROR = (1, 0, 2, 4, 3)  # the columns of a table of counts, with the two systems swapped
_EXACT = 1e-12  # differences of F1 that are nearer than this are the same, rounded otherwise
_CELLS = 1 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two systems' F1 differ.

    Attributes:
        first: the F1 of the first system.
        second: the F1 of the second.
        interval: of `second - first`, by paired bootstrap.
        support: gold spans.
    """

    first: float
    second: float
    interval: Interval
    support: int

    @property
    def value(self) -> float:
        """The second system's F1 less the first's."""
        return self.second - self.first


class PairedCounts:
    """Counts per unit under two systems, over all types or of one.

    Args:
        gold: the gold spans.
        first: the first system's spans; types are numbered as gold's.
        second: the second system's spans.
        unit: shape (sentences,): the unit of each sentence.
        units: how many units there are.
        offsets: shape (sentences + 1,): where each sentence begins.
    """

    def __init__(
        self,
        gold: Spans,
        first: Spans,
        second: Spans,
        *,
        unit: NDArray[np.int64],
        units: int,
        offsets: IntArray,
    ) -> None:
        right = [(side, same_spans(gold, side)) for side in (first, second)]
        found = [(side.starts[same], side.types[same]) for side, same in right]
        events = [*found, *((side.starts, side.types) for side in (gold, first, second))]
        starts = np.concatenate([starts for starts, _ in events])
        self._unit = unit[np.searchsorted(offsets, starts, side="right") - 1]
        self._column = np.repeat(np.arange(5), [len(starts) for starts, _ in events])
        self._type = np.concatenate([types for _, types in events])
        self._units = units

    def rows(self, label: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the distinct tables of counts that units have, and how many units have each.

        Args:
            label: the type to count; None counts all of them together.

        Returns:
            int64, shape (kinds, 5), sorted: what the first system has correct, what the second has correct,
            gold, what the first predicted, what the second predicted; and int64, shape (kinds,).
        """
        unit, column = self._unit, self._column
        if label is not None:
            chosen = self._type == label
            unit, column = unit[chosen], column[chosen]
        return count_kinds(unit, column, self._units, 5)

    @property
    def occurring(self) -> list[int]:
        """The types that occur on any side, in order."""
        found: list[int] = np.unique(self._type).tolist()
        return found


def bootstrap_difference(
    rows: NDArray[np.int64],
    times: NDArray[np.int64],
    *,
    rounds: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> Difference:
    """Find the difference of F1 and its percentile interval: both systems on the same resampled units.

    Swapping the systems negates the difference and mirrors the interval, exactly.

    Args:
        rows: shape (kinds, 5), as of `PairedCounts.rows`.
        times: shape (kinds,).
        rounds: resamples drawn.
        seed: of the draws.
        level: the share of the resamples that the interval holds.

    Raises:
        InputError: `rounds` is below 1, or `level` is not between 0 and 1.
    """
    totals = times @ rows if len(rows) else np.zeros(5, dtype=np.int64)
    rows, times, turned = _turn(rows, times)
    differences = [
        np.subtract(*_both(drawn @ rows.astype(np.float64))[::-1])
        for drawn in draws(times, rounds=rounds, seed=seed)
    ]
    low, high = percentiles(np.concatenate(differences)[:, None], level)[0]
    if turned is None:  # as it is its own mirror image, so is the interval
        low, high = (low - high) / 2, (high - low) / 2
    elif turned:
        low, high = -high, -low
    first, second = (float(f1) for f1 in _both(totals))
    return Difference(first, second, (low + 0.0, high + 0.0), int(totals[2]))  # no -0.0


def randomisation_p(
    rows: NDArray[np.int64], times: NDArray[np.int64], *, rounds: int = 10_000, seed: int = 0
) -> tuple[float, int]:
    """Test whether chance alone sets two systems so far apart: approximate randomisation, two-sided.

    Were the two equally good, their outputs could change places in any unit. In each round every unit tosses a
    coin whether they do (binomially many of each kind); p is (1 + rounds at least as far apart as found) /
    (1 + rounds). See Noreen (1989), Computer-intensive methods for testing hypotheses; Yeh (2000), More accurate
    tests for the statistical significance of result differences, COLING.

    Args:
        rows: shape (kinds, 5), as of `PairedCounts.rows`.
        times: shape (kinds,).
        rounds: how often the coins are tossed.
        seed: of the coins.

    Returns:
        p, and the number of units in which the systems' counts differ.

    Raises:
        InputError: `rounds` is below 1.
    """
    if rounds < 1:
        raise InputError(f"{rounds} rounds were asked for", mend="toss at least 1, better 10000")
    rows, times, _ = _turn(rows, times)
    totals = times @ rows if len(rows) else np.zeros(5, dtype=np.int64)
    moves, times = merge_kinds(rows[:, [1, 4]] - rows[:, [0, 3]], times)
    moving = moves.any(axis=1)
    moves, times = moves[moving], times[moving]
    if not len(moves):
        return 1.0, 0
    # What the first system gains by a swap, the second loses.
    shift = np.stack((moves[:, 0], -moves[:, 0], 0 * moves[:, 0], moves[:, 1], -moves[:, 1]), axis=1)
    found = abs(float(np.subtract(*_both(totals))))
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // len(moves))
    extreme = 0
    for begin in range(0, rounds, step):
        swaps = generator.binomial(times, 0.5, size=(min(step, rounds - begin), len(times)))
        first, second = _both(totals + swaps.astype(np.float64) @ shift.astype(np.float64))
        extreme += int(np.count_nonzero(abs(second - first) >= found - _EXACT))
    return (1 + extreme) / (1 + rounds), int(times.sum())


def holm(values: Sequence[float]) -> list[float]:
    """Correct p for the number of tests (Holm 1979): the chance of even one false alarm stays below the level.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = highest
    return corrected


def _both(sums: NDArray[np.floating] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the F1 of both systems from counts along the last axis: shape (2, …)."""
    return np.stack(
        [2 * sums[..., system] / np.maximum(sums[..., 2] + sums[..., 3 + system], 1) for system in (0, 1)]
    ).astype(np.float64)


def _turn(
    rows: NDArray[np.int64], times: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool | None]:
    """Swap the systems if that sorts sooner, so that draws do not depend on which is called the first.

    Returns:
        Rows, times, and whether the systems were swapped; None if that makes no difference.
    """
    turned_rows, turned_times = merge_kinds(rows[:, _MIRROR], times)
    keys = [(part.tolist(), count.tolist()) for part, count in ((rows, times), (turned_rows, turned_times))]
    if keys[0] == keys[1]:
        return rows, times, None
    return (rows, times, False) if keys[0] < keys[1] else (turned_rows, turned_times, True)
