"""A bundle's scores on any labelled split."""

from __future__ import annotations

import json
from itertools import chain

import pytest

import tagwright as tw
from tagwright.config import DataSettings
from tagwright.errors import InputError
from tagwright.tags import Scheme, convert_tags
from tests.models import tiny_bundle
from tests.train.toy import conll, sentences

LABELS = ["O", "B-location", "I-location", "B-person", "I-person"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "run", labels=LABELS)


@pytest.fixture
def write(tmp_path):
    def write_file(found, name: str = "test.conll"):
        file = tmp_path / name
        file.write_text(conll(found))
        return file

    return write_file


def gold(count: int = 30) -> list[list[tuple[str, str]]]:
    return sentences(count, 5)


def recode(found, scheme: Scheme):
    tags = convert_tags([[tag for _, tag in words] for words in found], Scheme.IOB2, scheme)
    return [
        [(word, tag) for (word, _), tag in zip(words, row, strict=True)]
        for words, row in zip(found, tags, strict=True)
    ]


def test_it_scores_what_the_tagger_says(bundle, write):
    file = write(gold())
    tagger = tw.Tagger.load(bundle, precision="fp32")
    said = [tagger.tag([word for word, _ in words]) for words in gold()]
    expected = tw.score([[tag for _, tag in words] for words in gold()], said)
    scores = tw.evaluate(bundle, file, precision="fp32")
    assert scores.to_dict()["lenient"] == expected.to_dict()["lenient"]
    assert scores.to_dict()["accuracy"] == expected.to_dict()["accuracy"]
    assert (scores.to_dict()["sentences"], scores.to_dict()["lost_words"]) == (30, 0)
    assert tw.evaluate(tagger, file).to_dict() == scores.to_dict()


@pytest.mark.parametrize("scheme", [Scheme.BIOES, Scheme.BILOU, Scheme.IOB1])
def test_data_in_another_scheme_is_converted(bundle, write, scheme):
    plain = tw.evaluate(bundle, write(gold()), precision="fp32")
    other = tw.evaluate(
        bundle,
        write(recode(gold(), scheme), "other.test.conll"),
        precision="fp32",
        settings=DataSettings(scheme=scheme.value),
    )
    assert other.to_dict() == plain.to_dict()


def test_one_label_a_word_is_another_task(bundle, write):
    found = [[(word, "VERB" if tag == "O" else "NOUN") for word, tag in words] for words in gold()]
    with pytest.raises(InputError, match="the data is tagged in the scheme word, the tagger in iob2"):
        tw.evaluate(bundle, write(found))


def test_labels_that_the_tagger_lacks_count_as_missed(bundle, write):
    found = [*gold(), [("storm", "B-event"), ("here", "I-event")], [("bad", "B-event")]]
    scores = tw.evaluate(bundle, write(found), precision="fp32")
    row = scores.to_dict()["lenient"]["per_type"]["event"]
    assert (row["support"], row["recall"]) == (2, 0)
    assert (
        scores.to_dict()["lenient"]["support"]
        == tw.evaluate(bundle, write(gold())).to_dict()["lenient"]["support"] + 2
    )
    assert any("the tagger does not know B-event, I-event" in notice for notice in scores.notices)


def test_a_split_without_entities_scores_zero_and_says_so(bundle, write):
    scores = tw.evaluate(bundle, write([[("bad", "O"), ("storm", "O")]] * 3))
    assert (scores.to_dict()["lenient"]["support"], scores.to_dict()["lenient"]["recall"]) == (0, 0)
    assert any("the test split holds no entity" in notice for notice in scores.notices)


def test_the_split_is_named(bundle, write):
    file = write(gold(), "dev.conll")
    assert tw.evaluate(bundle, file, split="validation").to_dict()["sentences"] == 30
    with pytest.raises(InputError, match="the data has no test split, only validation"):
        tw.evaluate(bundle, file)


def test_lost_words_are_counted_and_told(tmp_path, write):
    bundle = tiny_bundle(tmp_path / "run", labels=LABELS, positions=16, overlap=4, on_overflow="truncate")
    scores = tw.evaluate(bundle, write([list(chain.from_iterable(gold(6)))]))
    lost = scores.to_dict()["lost_words"]
    assert 0 < lost < scores.to_dict()["words"]
    assert f"{lost} words lie beyond the window and are lost (on_overflow=truncate)" in scores.notices


def test_running_text_is_split_as_the_bundle_says(tmp_path):
    bundle = tiny_bundle(tmp_path / "run", labels=LABELS, splitter="regex:[^ .]+")
    file = tmp_path / "test.jsonl"
    row = {"text": "Jeff Bezos.New York", "spans": [[0, 10, "person"], [11, 19, "location"]]}
    file.write_text(json.dumps(row) + "\n")
    scores = tw.evaluate(bundle, file)
    assert (scores.to_dict()["words"], scores.to_dict()["lenient"]["support"]) == (5, 2)  # the stop is a word
