"""A batch is dealt out so that no process waits long for another."""

from __future__ import annotations

from itertools import chain, combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.train.deal import computed_pieces, deal
from tagwright.train.sampler import BatchOrder


def costs(lengths, dealt) -> list[int]:
    return [computed_pieces(np.asarray(lengths), windows) for windows in dealt]


def least(lengths: list[int], hands: int) -> int:
    """Try every way to cut the sorted windows into runs."""
    widths = sorted(lengths, reverse=True)
    found = []
    for cuts in combinations(range(1, len(widths)), min(hands, len(widths)) - 1):
        borders = [0, *cuts, len(widths)]
        runs = [widths[start:end] for start, end in pairwise(borders)]
        found.append(max(len(run) * run[0] for run in runs))
    return min(found)


@given(st.lists(st.integers(2, 60), min_size=1, max_size=10), st.integers(1, 5))
def test_every_window_is_dealt_once_and_no_way_has_a_lesser_maximum(lengths, hands):
    dealt = deal(np.array(lengths), hands)
    assert len(dealt) == hands
    assert sorted(chain.from_iterable(hand.tolist() for hand in dealt)) == list(range(len(lengths)))
    assert all(len(hand) for hand in dealt[: len(lengths)])
    assert max(costs(lengths, dealt)) == least(lengths, hands)


def test_a_long_window_is_weighed_against_many_short_ones():
    assert costs([60, 20, 20, 20, 20, 20, 20, 20], deal(np.array([60, *[20] * 7]), 2)) == [120, 120]
    assert [len(hand) for hand in deal(np.array([9, 9]), 4)] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("processes", "grouped", "bound"),
    [(2, True, 1.03), (4, True, 1.04), (3, True, 1.13), (2, False, 1.08), (4, False, 1.18)],
)
def test_processes_compute_nearly_the_same(processes, grouped, bound):
    """The largest part over the mean; 16 windows over 3 processes cannot be dealt better than 6 to 16/3."""
    lengths = np.clip(np.random.default_rng(0).lognormal(3.2, 0.6, 2000).astype(int), 3, 128)
    order = BatchOrder(lengths, 16, seed=0, grouped=grouped)
    largest = mean = alternately = 0.0
    for batch in order.whole():
        parts = costs(lengths[batch], deal(lengths[batch], processes))
        largest += max(parts)
        mean += sum(parts) / processes
        places = np.argsort(-lengths[batch])
        alternately += max(costs(lengths[batch], [places[hand::processes] for hand in range(processes)]))
    assert 1 <= largest / mean < bound
    assert largest <= alternately


@given(
    st.lists(st.integers(2, 60), min_size=1, max_size=40), st.integers(1, 9), st.integers(1, 4), st.booleans()
)
def test_processes_have_the_batches_of_one(lengths, size, processes, grouped):
    def batches(**place: int) -> list[list[int]]:
        order = BatchOrder(np.array(lengths), size, seed=3, grouped=grouped, **place)
        order.set_epoch(2)
        assert len(list(order)) == len(order)
        return list(order)

    each = [batches(rank=rank, processes=processes) for rank in range(processes)]
    for whole, *parts in zip(batches(), *each, strict=True):
        assert sorted(chain.from_iterable(parts)) == sorted(whole)
