"""Two systems on the same sentences: exact symmetries, exact p on tiny data, Holm by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.score.paired import PairedCounts, bootstrap_difference, holm, randomisation_p
from tagwright.score.resample import merge_kinds
from tagwright.tags import LabelMap, Scheme, offsets_of

LABELS = LabelMap.from_types(["person", "location"], Scheme.IOB2)
MIRROR = [1, 0, 2, 4, 3]


@st.composite
def tables(draw: st.DrawFn, *, max_size: int = 8) -> np.ndarray:
    """Counts of some units: both systems' correct, gold, both systems' predicted."""
    unit = st.tuples(*[st.integers(0, 3)] * 3).flatmap(
        lambda whole: st.tuples(
            st.integers(0, min(whole[0], whole[1])),
            st.integers(0, min(whole[0], whole[2])),
            *map(st.just, whole),
        )
    )
    return np.array(draw(st.lists(unit, min_size=1, max_size=max_size)), dtype=np.int64)


def kinds(units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return merge_kinds(units, np.ones(len(units), dtype=np.int64))


def f1s(sums: np.ndarray) -> tuple[float, float]:
    return tuple(2 * sums[i] / max(sums[2] + sums[3 + i], 1) for i in (0, 1))


@given(tables(), st.integers(0, 2**32))
def test_swapping_the_systems_mirrors_every_figure(units: np.ndarray, seed: int) -> None:
    here = bootstrap_difference(*kinds(units), rounds=30, seed=seed)
    there = bootstrap_difference(*kinds(units[:, MIRROR]), rounds=30, seed=seed)
    assert here.value == -there.value
    assert here.interval == (-there.interval[1], -there.interval[0])
    assert randomisation_p(*kinds(units), rounds=30, seed=seed) == randomisation_p(
        *kinds(units[:, MIRROR]), rounds=30, seed=seed
    )


@given(tables())
def test_a_system_against_itself(units: np.ndarray) -> None:
    units[:, [1, 4]] = units[:, [0, 3]]
    same = bootstrap_difference(*kinds(units), rounds=20)
    assert (same.value, same.interval) == (0.0, (0.0, 0.0))
    assert randomisation_p(*kinds(units), rounds=20) == (1.0, 0)


@given(tables(max_size=6))
def test_p_is_that_of_all_ways_to_swap(units: np.ndarray) -> None:
    """Every outcome of the coins, one by one, against many tosses of them."""
    found = abs(np.subtract(*f1s(units.sum(axis=0))))
    outcomes = [
        abs(
            np.subtract(
                *f1s(sum(unit[MIRROR] if swap else unit for unit, swap in zip(units, coins, strict=True)))
            )
        )
        for coins in product([False, True], repeat=len(units))
    ]
    exact = np.mean(np.array(outcomes) >= found - 1e-12)
    p, differing = randomisation_p(*kinds(units), rounds=4000)
    assert p == pytest.approx(exact, abs=0.04)
    assert differing == (units[:, [0, 3]] != units[:, [1, 4]]).any(axis=1).sum()


def test_the_interval_is_that_of_a_plain_paired_bootstrap() -> None:
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 4, 300)
    units = np.stack(
        [generator.binomial(gold, 0.6), generator.binomial(gold, 0.7), gold, gold, generator.binomial(gold, 0.9) + 1],
        axis=1,
    )  # fmt: skip
    units[:, 1] = np.minimum(units[:, 1], units[:, 4])
    found = bootstrap_difference(*kinds(units), rounds=5000, seed=1)
    drawn = (units[generator.integers(0, 300, 300)].sum(axis=0) for _ in range(5000))
    plain = np.quantile([np.subtract(*f1s(sums)[::-1]) for sums in drawn], [0.025, 0.975])
    assert found.interval == pytest.approx(plain, abs=0.005)
    assert found.value == pytest.approx(np.subtract(*f1s(units.sum(axis=0))[::-1]))
    assert found.support == gold.sum()


def test_a_small_p_is_never_zero() -> None:
    units = np.tile([[0, 1, 1, 1, 1]], (100, 1))  # the second finds all, the first nothing
    assert randomisation_p(*kinds(units), rounds=999) == (0.001, 100)


def test_counts_of_spans() -> None:
    gold = [["B-person", "O", "B-location"], ["O"], ["B-person"]]
    first = [["B-person", "O", "O"], ["B-location"], ["B-person"]]
    second = [["B-location", "O", "B-location"], ["O"], ["B-person"]]
    offsets = offsets_of(map(len, gold))
    spans = [LABELS.spans(LABELS.ids(sum(tags, [])), offsets) for tags in (gold, first, second)]  # noqa: RUF017
    counts = PairedCounts(*spans, unit=np.arange(3), units=3, offsets=offsets)
    rows, times = counts.rows()
    assert dict(zip(map(tuple, rows.tolist()), times.tolist(), strict=True)) == {
        (1, 1, 2, 1, 2): 1,
        (0, 0, 0, 1, 0): 1,
        (1, 1, 1, 1, 1): 1,
    }
    assert [LABELS.types[label] for label in counts.occurring] == ["person", "location"]
    location, times = counts.rows(LABELS.types.index("location"))
    assert (times @ location).tolist() == [0, 1, 1, 1, 2]
    together = PairedCounts(*spans, unit=np.zeros(3, dtype=np.int64), units=1, offsets=offsets)
    assert together.rows()[0].tolist() == [[2, 2, 3, 3, 3]]


@pytest.mark.parametrize(
    ("values", "corrected"),
    [
        ([0.01], [0.01]),
        (
            [0.01, 0.04, 0.03, 0.005],
            [0.03, 0.06, 0.06, 0.02],
        ),  # 0.005*4, 0.01*3, 0.03*2, then no lower than that
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([], []),
    ],
)
def test_holm_by_hand(values: list[float], corrected: list[float]) -> None:
    assert holm(values) == pytest.approx(corrected)


def test_no_rounds() -> None:
    units = np.array([[0, 1, 1, 1, 1]])
    for test in (randomisation_p, bootstrap_difference):
        with pytest.raises(InputError, match="0 rounds"):
            test(*kinds(units), rounds=0)
