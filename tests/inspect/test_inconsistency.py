from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.inspect.inconsistency import find_inconsistencies, surprise
from tests.inspect.corpora import parts

ROWS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["O", "O", "B-x", "I-x", "B-y"])),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=8,
)


def shown(found):
    return {form.form: dict(form.counts) for form in found}


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        pytest.param("a/B-x b | a/B-x", {}, id="always alike"),
        pytest.param("a/B-x b | a/B-y", {"a": {"x": 1, "y": 1}}, id="two types"),
        pytest.param("a/B-x b | c a", {"a": {"O": 1, "x": 1}}, id="labelled and not"),
        pytest.param("a/B-x b | A", {}, id="another case is another form"),
        pytest.param("a/B-x b/I-x | c a b", {"a b": {"O": 1, "x": 1}}, id="several words"),
        pytest.param("a/B-x b/I-x | a | b", {}, id="not across sentences"),
        pytest.param("a/B-x b/I-x | a/B-x", {}, id="a form within a longer span says nothing"),
        pytest.param("a/B-x b/I-x | a b/B-y", {}, id="a form that reaches into a span says nothing"),
        pytest.param("a/B-x | a a a", {"a": {"O": 3, "x": 1}}, id="counted"),
        pytest.param("a/B-x a/I-x | a a a", {"a a": {"O": 2, "x": 1}}, id="occurrences may overlap"),
    ],
)  # fmt: skip
def test_forms_labelled_in_several_ways(train, expected):
    assert shown(find_inconsistencies(parts(train=train))) == expected


def test_all_splits_count_together():
    [form] = find_inconsistencies(parts(train="a/B-x | a/B-x", test="b a"))
    assert (form.odd, form.usual, dict(form.counts)) == ("O", "x", {"x": 2, "O": 1})
    assert [dict(place) for place in form.places] == [{"split": "test", "where": "DatasetDict:test:1"}]
    assert [place["split"] for place in form.usual_places] == ["train", "train"]


def test_the_same_context_comes_first_then_surprise():
    many = " | ".join(["the will p"] * 9 + ["q will/B-x"])
    few = "said Ann/B-x . | said Ann . | Bob/B-x left | met Bob"
    found = find_inconsistencies(parts(train=f"{many} | {few}"))
    assert [(form.form, form.same_context) for form in found] == [("Ann", 1), ("will", 0), ("Bob", 0)]


def test_surprise_grows_with_the_majority_and_falls_with_the_minority():
    assert surprise(1, 2, 7) < surprise(1, 10, 7) < surprise(1, 100, 7)
    assert surprise(1, 100, 7) > surprise(2, 100, 7) > surprise(50, 100, 7) > 0


def test_parts_of_speech_have_no_outside():
    found = find_inconsistencies(parts(train="the/DT run/NN | they/PRP run/VB | we/PRP run/VB"))
    assert shown(found) == {"run": {"VB": 2, "NN": 1}}
    assert found[0].surprise == pytest.approx(surprise(1, 3, 4))


@given(ROWS, st.randoms())
def test_the_order_of_sentences_does_not_matter(rows, random):
    one, other = (
        find_inconsistencies(parts(train=order)) for order in (rows, random.sample(rows, len(rows)))
    )
    key = [(form.form, dict(form.counts), form.odd, form.surprise, form.same_context) for form in one]
    assert key == [
        (form.form, dict(form.counts), form.odd, form.surprise, form.same_context) for form in other
    ]


@given(ROWS)
def test_everything_twice_counts_twice(rows):
    one, twice = (find_inconsistencies(parts(train=data)) for data in (rows, rows + rows))
    assert {
        form: {kind: 2 * n for kind, n in counts.items()} for form, counts in shown(one).items()
    } == shown(twice)
