"""Everything a report shows of a tagged split: figures by hand, mistakes in context, bounds."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest

import tagwright as tw
from tagwright.data.load import read_corpus
from tagwright.score.analysis import Analysis, analyse
from tagwright.score.examples import LONG_SENTENCE, MARGIN
from tagwright.score.mistakes import CLASSES
from tagwright.score.tagged import TaggedSplit, read_for, tag_split
from tagwright.tags import LabelMap, Scheme, offsets_of
from tests.models import tiny_bundle
from tests.train.toy import write_corpus

LABELS = LabelMap.from_types(["location", "person"], Scheme.IOB2)
Rows = list[tuple[str, str, str, float]]


def split_of(sentences: list[Rows], labels: LabelMap = LABELS, **fields: Any) -> TaggedSplit:
    """Make a tagged split of sentences of (word, gold, predicted, probability)."""
    flat = list(chain.from_iterable(sentences))
    return TaggedSplit(
        labels=labels,
        words=[row[0] for row in flat],
        gold_ids=labels.ids(row[1] for row in flat),
        pred_ids=labels.ids(row[2] for row in flat),
        offsets=offsets_of(map(len, sentences)),
        probabilities=np.array([row[3] for row in flat], dtype=np.float32),
        sentence_ids=[f"s{number}" for number in range(len(sentences))],
        source="toy",
        **fields,
    )


SENTENCES: list[Rows] = [
    [
        ("Jeff", "B-person", "B-person", 0.5),
        ("Bezos", "I-person", "O", 0.9),
        ("left", "O", "O", 0.9),
        ("Rome", "B-location", "B-person", 0.75),
    ],
    [("it", "O", "O", 1.0), ("rained", "O", "O", 1.0)],
    [
        ("Rome", "B-location", "B-person", 0.25),
        ("and", "O", "B-location", 0.5),
        ("ESB", "B-location", "O", 0.5),
    ],
    [("Rome", "B-location", "B-location", 0.5)],
]


def span(label: str, start: int, end: int, score: float | None = None) -> dict[str, Any]:
    found = {"label": label, "word_start": start, "word_end": end}
    return found if score is None else {**found, "score": score}


def wrong_type(score: float, **places: Any) -> dict[str, Any]:
    return {
        "class": "wrong type",
        "form": "Rome",
        "predicted_form": "Rome",
        "gold_type": "location",
        "predicted_type": "person",
        "score": score,
        **places,
    }


def test_by_hand() -> None:
    found = analyse(split_of(SENTENCES)).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["data"], found["split"], found["sentences"], found["words"]) == ("toy", "test", 4, 10)
    assert (found["notices"], found["examples_left_out"]) == ([], 0)
    assert {row["name"]: row["per_type"] for row in found["errors"]["classes"] if row["count"]} == {
        "correct": {"location": 1},
        "wrong type": {"location": 2},
        "too short": {"person": 1},
        "missed": {"location": 1},
        "spurious": {"location": 1},
    }
    assert found["confusion"] == {
        "gold": ["location", "person", "(nothing)"],
        "predicted": ["location", "person", "(nothing)"],
        "counts": [[1, 2, 1], [0, 1, 0], [1, 0, 0]],
    }
    assert [part["name"] for part in found["slices"]] == ["entity length", "sentence length", "casing"]
    assert found["frequent"] == [
        {"form": "Rome", "gold": "location", "predicted": "person", "class": "wrong type", "count": 2},
        {"form": "ESB", "gold": "location", "predicted": None, "class": "missed", "count": 1},
        {"form": "Jeff Bezos", "gold": "person", "predicted": "person", "class": "too short", "count": 1},
        {"form": "and", "gold": None, "predicted": "location", "class": "spurious", "count": 1},
    ]
    first, second = found["examples"]
    assert first == {
        "id": "s0",
        "document": None,
        "first_word": 0,
        "sentence_words": 4,
        "words": ["Jeff", "Bezos", "left", "Rome"],
        "gold": [span("person", 0, 2), span("location", 3, 4)],
        "predicted": [span("person", 0, 1, 0.5), span("person", 3, 4, 0.75)],
        "errors": [
            {
                "class": "too short",
                "gold": 0,
                "predicted": 0,
                "golds": [0],
                "predictions": [0],
                "form": "Jeff Bezos",
                "predicted_form": "Jeff",
                "gold_type": "person",
                "predicted_type": "person",
                "score": 0.5,
            },
            wrong_type(0.75, gold=1, predicted=1, golds=[1], predictions=[1]),
        ],
    }
    assert second["id"] == "s2"
    assert second["errors"][0] == wrong_type(0.25, gold=0, predicted=0, golds=[0], predictions=[0])
    assert [error["class"] for error in second["errors"]] == ["wrong type", "spurious", "missed"]
    missed = second["errors"][2]
    assert (missed["gold"], missed["predicted"], missed["predictions"], missed["score"]) == (
        1,
        None,
        [],
        None,
    )

    assert [example["errors"][0]["score"] for example in found["confident"]] == [0.75, 0.5, 0.5, 0.25]
    assert found["confident"][0] == {**first, "errors": first["errors"][1:]}
    assert found["calibration"]["entities"] == 5
    assert found["scores"]["lenient"]["support"] == 5


def test_a_split_entity_names_all_its_parts() -> None:
    tags = ["B-person", "I-person", "I-person"], ["B-person", "B-location", "B-person"]
    rows = [("Ada", "O", "B-person", 0.5), *zip("abc", *tags, (0.5, 0.75, 0.25), strict=True)]
    [example] = analyse(split_of([rows])).to_dict()["examples"][:1]
    spurious, split = example["errors"]
    assert (spurious["class"], split["class"]) == ("spurious", "split")
    assert (split["golds"], split["predictions"]) == ([0], [1, 2, 3])
    assert (split["gold"], split["predicted"], split["score"]) == (0, 1, 0.75)
    assert (split["form"], split["predicted_form"]) == ("a b c", "a b c")


def test_merged_entities_are_named_from_the_first_to_the_last() -> None:
    tags = ["B-person", "O", "B-person"], ["B-person", "I-person", "I-person"]
    [example] = analyse(split_of([list(zip("a&b", *tags, (0.5,) * 3, strict=True))])).to_dict()["examples"]
    [merged] = example["errors"]
    assert (merged["class"], merged["form"], merged["golds"], merged["predictions"]) == (
        "merged",
        "a & b",
        [0, 1],
        [0],
    )


def test_documents_are_named() -> None:
    tagged = split_of(SENTENCES, documents=["one", "one", "two", "two"])
    assert [example["document"] for example in analyse(tagged).to_dict()["examples"]] == ["one", "two"]


def missed(count: int, label: str = "person") -> list[Rows]:
    return [[(f"w{number}", f"B-{label}", "O", 0.5)] for number in range(count)]


def test_examples_are_bounded_and_spread_and_it_is_said() -> None:
    found = analyse(split_of(missed(101)), limit=11).to_dict()
    assert [example["id"] for example in found["examples"]] == [f"s{number}" for number in range(0, 101, 10)]
    assert found["examples_left_out"] == 90
    assert found["notices"] == [
        "90 of 101 examples with mistakes are left out; those kept are spread evenly over the data"
    ]
    assert found["errors"]["classes"][-2]["count"] == 101
    assert len(found["frequent"]) == 20
    assert found["confident"] == []


def test_confident_mistakes_are_bounded_and_ranked() -> None:
    scores = [(number * 7 % 64) / 64 for number in range(64)]
    rows = [[(f"w{number}", "O", "B-person", score)] for number, score in enumerate(scores)]
    found = [example["errors"][0]["score"] for example in analyse(split_of(rows)).to_dict()["confident"]]
    assert found == sorted(scores, reverse=True)[:20]


def test_a_long_sentence_is_shown_in_passages() -> None:
    rows: Rows = [(f"w{number}", "O", "O", 0.5) for number in range(1000)]

    def put(place: int, gold: str, predicted: str, length: int = 1) -> None:
        for number in range(length):
            role = "I" if number else "B"
            tags = [f"{role}-{tag}" if tag != "O" else "O" for tag in (gold, predicted)]
            rows[place + number] = (f"w{place + number}", tags[0], tags[1], 0.5)

    put(3, "person", "O")
    put(500, "person", "location")
    put(500 + 2 * MARGIN, "O", "person")
    put(500 - MARGIN - 4, "person", "person", 8)  # both sides agree; the border would cut it
    put(900, "person", "O")
    examples = analyse(split_of([missed(1)[0], rows])).to_dict()["examples"]
    assert [example["id"] for example in examples] == ["s0", "s1", "s1", "s1"]
    assert [example["first_word"] for example in examples] == [0, 0, 500 - MARGIN - 4, 900 - MARGIN]
    assert {example["sentence_words"] for example in examples[1:]} == {1000}
    assert [len(example["words"]) for example in examples[1:]] == [
        4 + MARGIN,
        4 * MARGIN - MARGIN + 5 + MARGIN,
        61,
    ]
    middle = examples[2]
    assert middle["words"][0] == f"w{500 - MARGIN - 4}"
    assert middle["gold"] == [span("person", 0, 8), span("person", MARGIN + 4, MARGIN + 5)]
    assert [error["class"] for error in middle["errors"]] == ["wrong type", "spurious"]
    assert [error["gold"] for error in middle["errors"]] == [1, None]
    for example in examples:
        check_places(example)


def test_a_sentence_that_is_just_not_long_is_shown_whole() -> None:
    rows = missed(1)[0] + [("x", "O", "O", 0.5)] * (LONG_SENTENCE - 1)
    [example] = analyse(split_of([rows])).to_dict()["examples"]
    assert len(example["words"]) == LONG_SENTENCE


def check_places(example: dict[str, Any]) -> None:
    """Whatever an example points at is in it, and is what the error says."""
    for error in example["errors"]:
        for side, all_of_side, form in (
            ("gold", "golds", "form"),
            ("predicted", "predictions", "predicted_form"),
        ):
            assert (error[side] is None) == (not error[all_of_side])
            if error[side] is None:
                continue
            assert error[side] in error[all_of_side]
            found = [example[side][place] for place in error[all_of_side]]
            words = example["words"][found[0]["word_start"] : found[-1]["word_end"]]
            assert " ".join(words) == error[form]
            assert example[side][error[side]]["label"] == error[f"{side}_type"]
    for side in ("gold", "predicted"):
        assert all(0 <= row["word_start"] < row["word_end"] <= len(example["words"]) for row in example[side])


def random_split(scheme: Scheme, seed: int, lengths: list[int]) -> TaggedSplit:
    draw = np.random.default_rng(seed)
    labels = LabelMap.from_types(["a", "b", "c"], scheme)
    size = sum(lengths)
    gold = draw.integers(0, len(labels), size)
    other = draw.integers(0, len(labels), size)
    return TaggedSplit(
        labels=labels,
        words=[f"w{number % 17}" for number in range(size)],
        gold_ids=gold,
        pred_ids=np.where(draw.random(size) < 0.8, gold, other),
        offsets=offsets_of(lengths),
        probabilities=draw.random(size).astype(np.float32),
        sentence_ids=[str(number) for number in range(len(lengths))],
    )


@pytest.mark.parametrize("scheme", [Scheme.IOB2, Scheme.BILOU, Scheme.IO, Scheme.WORD])
def test_examples_hold_every_mistake_once(scheme: Scheme) -> None:
    found = analyse(random_split(scheme, 1, [0, 5, 300, 1, 40, 700, 0])).to_dict()
    counts = dict.fromkeys((name for name, _ in CLASSES), 0)
    for example in found["examples"]:
        check_places(example)
        for error in example["errors"]:
            counts[error["class"]] += 1
    for example in found["confident"]:
        check_places(example)
    for row in found["errors"]["classes"][1:]:
        assert counts[row["name"]] == row["count"]
    lenient, classes = found["scores"]["lenient"], found["errors"]["classes"]
    assert sum(row["gold"] for row in classes) == lenient["support"]
    assert classes[0]["count"] == round(lenient["recall"] * lenient["support"])


def test_one_label_a_word() -> None:
    found = analyse(random_split(Scheme.WORD, 2, [10, 20])).to_dict()
    assert {row["name"] for row in found["errors"]["classes"] if row["count"]} == {"correct", "wrong type"}
    assert [row["name"] for row in found["slices"][0]["rows"]] == ["1 word"]
    assert sum(map(sum, found["confusion"]["counts"])) == 30
    assert sum(found["confusion"]["counts"][-1]) == 0


@pytest.mark.parametrize("sentences", [[], [[]], [[("a", "O", "O", 1.0)]]])
def test_nothing_to_find(sentences: list[Rows]) -> None:
    found = analyse(split_of(sentences)).to_dict()
    assert (found["examples"], found["confident"], found["frequent"], found["slices"]) == ([], [], [], [])
    assert found["confusion"]["counts"] == [[0]]


def test_a_bundle_on_a_corpus(tmp_path) -> None:
    labels = ["O", "B-location", "I-location", "B-person", "I-person"]
    tagger = tw.Tagger.load(tiny_bundle(tmp_path / "run", labels=labels), precision="fp32")
    corpus = read_for(tagger, write_corpus(tmp_path / "data"))
    tagged = tag_split(tagger, corpus)
    analysis = analyse(tagged, corpus)
    assert isinstance(analysis, Analysis)
    found = analysis.to_dict()
    assert found["scores"]["lenient"] == tw.evaluate(tagger, corpus).to_dict()["lenient"]
    assert found["slices"][0]["name"] == "seen in train"
    assert sum(row["support"] for row in found["slices"][0]["rows"]) == found["scores"]["lenient"]["support"]
    assert {"bins", "curve", "ece"} <= set(found["calibration"])
    again = analyse(replace(tagged), read_corpus(tmp_path / "data")).to_dict()
    assert again == found
