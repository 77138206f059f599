"""What scores must obey whatever the tags are, and the edges: nothing there, unknown types, other schemes."""

from __future__ import annotations

import json
import math
import re
from itertools import chain
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
READINGS = ["lenient", "strict", "boundary", "type", "partial", "surface"]
Tags = list[list[str]]


@st.composite
def sides(draw: st.DrawFn, scheme: Scheme) -> tuple[Tags, Tags]:
    names = LabelMap.from_types(TYPES, scheme).names
    tag = st.sampled_from(names if "O" in names else ("O", *names))
    gold = draw(st.lists(st.lists(tag, max_size=7), max_size=6))
    pred = [[draw(st.just(name) | tag) for name in tags] for tags in gold]
    return gold, pred


def ratios(scores: Scores) -> dict[str, Any]:
    """Every ratio of the JSON: no counts, and no intervals, which narrow as data grow."""
    written = scores.to_dict()
    wanted = ("precision", "recall", "f1", "macro_f1")
    found: dict[str, Any] = {"accuracy": written["accuracy"]}
    for name in READINGS:
        if name in written:
            rows = {"": written[name], **written[name]["per_type"]}
            found[name] = {
                label: {key: row[key] for key in wanted if key in row} for label, row in rows.items()
            }
    return found


def count(gold: Tags, pred: Tags, scheme: Scheme, documents: list[str | None] | None = None) -> Scores:
    """Score tags whose words are known: each is its own first letter, so that forms occur again."""
    labels = LabelMap(
        ["O", *(name for name in LabelMap.from_types(TYPES, scheme).names if name != "O")], scheme
    )
    words = ["abc"[(place + len(tags)) % 3] for tags in gold for place in range(len(tags))]
    ids = [labels.ids(chain.from_iterable(side)) for side in (gold, pred)]
    return score_tags(*ids, offsets_of(map(len, gold)), labels, words=words, documents=documents)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_invariances(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    scores = count(gold, pred, scheme)

    assert ratios(count(gold * 2, pred * 2, scheme)) == ratios(scores)

    order = data.draw(st.permutations(range(len(gold))))
    assert count([gold[i] for i in order], [pred[i] for i in order], scheme) == scores

    cut = data.draw(st.integers(0, len(gold)))
    halves = count(gold[:cut], pred[:cut], scheme) + count(gold[cut:], pred[cut:], scheme)
    assert halves == scores
    assert halves.to_dict() == scores.to_dict()

    swapped = count(pred, gold, scheme)
    for name in READINGS:
        one, other = getattr(scores, name), getattr(swapped, name)
        assert (one.precision, one.recall) == (other.recall, other.precision)
        assert one.f1 == pytest.approx(other.f1, abs=1e-15)
        if name == "surface":
            one, other = one.reading, other.reading
        assert list(one.per_type) == list(other.per_type)
        assert one.macro_precision == pytest.approx(other.macro_recall)
    assert all(0 <= number <= 1 for number in numbers(ratios(scores)))


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_counts_add_up(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    scores = count(gold, pred, scheme)
    swapped = count(pred, gold, scheme)
    for reading in (scores.lenient, scores.strict):
        for tally in reading.per_type.values():
            assert 0 <= tally.correct <= min(tally.gold, tally.predicted)
            assert tally.gold + tally.predicted > 0
    for name in ("boundary", "type", "partial"):
        one, other = getattr(scores, name), getattr(swapped, name)
        for label, tally in one.per_type.items():
            found = tally.correct + tally.incorrect + tally.partial
            spans = scores.lenient.per_type[label]
            assert found + tally.missed == tally.support == spans.gold
            assert (tally.predicted, tally.spurious) == (spans.predicted, other.per_type[label].missed)
        together = one.micro
        found = together.correct + together.incorrect + together.partial
        assert found + together.spurious == together.predicted == scores.lenient.micro.predicted
        # What one reading calls right the others may not, but they are talking of the same pairs.
        assert (together.missed, together.spurious) == (scores.type.micro.missed, scores.type.micro.spurious)
    assert scores.partial.micro.partial == scores.boundary.micro.incorrect
    assert scores.partial.micro.correct == scores.boundary.micro.correct
    assert scores.lenient.micro.correct <= min(scores.boundary.micro.correct, scores.type.micro.correct)
    assert scores.surface is not None
    assert scores.surface.correct <= scores.surface.gold & scores.surface.predicted


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_gold_against_itself_is_perfect(scheme: Scheme, data: st.DataObject) -> None:
    gold = repair_tags(data.draw(sides(scheme))[0], scheme)
    scores = count(gold, gold, scheme)
    assert scores.lenient == scores.strict
    if scores.lenient.support:
        assert set(numbers(ratios(scores))) == {1.0}
        assert scores.to_dict()["f1_interval"][1] == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_reading_in_parts_of_any_size_equals_the_whole(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    size = data.draw(st.integers(1, 30))
    found = data.draw(st.sampled_from([None, scheme]))  # what the first parts show may not be the whole
    try:
        whole = score(gold, pred, scheme=found)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(str(error))):
            score(gold, pred, scheme=found, part_words=size)
        return
    parts = score(gold, pred, scheme=found, part_words=size)
    assert parts == whole
    assert parts.notices == whole.notices
    assert parts.to_dict() == whole.to_dict()


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
    strict_person = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    found = {"correct": 1, "incorrect": 0, "partial": 0, "missed": 0, "spurious": 1}
    matched = {
        **half,
        **found,
        "missed": 1,
        "macro_f1": 1 / 3,
        "per_type": {
            "group": {**group, **found, "correct": 0, "missed": 1, "spurious": 0},
            "person": {**person, **found},
        },
    }
    written = scores.to_dict()
    intervals = {
        reading: [written[reading].pop("f1_interval"), written[reading].pop("macro_f1_interval")]
        + [row.pop("f1_interval") for row in written[reading]["per_type"].values()]
        for reading in ("lenient", "strict")
    }
    assert all(0 <= low <= high <= 1 for found in intervals.values() for low, high in found)
    assert written.pop("f1_interval") == intervals["lenient"][0]
    assert written == {
        "lenient": {**half, "macro_f1": 1 / 3, "per_type": {"group": group, "person": person}},
        "strict": {
            "precision": 1.0,
            "recall": 0.5,
            "f1": 2 / 3,
            "support": 2,
            "macro_f1": 0.5,
            "per_type": {"group": group, "person": strict_person},
        },
        "boundary": matched,
        "type": matched,
        "partial": matched,
        "accuracy": 0.6,
        "interval_unit": "sentences",
        "sentences": 2,
        "words": 5,
        "lost_words": 0,
        "differing_words": 0,
    }
    json.dumps(scores.to_dict(), allow_nan=False)


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
