"""Planted errors come first, right labels are not found, and what cannot be judged is said."""

from __future__ import annotations

import random
import warnings
from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.errors import InputError
from tagwright.inspect.label_errors import KINDS, likely_label_errors
from tagwright.tags import LabelMap, Scheme, convert_tags

LABELS = LabelMap.from_types(["location", "person"], Scheme.IOB2)

RIGHT = [
    "Ada/B-person Lovelace/I-person met/O Babbage/B-person",
    "in/O New/B-location York/I-location City/I-location",
    "nothing/O to/O see/O here/O",
    "Oslo/B-location and/O Ada/B-person left/O",
]


def parse(lines):
    cells = [[cell.rsplit("/", 1) for cell in line.split()] for line in lines]
    return [[word for word, _ in row] for row in cells], [[tag for _, tag in row] for row in cells]


def corpus_of(lines, scheme=Scheme.IOB2) -> Corpus:
    from datasets import Dataset, DatasetDict

    words, tags = parse(lines)
    tags = convert_tags(tags, Scheme.IOB2, scheme) if scheme is not Scheme.IOB2 else tags
    names = [f"s{number}" for number in range(len(words))]
    data = Dataset.from_dict({"id": names, "tokens": words, "tags": tags})
    return read_corpus(DatasetDict({"train": data}))


def sure_of(lines, sure=0.9, labels=LABELS):
    """What a tagger says that reads these tags, each with a probability of `sure`."""
    ids = labels.ids(chain.from_iterable(parse(lines)[1]))
    found = np.full((len(ids), len(labels)), (1 - sure) / (len(labels) - 1), dtype=np.float32)
    found[np.arange(len(ids)), ids] = sure
    return found


def change(place, line):
    return [*RIGHT[:place], line, *RIGHT[place + 1 :]]


@pytest.mark.parametrize(
    ("lines", "kind", "gold", "predicted", "suggestion"),
    [
        (
            change(0, "Ada/B-person Lovelace/I-person met/O Babbage/B-location"),
            "type", ("location", 3, 4), ("person", 3, 4), "label “Babbage” person, not location",
        ),
        (
            change(3, "Oslo/B-location and/O Ada/O left/O"),
            "missing", None, ("person", 2, 3), "label “Ada” person",
        ),
        (
            change(0, "Ada/B-person Lovelace/O met/O Babbage/B-person"),
            "border", ("person", 0, 1), ("person", 0, 2), "label “Ada Lovelace” person, not “Ada”",
        ),
        (
            change(1, "in/B-location New/I-location York/I-location City/I-location"),
            "border", ("location", 0, 4), ("location", 1, 4), "label “New York City” location, not “in New York City”",
        ),
        (
            change(2, "nothing/O to/O see/B-person here/O"),
            "spurious", ("person", 2, 3), None, "take the label person off “see”",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sure", [0.6, 0.9, 1.0])
def test_a_planted_error_comes_first(lines, kind, gold, predicted, suggestion, sure):
    found = likely_label_errors(corpus_of(lines), "train", sure_of(RIGHT, sure), LABELS)
    assert found.found == len(found.items) == 1
    assert found.kinds == dict.fromkeys(KINDS, 0) | {kind: 1}
    [item] = found.items
    assert (item.rank, item.kind, item.suggestion) == (1, kind, suggestion)
    assert 0 <= item.score < 0.5
    assert item.probability == pytest.approx(sure + (1 - sure) / 4 * (predicted is not None), abs=1e-6)
    for span, expected in ((item.gold, gold), (item.predicted, predicted)):
        assert (span and (span.label, span.start, span.end)) == expected


def test_right_labels_are_not_found():
    for sure in (0.5, 1.0):
        found = likely_label_errors(corpus_of(RIGHT), "train", sure_of(RIGHT, sure), LABELS)
        assert (found.entities, found.candidates, found.found, found.words) == (5, 5, 0, 0)
        assert found.items == found.notices == ()


def test_the_surest_disagreement_comes_first_and_top_cuts_the_list():
    lines = change(0, "Ada/B-location Lovelace/I-location met/O Babbage/B-location")
    lines[3] = "Oslo/O and/O Ada/B-person left/O"
    said = sure_of(RIGHT, 0.8)
    said[3] = sure_of(RIGHT, 0.99)[3]  # Babbage is a person
    found = likely_label_errors(corpus_of(lines), "train", said, LABELS, top=2)
    assert (found.found, len(found.items)) == (3, 2)
    assert found.items[0].context == "Ada Lovelace met ⟨Babbage⟩"
    assert [item.rank for item in found.items] == [1, 2]
    assert found.items[0].score <= found.items[1].score


def test_an_entity_that_is_not_known_ranks_below_a_name_without_a_label():
    """The tagger is as sure of one as of the other; taggers miss entities more often than annotators invent them."""
    lines = [*RIGHT, *["words/O without/O any/O label/O at/O all/O"] * 10]
    gold = [*lines, "see/B-person here/O", "Ada/O met/O"]
    said = sure_of([*lines, "see/O here/O", "Ada/B-person met/O"], 0.9)
    found = likely_label_errors(corpus_of(gold), "train", said, LABELS)
    assert [item.kind for item in found.items] == ["missing", "spurious"]


def test_a_finding_names_its_place(tmp_path):
    rows = ("\n".join(cell.replace("/", "\t") for cell in line.split()) for line in RIGHT)
    file = tmp_path / "train.conll"
    file.write_text("\n\n".join(rows) + "\n")
    said = sure_of(change(3, "Oslo/B-location and/O Ada/B-location left/O"))
    found = likely_label_errors(read_corpus(file), "train", said, LABELS).to_dict()
    [item] = found["items"]
    assert item["where"] == f"{file}:18"
    assert item["sentence"] == "3"
    assert (item["start"], item["end"]) == (2, 3)
    assert item["gold"] == {"label": "person", "start": 2, "end": 3, "text": "Ada", "probability": None}
    assert item["predicted"]["label"] == "location"


def test_two_readings_of_a_border_are_one_finding():
    lines = change(2, "nothing/O to/B-person see/I-person here/O")
    said = sure_of(change(2, "nothing/B-person to/I-person see/O here/O"))
    [item] = likely_label_errors(corpus_of(lines), "train", said, LABELS).items
    assert item.kind == "border"
    assert item.context == "⟨nothing to see⟩ here"
    assert item.suggestion == "label “nothing to” person, not “to see”"


def test_stretches_end_with_the_sentence_and_the_type():
    lines = ["a/O b/O", "c/O d/O e/O"]
    said = sure_of(["a/O b/B-person", "c/B-person d/B-location e/I-location"])
    found = likely_label_errors(corpus_of([*lines, *RIGHT]), "train", [*said, *sure_of(RIGHT)], LABELS)
    assert {item.context for item in found.items} == {"a ⟨b⟩", "⟨c⟩ d e", "c ⟨d e⟩"}


@pytest.mark.parametrize("scheme", [Scheme.BIOES, Scheme.IOB1])
def test_data_and_tagger_may_follow_different_schemes(scheme):
    lines = change(0, "Ada/B-person Lovelace/I-person met/O Babbage/B-location")
    plain = likely_label_errors(corpus_of(lines), "train", sure_of(RIGHT), LABELS)
    other = likely_label_errors(corpus_of(lines, scheme), "train", sure_of(RIGHT), LABELS)
    assert other.to_dict() == plain.to_dict()


def test_one_label_a_word():
    labels = LabelMap(["DET", "NOUN", "VERB"], Scheme.WORD)
    lines = ["a/DET cat/NOUN sleeps/VERB", "the/DET dog/NOUN runs/NOUN"]
    said = sure_of([lines[0], "the/DET dog/NOUN runs/VERB"], 0.9, labels)
    [item] = likely_label_errors(corpus_of(lines, Scheme.IOB2), "train", said, labels).items
    assert item.suggestion == "label “runs” VERB, not NOUN"


def test_types_that_the_tagger_lacks_are_not_judged():
    lines = [*RIGHT, "the/O Beatles/B-group sang/O"]
    said = np.concatenate((sure_of(RIGHT), sure_of(["the/O Beatles/B-person sang/B-person"])))
    found = likely_label_errors(corpus_of(lines), "train", said, LABELS)
    assert found.found == 0
    assert found.notices == ("the tagger does not know group: its 1 entity is not judged",)


def test_types_that_the_data_lacks_can_be_missing():
    labels = LabelMap.from_types(["group", "location", "person"], Scheme.IOB2)
    said = sure_of(change(2, "nothing/O to/O see/B-group here/O"), 0.9, labels)
    [item] = likely_label_errors(corpus_of(RIGHT), "train", said, labels).items
    assert (item.kind, item.suggestion) == ("missing", "label “see” group")


def test_words_that_were_not_seen_are_not_judged():
    lines = change(0, "Ada/B-person Lovelace/I-person met/O Babbage/B-location")
    said = sure_of(RIGHT)
    said[3] = np.nan
    found = likely_label_errors(corpus_of(lines), "train", said, LABELS)
    assert (found.found, found.entities) == (0, 4)
    assert found.notices == ("1 word the tagger did not see: not judged",)
    said[:] = np.nan
    assert likely_label_errors(corpus_of(lines), "train", said, LABELS).candidates == 0


def test_a_split_without_entities_may_lack_some():
    found = likely_label_errors(
        corpus_of(["nothing/O here/O"]), "train", sure_of(["nothing/O here/B-person"]), LABELS
    )
    assert found.notices == ("train holds no entity: only missing labels can be found",)
    assert [item.suggestion for item in found.items] == ["label “here” person"]
    quiet = likely_label_errors(corpus_of(["one/O"]), "train", sure_of(["one/O"]), LABELS)
    assert (quiet.candidates, quiet.items) == (0, ())


def test_a_tagger_that_knows_too_little_is_not_trusted_in_silence():
    lines = RIGHT * 5
    blind = sure_of([" ".join(f"{cell.split('/')[0]}/O" for cell in line.split()) for line in lines])
    [notice] = likely_label_errors(corpus_of(lines), "train", blind, LABELS).notices
    assert notice.startswith("the tagger reads only 0 of 25 entities as the data has them")
    assert likely_label_errors(corpus_of(lines), "train", sure_of(lines), LABELS).notices == ()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (sure_of(RIGHT)[:-1], "shape \\(15, 5\\) for 16 words and 5 labels"),
        (sure_of(RIGHT)[:, :4], "shape \\(16, 4\\)"),
        (np.log(sure_of(RIGHT)), "these are no probabilities"),
        (2 * sure_of(RIGHT), "these are no probabilities"),
    ],
)
def test_what_does_not_fit_is_refused(said, message):
    with pytest.raises(InputError, match=message):
        likely_label_errors(corpus_of(RIGHT), "train", said, LABELS)


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no test split"):
        likely_label_errors(corpus_of(RIGHT), "test", sure_of(RIGHT), LABELS)


def test_nothing_of_cleanlab_is_heard(capfd):
    lines = change(0, "Ada/B-person Lovelace/I-person met/O Babbage/B-location")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        likely_label_errors(corpus_of(lines), "train", sure_of(RIGHT), LABELS)
    assert heard == []
    assert capfd.readouterr() == ("", "")


TAGS = st.sampled_from(["O", "O", "B-person", "I-person", "B-location", "I-location"])
SENTENCES = st.lists(st.lists(TAGS, min_size=1, max_size=6), min_size=1, max_size=8)


@settings(max_examples=25)
@given(tags=SENTENCES, seed=st.integers(0, 99))
def test_scores_are_shares_and_the_order_of_sentences_does_not_matter(tags, seed):
    lines = [" ".join(f"w{s}.{w}/{tag}" for w, tag in enumerate(row)) for s, row in enumerate(tags)]
    said = np.random.default_rng(seed).dirichlet(np.full(len(LABELS), 0.3), sum(map(len, tags)))
    found = likely_label_errors(corpus_of(lines), "train", said, LABELS, top=None)
    assert [item.score for item in found.items] == sorted(item.score for item in found.items)
    assert all(0 <= item.score <= 1 and 0 <= item.probability <= 1 for item in found.items)
    assert sum(found.kinds.values()) == found.found <= found.candidates
    words = sum(item.end - item.start for item in found.items)
    assert (
        len({(item.context, word) for item in found.items for word in range(item.start, item.end)}) == words
    )

    order = random.Random(seed).sample(range(len(lines)), len(lines))
    rows = list(pairwise(np.cumsum([0, *map(len, tags)]).tolist()))
    moved = np.concatenate([said[slice(*rows[place])] for place in order])
    other = likely_label_errors(
        corpus_of([lines[place] for place in order]), "train", moved, LABELS, top=None
    )
    scores = {item.context: item.score for item in found.items}
    assert {item.context: item.score for item in other.items} == pytest.approx(scores)
