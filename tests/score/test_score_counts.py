"""What scores must obey whatever the tags are, and the edges: nothing there, unknown types, other schemes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tagwright as tw
from tagwright.errors import InputError
from tagwright.score.counts import Scores, Tally, score, score_tags
from tagwright.tags import LabelMap, Scheme, offsets_of, repair_tags

SCHEMES = [Scheme.IOB1, Scheme.IOB2, Scheme.BIOES, Scheme.BILOU, Scheme.IO, Scheme.WORD]
TYPES = ["person", "location", "group"]
Tags = list[list[str]]


@st.composite
def sides(draw: st.DrawFn, scheme: Scheme) -> tuple[Tags, Tags]:
    names = LabelMap.from_types(TYPES, scheme).names
    tag = st.sampled_from(names if "O" in names else ("O", *names))
    gold = draw(st.lists(st.lists(tag, max_size=7), max_size=6))
    pred = [[draw(st.just(name) | tag) for name in tags] for tags in gold]
    return gold, pred


def ratios(scores: Scores) -> dict[str, Any]:
    """Every number of the JSON but the counts."""

    def strip(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        counts = {"support", "sentences", "words", "lost_words", "differing_words"}
        return {key: strip(part) for key, part in value.items() if key not in counts}

    stripped: dict[str, Any] = strip(scores.to_dict())
    return stripped


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_invariances(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    scores = score(gold, pred, scheme=scheme)

    assert ratios(score(gold * 2, pred * 2, scheme=scheme)) == ratios(scores)

    order = data.draw(st.permutations(range(len(gold))))
    assert score([gold[i] for i in order], [pred[i] for i in order], scheme=scheme) == scores

    cut = data.draw(st.integers(0, len(gold)))
    halves = score(gold[:cut], pred[:cut], scheme=scheme) + score(gold[cut:], pred[cut:], scheme=scheme)
    assert halves == scores

    swapped = score(pred, gold, scheme=scheme)
    for one, other in ((scores.lenient, swapped.lenient), (scores.strict, swapped.strict)):
        assert (one.precision, one.recall, one.f1) == (other.recall, other.precision, other.f1)
        assert list(one.per_type) == list(other.per_type)
        assert one.macro_precision == pytest.approx(other.macro_recall)

    for reading in (scores.lenient, scores.strict):
        for tally in reading.per_type.values():
            assert 0 <= tally.correct <= min(tally.gold, tally.predicted)
            assert tally.gold + tally.predicted > 0
    assert all(0 <= number <= 1 for number in numbers(ratios(scores)))


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_gold_against_itself_is_perfect(scheme: Scheme, data: st.DataObject) -> None:
    gold = repair_tags(data.draw(sides(scheme))[0], scheme)
    scores = score(gold, gold, scheme=scheme)
    assert scores.lenient == scores.strict
    if scores.lenient.support:
        assert set(numbers(ratios(scores))) == {1.0}


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in numbers(part)]
    assert not math.isnan(value)
    return [value]


@pytest.mark.parametrize(
    ("gold", "pred"),
    [
        ([], []),
        ([[]], [[]]),
        ([["O", "O"]], [["O", "O"]]),
        ([["B-a", "I-a"]], [["O", "O"]]),
        ([["O", "O"]], [["B-a", "I-a"]]),
        ([["I-a"]], [["I-a"]]),
    ],
)
def test_undefined_ratios_are_zero(gold: Tags, pred: Tags) -> None:
    scores = score(gold, pred, scheme="iob2")
    written = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert (written["strict"]["precision"], written["strict"]["recall"], written["strict"]["f1"]) == (0, 0, 0)
    assert written["words"] == sum(map(len, gold))
    assert sum([scores], Scores()) == scores


def test_the_json() -> None:
    scores = score(
        [["B-person", "I-person", "O"], ["B-group", "O"]],
        [["B-person", "I-person", "O"], ["O", "I-person"]],
    )
    half = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2}
    person = {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "support": 1}
    group = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert scores.to_dict() == {
        "lenient": {**half, "macro_f1": 1 / 3, "per_type": {"group": group, "person": person}},
        "strict": {
            "precision": 1.0,
            "recall": 0.5,
            "f1": 2 / 3,
            "support": 2,
            "macro_f1": 0.5,
            "per_type": {
                "group": group,
                "person": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
            },
        },
        "accuracy": 0.6,
        "sentences": 2,
        "words": 5,
        "lost_words": 0,
        "differing_words": 0,
    }


def test_a_type_that_gold_never_has_is_spurious_under_its_own_name() -> None:
    scores = score([["B-person", "O"]], [["B-person", "B-alien"]])
    assert scores.lenient.per_type == {"alien": Tally(0, 0, 1), "person": Tally(1, 1, 1)}
    assert scores.lenient.macro_f1 == 0.5


def test_parts_with_different_types_add_up() -> None:
    one, other = score([["B-a"]], [["B-a"]]), score([["B-b"]], [["O"]])
    assert (one + other).strict.per_type == {"a": Tally(1, 1, 1), "b": Tally(0, 1, 0)}
    assert score([["B-a"], ["B-b"]], [["B-a"], ["O"]]) == one + other


@pytest.mark.parametrize(
    ("gold", "pred", "strict_f1"),
    [
        ([["I-a", "O"]], [["I-a", "B-a"]], 2 / 3),  # gold alone looks like IO; both together are IOB1
        ([["O", "O"]], [["S-a", "O"]], 0.0),  # gold shows nothing
        ([["B-a", "E-a"]], [["B-a", "I-a"]], 0.0),  # other letters, within gold's scheme
        ([["a", "O"]], [["I-a", "O"]], 1.0),  # IO with and without its prefix
        ([["NOUN", "VERB"]], [["NOUN", "X"]], 0.5),  # a label a word
        ([["B", "I"]], [["B", "I"]], 1.0),  # one kind of span, without a name
        ([["B-a", "O"]], [("B-a", "O")], 1.0),
    ],
)
def test_the_scheme_is_found(gold: Tags, pred: Tags, strict_f1: float) -> None:
    assert score(gold, pred).strict.f1 == pytest.approx(strict_f1)


@pytest.mark.parametrize(
    ("gold", "pred", "message"),
    [
        ([["O"], ["B-a", "O"]], [["O"], ["O", "S-a"]], r"pred, sentence 2, word 2: the tag 'S-a' does not"),
        ([["B-a", "I-a"]], [["B-a", "person"]], r"pred, sentence 1, word 2: the tag 'person' has no prefix"),
        ([["B-a", "person"]], [["B-a", "O"]], r"gold, sentence 1, word 2: the tag 'person' has no prefix"),
        ([["B-a", "I-a"]], [["B-a"]], r"2 words in gold, 1 in pred; they part at gold, sentence 1, word 2 "),
        (
            [["B-a"], ["O", "O"]],
            [["B-a", "O"], ["O"]],
            r"sentence borders of gold and pred differ; they part",
        ),
        ([["O"]], [["O"], ["O"]], r"part at gold, sentence 2, word 1 and pred, sentence 2, word 1"),
        (["B-a", "O"], ["B-a", "O"], r"gold is a list of strings; give one list of tags a sentence"),
    ],
)
def test_what_cannot_be_scored_is_an_input_error(gold: Tags, pred: Tags, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score(gold, pred)


def test_gold_without_a_label_takes_the_scheme_of_the_prediction() -> None:
    assert score([["O", "O"]], [["O", "I-a"]]).strict.per_type == {"a": Tally(0, 0, 1)}


def test_a_named_scheme_decides() -> None:
    gold = pred = [["I-a", "O"]]
    assert score(gold, pred).strict.f1 == 1
    assert score(gold, pred, scheme="IOB1").strict.f1 == 1
    assert score(gold, pred, scheme="BIO").strict.f1 == 0
    with pytest.raises(InputError, match="there is no scheme 'iob3'"):
        score(gold, pred, scheme="iob3")
    with pytest.raises(InputError, match="gold, sentence 1, word 1: the tag 'B-a' does not belong"):
        score([["B-a"]], [["O"]], scheme="io")


def test_score_tags_on_arrays() -> None:
    labels = LabelMap.from_types(["a"], Scheme.IOB2)
    gold, pred = labels.ids(["B-a", "I-a", "O"]), labels.ids(["B-a", "I-a", "I-a"])
    scores = score_tags(gold.astype(np.int32), pred, offsets_of([2, 1]), labels, lost_words=1)
    assert scores.lenient.per_type == {"a": Tally(1, 1, 2)}
    assert scores.strict.per_type == {"a": Tally(1, 1, 1)}
    assert (scores.lost_words, scores.sentences, scores.accuracy) == (1, 2, 2 / 3)
    with pytest.raises(ValueError, match="3 gold tags, 2 predicted tags"):
        score_tags(gold, pred[:2], offsets_of([2, 1]), labels)


def test_the_function_stays_callable_beside_the_room_of_its_name() -> None:
    import tagwright.score.counts  # noqa: F401  # puts the room at tagwright.score

    for _ in range(2):
        assert tw.score([["B-a"]], [["B-a"]]).strict.f1 == 1
