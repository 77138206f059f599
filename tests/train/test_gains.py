"""What a curve allows to say, on points whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tagwright.train.gains import interval_of_mean, judge

SIZES = [100, 250, 500, 1000]


def judged(f1, sizes=SIZES, support=2000, **options):
    """Judge points: a row a size, a column a seed."""
    f1 = np.array(f1, dtype=float)
    return judge(np.array(sizes, dtype=float)[:, None] + np.zeros_like(f1), f1, support=support, **options)


CASES = {
    "rising": (
        [[0.20, 0.21, 0.22], [0.30, 0.31, 0.32], [0.38, 0.40, 0.41], [0.46, 0.47, 0.49]],
        "More labels would help: from 500 to 1,000 sentences F1 rose by 0.0767",
        "If F1 went on at that rate, 2,000 sentences would bring +0.0767",
    ),
    "slow": (
        [[0.700, 0.702], [0.710, 0.712], [0.7150, 0.7170], [0.7200, 0.7221]],
        "More labels would help, but little: from 500 to 1,000 sentences F1 rose by 0.0050",
        "curves flatten, so expect less rather than more",
    ),
    "flat": (
        [[0.60, 0.61, 0.62], [0.70, 0.71, 0.69], [0.73, 0.731, 0.729], [0.731, 0.73, 0.73]],
        "More labels like these would hardly help: from 500 to 1,000 sentences F1 rose by 0.0003",
        "flat within the noise of the seeds",
    ),
    "falling": (
        [[0.60, 0.61, 0.62], [0.70, 0.71, 0.69], [0.75, 0.74, 0.74], [0.70, 0.70, 0.695]],
        "More labels of this kind made it worse: from 500 to 1,000 sentences F1 fell by 0.0450",
        "tagwright inspect",
    ),
    "unclear": (
        [[0.40, 0.38, 0.42], [0.45, 0.49, 0.41], [0.50, 0.46, 0.53], [0.55, 0.54, 0.51]],
        "3 seeds are too few to tell: from 500 to 1,000 sentences F1 rose by 0.0367",
        "--resume --seeds 11",
    ),
    "one seed": (
        [[0.40], [0.50], [0.55], [0.60]],
        "One seed cannot tell: from 500 to 1,000 sentences F1 rose by 0.0500, and",
        "give --seeds 3",
    ),
    "unlearned": (
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.002, 0.001]],
        "With 1,000 sentences a training learned nothing (F1 0.0010), so this says nothing about labels",
        "train longer",
    ),
    "full": (
        [[0.95, 0.94], [0.98, 0.98], [0.993, 0.992], [0.995, 0.994]],
        "Less than a point is left to gain on the validation split: from 500 to 1,000 sentences",
        "to 0.9945",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_its_sentence(case):
    f1, start, part = CASES[case]
    found = judged(f1)
    assert found.case == case
    assert found.words.startswith(start)
    assert part in found.words
    assert (found.forecast is not None) == (case in ("rising", "slow", "flat"))
    json.dumps(found.to_dict(), allow_nan=False)


def test_one_size_is_no_curve():
    found = judged([[0.5, 0.6]], [1000])
    assert (found.case, found.change) == ("one size", None)
    assert "--shares 0.5 1" in found.words


def test_sizes_far_apart_say_nothing_of_the_end():
    found = judged([[0.30, 0.31, 0.30], [0.60, 0.61, 0.60]], [100, 1000])
    assert found.case == "coarse"
    assert "add a share of about half the largest" in found.words
    assert judged([[0.30, 0.31, 0.30], [0.60, 0.61, 0.60]], [400, 1000]).case == "rising"


def test_a_size_that_taught_nothing_is_no_ground_for_a_gain():
    found = judged([[0.0, 0.0, 0.0], [0.0, 0.21, 0.22], [0.42, 0.44, 0.45]], [250, 500, 1000])
    assert found.case == "unlearned"
    assert found.words.startswith("With 500 sentences a training learned nothing (F1 0.0000)")


def test_sizes_that_taught_nothing_are_no_part_of_the_line():
    rows = [[0.0, 0.0, 0.0], [0.30, 0.31, 0.32], [0.41, 0.42, 0.43], [0.50, 0.51, 0.53]]
    learned = judged(rows[1:], [260, 600, 1000]).forecast
    assert learned.sizes == 3
    assert judged(rows, [240, 260, 600, 1000]).forecast == learned


def test_a_curve_that_bends_is_not_continued_along_its_steep_part():
    """Figures of a real curve: the gains of the two last doublings are 0.26 and 0.10."""
    rows = [[0.326, 0.419, 0.329, 0.35], [0.640, 0.573, 0.629, 0.616], [0.705, 0.709, 0.722, 0.706]]
    found = judged(rows, [92, 183, 366], support=224)
    assert found.case == "rising"
    assert found.forecast.gain == pytest.approx(found.change.f1)
    assert found.forecast.interval == pytest.approx(found.change.interval)


def test_the_last_change_is_taken_from_the_size_nearest_to_half():
    found = judged([[0.40, 0.41], [0.50, 0.51], [0.58, 0.59], [0.59, 0.60]], [250, 500, 900, 1000])
    assert (found.change.from_sentences, found.change.to_sentences) == (500, 1000)
    assert found.change.f1 == pytest.approx(0.09)


def test_the_interval_is_students_over_differences_within_seeds():
    """Seeds that differ from one another by much, and gain the same, leave no doubt."""
    rows = np.array([[0.30, 0.40, 0.50], [0.351, 0.450, 0.549]])
    found = judged(rows, [500, 1000])
    expected = stats.ttest_rel(rows[1], rows[0]).confidence_interval(0.95)
    assert found.change.interval == pytest.approx(tuple(expected))
    assert found.case == "rising"


def test_seeds_that_agree_by_chance_on_few_spans_are_not_certain():
    rows = [[0.50, 0.50, 0.50], [0.55, 0.55, 0.55]]
    assert judged(rows, [500, 1000], support=2000).case == "rising"
    assert judged(rows, [500, 1000], support=10).case == "unclear"


def test_a_forecast_never_goes_beyond_one():
    found = judged([[0.60, 0.61, 0.60], [0.78, 0.79, 0.78], [0.96, 0.97, 0.96]], [250, 500, 1000])
    assert found.forecast.gain + 0.9634 == pytest.approx(1, abs=1e-3)
    assert found.forecast.interval[1] <= found.forecast.gain


def test_the_line_is_that_of_least_squares():
    rows = np.array([[0.30, 0.32, 0.31], [0.41, 0.40, 0.42], [0.47, 0.49, 0.48]])
    slopes = [np.polyfit(np.log2([250, 600, 1000]), column, 1)[0] for column in rows.T]
    assert judged(rows, [250, 600, 1000]).forecast.gain == pytest.approx(np.mean(slopes))


def test_the_number_of_seeds_that_is_asked_for_would_do():
    found = judged(CASES["unclear"][0])
    change, wanted = found.change, found.seeds_wanted
    for count, tells in ((wanted, True), (wanted - 1, False)):
        half = stats.t.ppf(0.975, count - 1) * change.deviation / count**0.5
        low, high = change.f1 - half, change.f1 + half
        assert (low > 0 or high < 0 or high < 0.01 * change.doublings) == tells


def test_noise_that_no_number_of_seeds_overcomes_is_said_to_be_so():
    found = judged([[0.3, 0.7, 0.5], [0.705, 0.301, 0.503]], [500, 1000])
    assert (found.case, found.seeds_wanted) == ("unclear", None)
    assert (
        "even 100 seeds would not tell; a larger test split may"
        in judged([[0.3, 0.7, 0.5], [0.705, 0.301, 0.503]], [500, 1000], split="test").words
    )


def test_documents_may_give_each_seed_its_own_size():
    f1 = np.array([[0.40, 0.41, 0.42], [0.50, 0.51, 0.52]])
    sizes = np.array([[480.0, 500.0, 520.0], [1000.0, 1000.0, 1000.0]])
    found = judge(sizes, f1, support=1000)
    assert found.case == "rising"
    assert found.change.from_sentences == 500
    assert found.forecast.gain == pytest.approx(0.1, abs=1e-3)


def test_an_interval_needs_two_values():
    assert interval_of_mean(np.array([0.5])) is None
    assert interval_of_mean(np.array([0.5, 0.5])) == (0.5, 0.5)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4), st.integers(1, 5000)
)
def test_whatever_the_points_the_words_keep_to_the_interval(rows, support):
    found = judged(rows, SIZES[-len(rows) :], support=support)
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.words.endswith(".")
    if found.case in ("rising", "slow"):
        assert found.change.interval[0] > 0
        assert found.forecast.gain <= 1 - np.mean(rows[-1]) + 1e-12
    if found.case == "falling":
        assert found.change.interval[1] < 0
    if found.case == "flat":
        assert found.change.interval[0] <= 0 < 0.01 * found.change.doublings > found.change.interval[1]
    order = [2, 0, 1]
    again = judged([[row[place] for place in order] for row in rows], SIZES[-len(rows) :], support=support)
    assert again.case == found.case
