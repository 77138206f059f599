from __future__ import annotations

import pytest

from tagwright.inspect.coverage import TypeCount, find_rare_types, overlap_of, type_counts
from tests.inspect.corpora import parts


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        pytest.param("Ann/B-x", "Ann/B-x", (1, 1, 1, 1, 1), id="the same"),
        pytest.param("Ann/B-x", "ANN/B-x", (1, 0, 1, 0, 1), id="another case"),
        pytest.param("Ann/B-y", "Ann/B-x", (1, 0, 0, 1, 1), id="another type"),
        pytest.param("Ann/B-y", "ANN/B-x", (1, 0, 0, 0, 1), id="another case and type"),
        pytest.param("Ann | ANN/B-x", "Ann/B-x", (1, 0, 1, 0, 1), id="not labelled there"),
        pytest.param("Ann/B-x Lee/I-x", "Ann/B-x | Lee/B-x", (2, 0, 0, 0, 0), id="a part of a form"),
        pytest.param("Ann/B-x", "Ann/B-x | Ann/B-x | Bob/B-x", (3, 2, 2, 2, 2), id="every mention counts"),
        pytest.param("STRASSE/B-x", "straße/B-x", (1, 0, 1, 0, 1), id="case is folded, not lowered"),
    ],
)
def test_mentions_that_train_has(train, test, expected):
    train, test = parts(train=train, test=test)
    found = overlap_of(test, train)
    assert (
        found.mentions,
        found.in_train_exact,
        found.in_train_casefold,
        found.form_in_train_exact,
        found.form_in_train_casefold,
    ) == expected


def test_rare_and_missing_types():
    counts = {"train": {"x": 30, "y": 19, "z": 0}, "test": {"x": 20, "y": 0, "z": 1}}
    rare, missing = find_rare_types(counts)
    assert rare == (TypeCount("y", "train", 19, 0), TypeCount("z", "test", 1, 0))
    assert missing == (TypeCount("z", "train", 0, 1), TypeCount("y", "test", 0, 19))
    assert find_rare_types(counts, few=1) == ((), missing)


def test_types_are_counted_most_frequent_first():
    [part] = parts(train="a/B-x b/B-y | c/B-y")
    assert list(type_counts(part).items()) == [("y", 2), ("x", 1)]
