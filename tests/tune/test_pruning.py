"""Trials are compared at equal shares of their runs, by the mean over seeds."""

from __future__ import annotations

import pytest

from tagwright.tune.pruning import points_of


def history(*scores):
    return [((place + 1) / len(scores), place + 1.0, f1) for place, f1 in enumerate(scores)]


def test_a_short_and_a_long_run_meet_at_the_same_shares():
    short, long = (
        points_of([history(0.4, 0.6)], keep_best=True),
        points_of([history(*[0.1, 0.2, 0.3, 0.4] * 2)], keep_best=False),
    )
    assert list(short) == [50, 60, 70, 80, 90, 100]
    assert short[50] == 0.4
    assert short[75 - 5] == pytest.approx(0.48)
    assert next(iter(long)) == 20
    assert long[50] == 0.4


def test_nothing_is_known_before_the_first_evaluation():
    assert points_of([[]], keep_best=True) == {}
    assert points_of([history(0.1, 0.2, 0.3)[:1]], keep_best=True) == {}  # a third is no whole tenth
    assert points_of([history(*[0.5] * 10)[:1]], keep_best=True) == {10: 0.5}


def test_the_best_so_far_counts_where_the_best_weights_are_kept():
    falling = history(0.6, 0.2)
    assert points_of([falling], keep_best=True)[100] == 0.6
    assert points_of([falling], keep_best=False)[100] == pytest.approx(0.2)


def test_the_mean_is_over_seeds_as_far_as_all_have_come():
    points = points_of([history(0.4, 0.6), history(0.2, 0.3)[:1]], keep_best=True)
    assert points == {50: pytest.approx(0.3)}
