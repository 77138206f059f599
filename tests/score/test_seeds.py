"""Runs of two recipes: Welch and permutation against other reckonings, and what is said of too few runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import tagwright as tw
from tagwright.errors import InputError
from tagwright.score.seeds import lowest_p, permutation_p, welch_and_permutation

BASE = [0.440, 0.447, 0.451, 0.443, 0.449]
NEW = [0.455, 0.452, 0.461, 0.450, 0.458]

GOLD = [["B-person", "I-person", "O"], ["O", "B-location"], ["B-person", "O"], ["B-location"]] * 5


def test_welch_is_scipys() -> None:
    found = welch_and_permutation(BASE, NEW)
    theirs = stats.ttest_ind(NEW, BASE, equal_var=False)
    assert found.welch == pytest.approx(theirs.pvalue)
    assert found.interval == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.p == found.welch
    swapped = welch_and_permutation(NEW, BASE)
    assert swapped.difference == pytest.approx(-found.difference)
    assert swapped.interval == pytest.approx((-found.interval[1], -found.interval[0]))


def test_permutation_is_scipys() -> None:
    theirs = stats.permutation_test(
        (BASE, NEW), lambda x, y, axis: y.mean(axis) - x.mean(axis), vectorized=True, n_resamples=10_000
    )
    assert permutation_p(BASE, NEW) == pytest.approx(theirs.pvalue)
    many = permutation_p(BASE * 3, NEW * 3, rounds=5000)
    assert many == permutation_p(BASE * 3, NEW * 3, rounds=5000)
    assert 1 / 5001 <= many < 0.01


@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=4), st.lists(st.integers(0, 9), min_size=2, max_size=4)
)
def test_permutation_is_never_lower_than_the_lowest(first: list[int], second: list[int]) -> None:
    p = permutation_p(first, second)
    assert lowest_p(len(first), len(second)) <= p <= 1
    assert p == pytest.approx(permutation_p(second, first))


def test_the_lowest_is_reached() -> None:
    assert permutation_p([1, 2, 3], [7, 8, 9]) == pytest.approx(lowest_p(3, 3)) == pytest.approx(2 / 20)
    assert permutation_p([1, 2], [7, 8, 9]) == pytest.approx(lowest_p(2, 3)) == pytest.approx(1 / 10)


def test_runs_that_do_not_vary() -> None:
    found = welch_and_permutation([0.5, 0.5], [0.6, 0.6])
    assert (found.interval, found.welch) == (None, None)
    assert found.p == found.permutation == pytest.approx(2 / 6)
    assert welch_and_permutation([0.5, 0.5], [0.6, 0.7]).interval is not None  # one side's spread will do


def corrupted(every: int, start: int) -> list[list[str]]:
    """Gold with every so-manieth sentence emptied."""
    return [["O"] * len(tags) if number % every == start else tags for number, tags in enumerate(GOLD)]


def test_groups() -> None:
    low = [corrupted(3, 0), corrupted(3, 1), corrupted(3, 2)]
    high = [corrupted(9, 0), corrupted(8, 1), corrupted(7, 3)]
    found = tw.compare(GOLD, groups={"low": low, "high": high, "again": [GOLD, corrupted(10, 2)]})
    values = found.to_dict()
    assert json.loads(json.dumps(values)) == values
    assert [group["name"] for group in values["groups"]] == ["low", "high", "again"]
    assert [len(group["runs"]) for group in values["groups"]] == [3, 3, 2]
    f1 = [system["f1"] for system in values["systems"] if system["group"] == "low"]
    assert values["groups"][0]["mean"] == pytest.approx(sum(f1) / 3)
    pair = values["pairs"][0]
    expected = welch_and_permutation(f1, [s["f1"] for s in values["systems"] if s["group"] == "high"])
    assert (pair["difference"], pair["p"]) == pytest.approx((expected.difference, expected.welch))
    assert pair["p"] <= pair["p_holm"] <= 2 * pair["p"]
    assert "high is better than low on these 20 sentences" in pair["verdict"]
    assert "can never give a p below 0.1" in pair["verdict"]
    assert "nothing is said about others" in values["notes"][0]


def test_groups_within_what_seeds_give() -> None:
    runs = [corrupted(3, 0), corrupted(5, 1), corrupted(2, 0), corrupted(9, 3)]
    found = tw.compare(
        GOLD, groups={"a": runs, "b": [corrupted(5, 0), *runs[1:2], corrupted(3, 0), corrupted(8, 3)]}
    )
    [pair] = found.pairs
    assert "within what seeds give" in pair.verdict
    assert "does not show that they are equally good" in pair.verdict
    assert "runs a side would be needed" in pair.verdict


def test_groups_that_never_vary() -> None:
    found = tw.compare(GOLD, groups={"a": [GOLD, GOLD], "b": [corrupted(3, 0)] * 2})
    assert found.pairs[0].interval is None
    assert "Are they runs of different seeds?" in found.pairs[0].verdict
    same = tw.compare(GOLD, groups={"a": [GOLD, GOLD], "b": [GOLD, GOLD]})
    assert "has the same F1" in same.pairs[0].verdict


@pytest.mark.parametrize(
    ("groups", "what"),
    [
        ({}, "there is no group"),
        ({"a": [GOLD, GOLD]}, "there is only one group"),
        ({"a": [GOLD], "b": [GOLD, GOLD]}, "'a' has only one run"),
        ({"a": [], "b": [GOLD, GOLD]}, "'a' has no runs"),
        ({"a": "none-*", "b": [GOLD, GOLD]}, "nothing matches the pattern"),
        ({"a": ["none.conll", GOLD], "b": [GOLD, GOLD]}, "there is no such file or folder"),
    ],
)
def test_groups_that_cannot_be_compared(groups: dict[str, list[list[list[str]]]], what: str) -> None:
    with pytest.raises(InputError, match=what):
        tw.compare(GOLD, groups=groups)


def test_a_run_stands_in_one_group(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1", "b2"):
        (tmp_path / f"{name}.conll").write_text("Ada\tB-person\n")
    groups = {"a": str(tmp_path / "a*.conll"), "b": [tmp_path / "b1.conll", tmp_path / "b2.conll"]}
    assert [group.runs for group in tw.compare([["B-person"]], groups=groups).groups] == [
        ("a1", "a2"),
        ("b1", "b2"),
    ]
    with pytest.raises(InputError, match=r"a1\.conll: the run stands twice"):
        tw.compare([["B-person"]], groups={**groups, "c": str(tmp_path / "*1.conll")})
