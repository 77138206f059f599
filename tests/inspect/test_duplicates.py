from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.inspect.duplicates import DuplicateCounts, SharedSentences, find_duplicates
from tests.inspect.corpora import parts

ROWS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "A"]), st.sampled_from(["O", "B-x", "B-y"])),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        pytest.param("a b | a c", (0, 0, 0), id="different sentences"),
        pytest.param("a b | a b", (1, 1, 0), id="a copy"),
        pytest.param("a b | a b | a b", (2, 1, 0), id="two surplus copies of one sentence"),
        pytest.param("a b | A b", (0, 0, 0), id="another case is another sentence"),
        pytest.param("a b | ab", (0, 0, 0), id="other borders of words are another sentence"),
        pytest.param("a/B-x b | a b", (1, 1, 1), id="labelled and not"),
        pytest.param("a/B-x b | a/B-y b", (1, 1, 1), id="two types"),
        pytest.param("a/B-x b | a/I-x b", (1, 1, 1), id="two tags that read as one span"),
        pytest.param("a/B-x | a/B-x | a | b | b", (3, 2, 1), id="one group of two in conflict"),
    ],
)
def test_within_a_split(train, expected):
    assert find_duplicates(parts(train=train)).within == {"train": DuplicateCounts(*expected)}


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        pytest.param("a b", "a c", (), id="nothing shared"),
        pytest.param("a b/B-x", "a b/B-x", (1, 0), id="shared and tagged alike"),
        pytest.param("a b/B-x", "a b", (1, 1), id="shared and tagged differently"),
        pytest.param("a b/B-x | a b", "a b | a b", (2, 0), id="every copy in the later split counts"),
        pytest.param("a b | a b", "a b | c", (1, 0), id="copies in the earlier one do not"),
    ],
)
def test_across_splits(train, test, expected):
    found = find_duplicates(parts(train=train, test=test)).across
    assert found == ((SharedSentences("test", "train", *expected),) if expected else ())


def test_groups_say_where_and_how_they_differ():
    found = find_duplicates(parts(train="c | a b/B-x | d | a b/B-x | c | c", test="a b"))
    first, second = found.groups
    assert (first.text, first.count, dict(first.splits), first.conflicting) == (
        "a b", 3, {"train": 2, "test": 1}, True,
    )  # fmt: skip
    assert first.differences == ({"word": "b", "tags": {"B-x": 2, "O": 1}},)
    assert [place["where"] for place in first.places] == [
        "DatasetDict:train:2", "DatasetDict:train:4", "DatasetDict:test:1",
    ]  # fmt: skip
    assert (second.text, second.count, second.differences) == ("c", 3, ())


def test_places_are_kept_for_each_split_and_bounded():
    [group] = find_duplicates(parts(train=[[("a", "O")]] * 500, test="a | a")).groups
    assert group.count == 502
    assert [place["split"] for place in group.places].count("train") == 100
    assert [place["where"] for place in group.places][-2:] == ["DatasetDict:test:1", "DatasetDict:test:2"]


@given(ROWS, st.randoms())
def test_the_order_of_sentences_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = (find_duplicates(parts(train=order)) for order in (rows, shuffled))
    assert one.within == other.within
    assert sorted((g.text, g.count, g.conflicting) for g in one.groups) == sorted(
        (g.text, g.count, g.conflicting) for g in other.groups
    )


@given(ROWS)
def test_one_more_copy_is_one_more(rows):
    before, after = (find_duplicates(parts(train=data)).within["train"] for data in (rows, [*rows, rows[0]]))
    assert after.copies == before.copies + 1
    assert after.conflicting == before.conflicting
    assert after.groups - before.groups in (0, 1)


@given(ROWS)
def test_copies_are_what_is_more_than_the_distinct_sentences(rows):
    distinct = {tuple(word for word, _ in row) for row in rows}
    found = find_duplicates(parts(train=rows)).within["train"]
    assert found.copies == len(rows) - len(distinct)
    assert found.conflicting <= found.groups <= found.copies
