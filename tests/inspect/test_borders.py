from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.inspect.borders import find_unbalanced, unbalanced
from tagwright.inspect.part import parts_of
from tests.inspect.corpora import corpus, parts


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("Wallace ( and Gromit", "("),
        ("NFL)", ")"),
        ("( NFL )", ""),
        ("Who [ is ( it ] )", "] ["),
        ('" Up', '"'),
        ('" Up "', ""),
        ("`` Up ''", ""),
        ("`` Up", "``"),
        ("“ Up ”", ""),
        ("„ Up “", ""),
        ("„ Up ”", ""),
        ("” Up ”", ""),
        ("« Up »", ""),
        ("» Up «", ""),
        ("Up »", "»"),
        ("‘ Up ’", ""),
        ("‘ Up", "‘"),
        ("「 東京", "「"),
        ("O’Neill", ""),
        ("rock ’n’ roll", ""),
        ("the boys '", ""),
        ('12 " vinyl', ""),
        ('the 12" "Up"', ""),
        ("plain", ""),
    ],
)
def test_quotes_and_brackets(form, expected):
    assert " ".join(unbalanced(form.split())) == expected or sorted(unbalanced(form.split())) == sorted(
        expected.split()
    )


def test_spans_are_placed_in_their_context():
    [found] = find_unbalanced(
        parts(train="( a | he saw it in the NFL)/B-x . and left early then", test="( Up/B-y )")
    )
    assert (found.form, found.type, found.signs, found.split) == ("NFL)", "x", ")", "train")
    assert found.context == "it in the ⟨NFL)⟩ . and left"
    assert found.where == "DatasetDict:train:2"


def test_parts_of_speech_are_no_spans():
    assert find_unbalanced(parts_of(corpus(train="(/-LRB- Up/RP )/-RRB- it/PRP"))) == ()


@given(
    st.recursive(
        st.just([]), lambda inner: st.lists(st.tuples(st.sampled_from(["()", "[]", "“”", "«»"]), inner))
    )
)
def test_whatever_is_nested_well_is_balanced(tree):
    def words(node):
        return [word for signs, inner in node for word in (signs[0], "w", *words(inner), signs[1])]

    assert unbalanced(words(tree)) == []
