"""F1 over parts of the spans: every slicing adds up to the whole."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.score.counts import score_tags
from tagwright.score.forms import KnownForms
from tagwright.score.mistakes import classify
from tagwright.score.slices import Slice, slice_scores
from tagwright.score.tally import Tally
from tagwright.tags import LabelMap, Scheme, offsets_of

LABELS = LabelMap.from_types(["person", "group"], Scheme.IOB2)
KNOWN = KnownForms(frozenset({"Ada", "New York"}), frozenset({"ada", "new york"}))


def slices_of(
    sentences: list[list[str]], gold: list[list[str]], predicted: list[list[str]]
) -> dict[str, Slice]:
    offsets = offsets_of(map(len, sentences))
    sides = [LABELS.spans(LABELS.ids(chain.from_iterable(side)), offsets) for side in (gold, predicted)]
    correct = classify(*sides).of_predicted == 0
    found = slice_scores(
        list(chain.from_iterable(sentences)), offsets, *sides, correct, known=KNOWN, rounds=200
    )
    return {part.name: part for part in found}


def tallies(part: Slice) -> dict[str, Tally]:
    return {row.name: row.tally for row in part.rows}


def test_spans_belong_to_a_row_by_their_own_property() -> None:
    found = slices_of(
        [["ADA", "met", "New", "York"], ["Ada", "left", *["on"] * 9]],
        [["B-person", "O", "B-group", "I-group"], ["B-person", *["O"] * 10]],
        [["B-person", "O", "O", "B-group"], ["B-group", *["O"] * 10]],
    )
    assert list(found) == ["seen in train", "entity length", "sentence length", "casing"]
    assert tallies(found["seen in train"]) == {
        "as written": Tally(0, 2, 1),
        "in another case": Tally(1, 1, 1),
        "unseen": Tally(0, 0, 1),
    }
    assert tallies(found["entity length"]) == {"1 word": Tally(1, 2, 3), "2 words": Tally(0, 1, 0)}
    assert tallies(found["sentence length"]) == {"1 to 10 words": Tally(1, 2, 2), "11 to 20": Tally(0, 1, 1)}
    assert tallies(found["casing"]) == {"Title": Tally(0, 2, 2), "UPPER": Tally(1, 1, 1)}


@pytest.mark.parametrize(
    ("length", "name"),
    [(1, "1 word"), (2, "2 words"), (3, "3 words"), (4, "4 words"), (5, "5 or more"), (7, "5 or more")],
)
def test_entity_length(length: int, name: str) -> None:
    tags = [["B-person", *["I-person"] * (length - 1)]]
    assert [row.name for row in slices_of([["x"] * length], tags, tags)["entity length"].rows] == [name]


@pytest.mark.parametrize(
    ("length", "name"),
    [
        (1, "1 to 10 words"),
        (10, "1 to 10 words"),
        (11, "11 to 20"),
        (20, "11 to 20"),
        (21, "21 to 40"),
        (40, "21 to 40"),
        (41, "41 to 80"),
        (80, "41 to 80"),
        (81, "81 or more"),
    ],
)
def test_sentence_length(length: int, name: str) -> None:
    tags = [[], ["B-person", *["O"] * (length - 1)]]
    found = slices_of([[], ["x"] * length], tags, tags)
    assert [row.name for row in found["sentence length"].rows] == [name]


@settings(max_examples=40)
@given(st.data())
def test_every_slicing_adds_up_to_the_lenient_score(data: st.DataObject) -> None:
    word = st.sampled_from(["Ada", "ada", "New", "York", "ESB", "7", "iPad"])
    sentences = data.draw(st.lists(st.lists(word, max_size=12), max_size=6))
    tag = st.sampled_from(LABELS.names)
    gold, predicted = ([[data.draw(tag) for _ in words] for words in sentences] for _ in range(2))
    offsets = offsets_of(map(len, sentences))
    ids = [LABELS.ids(chain.from_iterable(side)) for side in (gold, predicted)]
    micro = score_tags(*ids, offsets, LABELS).lenient.micro
    found = slices_of(sentences, gold, predicted)
    assert bool(found) == bool(micro.gold or micro.predicted)
    for part in found.values():
        assert sum((row.tally for row in part.rows), Tally()) == micro
        assert all(row.tally.gold or row.tally.predicted for row in part.rows)
        for row in part.rows:
            assert (row.f1_interval is None) == (row.tally.f1 in (0, 1))
            low, high = row.f1_interval or (0, 1)
            assert 0 <= low <= high <= 1


def test_intervals_hold_the_score_and_are_those_of_documents_where_they_are_marked() -> None:
    draw = np.random.default_rng(0)
    ids = draw.integers(0, len(LABELS), size=(2, 2000))
    ids[1] = np.where(draw.random(2000) < 0.7, ids[0], ids[1])
    offsets = np.arange(0, 2001, 10)
    sides = [LABELS.spans(side, offsets) for side in ids]
    correct = classify(*sides).of_predicted == 0
    words = ["x"] * 2000
    documents = [str(number // 50) for number in range(200)]

    def interval(**options) -> tuple[float, float]:
        found = slice_scores(words, offsets, *sides, correct, **options)
        row = next(part for part in found if part.name == "casing").rows[0]
        assert row.f1_interval[0] < row.tally.f1 < row.f1_interval[1]
        return row.f1_interval

    assert interval() == interval(seed=0) != interval(seed=1)
    assert interval(documents=documents) != interval()


def test_the_row_as_json() -> None:
    gold = [["B-person", "O"], ["O", "B-person"]]
    [row] = slices_of([["Ada", "left"], ["a", "B"]], gold, [gold[0], ["O", "O"]])["casing"].to_dict()["rows"]
    assert row == {
        "name": "Title",
        "precision": 1.0,
        "recall": 0.5,
        "f1": 2 / 3,
        "support": 2,
        "predicted": 1,
        "correct": 1,
        "f1_interval": [0.0, 1.0],
    }


def test_where_all_is_right_or_nothing_is_there_is_no_interval() -> None:
    found = slices_of([["Ada", "ESB"]], [["B-person", "B-person"]], [["B-person", "B-group"]])["casing"]
    assert [row["f1_interval"] for row in found.to_dict()["rows"]] == [None, None]
