"""Bootstrap intervals out of counts that add up: exact, and as cheap for a million sentences as for a thousand.

Units (sentences, or documents) whose tables of counts are equal are exchangeable. So resampling n units with
replacement is one multinomial draw over the distinct tables, the *kinds*, and a resample's counts are a product
with the kinds' tables. Nothing ever has the size of rounds times units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.tags.spans import IntArray, Spans

__all__ = [
    "F1Intervals",
    "Interval",
    "UnitCounts",
    "count_kinds",
    "draws",
    "f1_intervals",
    "f1_of",
    "merge_kinds",
    "percentiles",
    "same_spans",
    "units_of",
]

Interval = tuple[float, float]
"""Lower and upper bound."""

Counts = NDArray[np.int64]
Ratios = NDArray[np.float64]

_CELLS = 1 << 20  # numbers held at a time while units are counted, and while resamples are drawn


@dataclass(frozen=True, eq=False)
class UnitCounts:
    """The tables of counts that a data set's units have, each with the number of units that have it.

    Parts of a data set add up: `UnitCounts.of(a) + UnitCounts.of(b)` equals that of `a` and `b` together, as
    long as no unit lies in both. The order of units leaves no trace.

    Attributes:
        types: the types, sorted by name.
        rows: int64, shape (kinds, types, 3): the distinct tables of correct, gold and predicted spans, sorted.
        times: int64, shape (kinds,): how many units have each table; units with nothing have one of zeros.
    """

    types: tuple[str, ...] = ()
    rows: Counts = field(default_factory=lambda: np.zeros((0, 0, 3), dtype=np.int64))
    times: Counts = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    __hash__ = None  # type: ignore[assignment]  # arrays are compared, and have no hash

    @classmethod
    def of(
        cls,
        gold: Spans,
        predicted: Spans,
        borders: IntArray,
        types: Sequence[str],
        *,
        documents: Sequence[str | None] | None = None,
    ) -> UnitCounts:
        """Count the spans of each unit.

        Args:
            gold: the gold spans, as positions in a flat array of words.
            predicted: the predicted spans; their types are numbered as gold's.
            borders: shape (units + 1,): where each unit begins in that array; last, the number of words.
            types: the name of each number in `Spans.types`.
            documents: the document of each unit; units of one document are taken as one, by `units_of`.
        """
        units, count = units_of(documents, len(borders) - 1)
        rank = np.empty(len(types), dtype=np.int64)
        rank[sorted(range(len(types)), key=types.__getitem__)] = np.arange(len(types))
        same = same_spans(gold, predicted)
        found = predicted.starts[same], predicted.types[same]
        sides = (found, (gold.starts, gold.types), (predicted.starts, predicted.types))
        place = [units[np.searchsorted(borders, starts, side="right") - 1] for starts, _ in sides]
        column = [3 * rank[kinds] + number for number, (_, kinds) in enumerate(sides)]
        rows, times = count_kinds(np.concatenate(place), np.concatenate(column), count, 3 * len(types))
        return cls(tuple(sorted(types)), rows.reshape(len(rows), len(types), 3), times)

    @property
    def units(self) -> int:
        """How many units were counted."""
        return int(self.times.sum())

    @property
    def totals(self) -> Counts:
        """The counts of all units together: int64, shape (types, 3)."""
        return np.tensordot(self.times, self.rows, axes=1)

    def __add__(self, other: UnitCounts) -> UnitCounts:
        types = tuple(sorted({*self.types, *other.types}))
        tables = [part._table(types) for part in (self, other)]
        rows, times = merge_kinds(np.concatenate(tables), np.concatenate((self.times, other.times)))
        return UnitCounts(types, rows.reshape(len(rows), len(types), 3), times)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnitCounts):
            return NotImplemented
        same = self.types == other.types and np.array_equal(self.times, other.times)
        return same and np.array_equal(self.rows, other.rows)

    def _table(self, types: Sequence[str]) -> Counts:
        """Return the rows over other types: int64, shape (kinds, 3 * types)."""
        table = np.zeros((len(self.rows), len(types), 3), dtype=np.int64)
        table[:, [types.index(name) for name in self.types]] = self.rows
        return table.reshape(len(table), 3 * len(types))


class F1Intervals(NamedTuple):
    """Bootstrap intervals of F1, each as lower and upper bound.

    Attributes:
        micro: over the spans of all types together.
        macro: of the mean of the types' F1.
        per_type: of each type that has a gold or a predicted span.
    """

    micro: Interval
    macro: Interval
    per_type: Mapping[str, Interval]


def f1_intervals(
    counts: UnitCounts, *, rounds: int = 1000, seed: int = 0, level: float = 0.95
) -> F1Intervals:
    """Find how far F1 would vary over samples of as many units: percentile bootstrap (Efron 1979).

    Args:
        counts: what `UnitCounts.of` counted.
        rounds: resamples drawn.
        seed: of the draws; the same seed and counts give the same intervals.
        level: the share of the resamples that an interval holds.

    Raises:
        InputError: `rounds` is below 1, or `level` is not between 0 and 1.
    """
    kinds, types, _ = counts.rows.shape
    table = counts.rows.reshape(kinds, 3 * types).astype(np.float64)
    micro, macro, each = [], [], []
    for drawn in draws(counts.times, rounds=rounds, seed=seed):
        sums = (drawn @ table).reshape(len(drawn), types, 3)  # floats below 2**53 hold counts exactly
        f1 = f1_of(sums)
        occurs = (sums[..., 1:].sum(axis=2) > 0).sum(axis=1)
        micro.append(f1_of(sums.sum(axis=1)))
        macro.append(f1.sum(axis=1) / np.maximum(occurs, 1))
        each.append(f1)
    bounds = percentiles(np.concatenate(each), level)
    occurring = counts.totals.sum(axis=1) > 0
    return F1Intervals(
        micro=percentiles(np.concatenate(micro)[:, None], level)[0],
        macro=percentiles(np.concatenate(macro)[:, None], level)[0],
        per_type={name: bounds[number] for number, name in enumerate(counts.types) if occurring[number]},
    )


def f1_of(sums: NDArray[np.floating] | Counts) -> Ratios:
    """Return the F1 of counts: of correct, gold and predicted along the last axis; 0 where there is nothing."""
    whole = sums[..., 1] + sums[..., 2]
    return np.asarray(2 * sums[..., 0] / np.maximum(whole, 1), dtype=np.float64)


def draws(times: Counts, *, rounds: int, seed: int) -> Iterator[Ratios]:
    """Resample units with replacement, some rounds at a time, so that memory stays bounded.

    Args:
        times: shape (kinds,): how many units are of each kind.
        rounds: resamples in all.
        seed: of the draws.

    Yields:
        float64, shape (some rounds, kinds): how often each resample holds a unit of each kind.

    Raises:
        InputError: `rounds` is below 1.
    """
    if rounds < 1:
        raise InputError(f"{rounds} rounds were asked for", mend="draw at least 1, better 1000")
    generator = np.random.default_rng(seed)
    units = int(times.sum())
    step = max(1, _CELLS // max(1, len(times)))
    for begin in range(0, rounds, step):
        size = min(step, rounds - begin)
        if not units:
            yield np.zeros((size, len(times)))
        else:
            yield generator.multinomial(units, times / units, size=size).astype(np.float64)


def percentiles(values: Ratios, level: float = 0.95) -> list[Interval]:
    """Return, for each column of `values`, shape (rounds, columns), the interval that holds `level` of it.

    Raises:
        InputError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of an interval is {level}", mend="give a share between 0 and 1, as 0.95")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def units_of(documents: Sequence[str | None] | None, sentences: int) -> tuple[Counts, int]:
    """Number the units to resample: documents where they are marked, and sentences where not.

    A sentence outside every document is a unit of its own. A single document cannot be resampled; then
    sentences are.

    Args:
        documents: the document of each sentence, wherever in the data its sentences stand; or None.
        sentences: how many sentences there are.

    Returns:
        The unit of each sentence, int64, shape (sentences,), and how many units there are.
    """
    if documents is None or len({*documents}) < 2:
        return np.arange(sentences), sentences
    numbers: dict[str | int, int] = {}
    keys = (number if name is None else name for number, name in enumerate(documents))
    units = np.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), dtype=np.int64)
    return units, len(numbers)


def same_spans(gold: Spans, predicted: Spans) -> NDArray[np.bool_]:
    """Tell which predicted spans have a gold span of the same type and borders: bool, shape (predicted,)."""
    if not len(gold):
        return np.zeros(len(predicted), dtype=bool)
    place = np.searchsorted(gold.starts, predicted.starts)
    place[place == len(gold)] = 0  # beyond the last gold span: any other start differs
    same: NDArray[np.bool_] = (
        (gold.starts[place] == predicted.starts)
        & (gold.ends[place] == predicted.ends)
        & (gold.types[place] == predicted.types)
    )
    return same


def count_kinds(unit: IntArray, column: IntArray, units: int, columns: int) -> tuple[Counts, Counts]:
    """Count events per unit and column, and find the distinct rows that units have.

    Args:
        unit: shape (events,): the unit of each event.
        column: shape (events,): what it is counted under.
        units: how many units there are.
        columns: how many columns there are.

    Returns:
        The distinct rows, int64, shape (kinds, columns), sorted; and how many units have each.
    """
    busy = np.zeros(units, dtype=bool)
    busy[unit] = True
    size = int(np.count_nonzero(busy))
    order = np.argsort(unit, kind="stable")
    place = (np.cumsum(busy) - 1)[unit[order]]  # idle units, most of them often, take no room
    column = column[order]
    step = max(1, _CELLS // max(1, columns))
    rows, times = [np.zeros((1, columns), dtype=np.int64)], [np.array([units - size])]
    for begin in range(0, size, step):
        end = min(begin + step, size)
        first, last = np.searchsorted(place, (begin, end))
        cells = (place[first:last] - begin) * columns + column[first:last]
        table = np.bincount(cells, minlength=(end - begin) * columns).reshape(end - begin, columns)
        bytewise = table.astype(np.uint8 if table.max() < 256 else np.int64)
        keys = bytewise.view(f"S{bytewise.itemsize * columns}").ravel()
        _, kinds, count = np.unique(keys, return_index=True, return_counts=True)
        rows.append(table[kinds])
        times.append(count)
    return merge_kinds(np.concatenate(rows), np.concatenate(times))


def merge_kinds(rows: Counts, times: Counts) -> tuple[Counts, Counts]:
    """Merge equal rows, leave out those that no unit has, and sort: int64, shapes (kinds, columns), (kinds,)."""
    rows, times = rows[times > 0], times[times > 0]
    if not rows.size:
        return rows[:1], times.sum(keepdims=True)[: len(rows)]
    shifted = rows - rows.min()  # differences of counts may be negative
    width = next(size for size in (1, 2, 4, 8) if shifted.max() < 1 << (8 * size - 1))
    # As big-endian bytes, rows sort as their numbers do, and several times as fast.
    keys = np.ascontiguousarray(shifted.astype(f">u{width}")).view(f"S{width * rows.shape[1]}").ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    sums = np.bincount(inverse, weights=times, minlength=len(first)).astype(np.int64)
    return rows[first], sums
