"""What `Tagger` promises: every word a tag, true offsets, the same answer each time."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.predict import chunks
from tagwright.predict import tagger as module
from tagwright.predict.tagger import Tagger
from tagwright.records import Entity, Sentence
from tagwright.tags import spans_of
from tests.models import LABELS, TEXT, tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

HEBREW = "שָׁלוֹם עוֹלָם"
ODD = [
    "",
    " \t\u00a0",
    "😀",
    "👩‍👩‍👧\ufe0f🏽",
    "a\0b \x00",
    HEBREW,
    "\u202eabc\u202c",
    "e\u0301 ﬁ",
    "\r\n\u2028x",
    "\ud800",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("tagger") / "run")


@pytest.fixture(scope="module")
def tagger(bundle):
    return Tagger.load(bundle, precision="fp32", device="cpu")


def check(tagger, text, prediction):
    """The promises about one text."""
    assert "".join(prediction.words) == "".join(text.split())
    assert len(prediction.tags) == len(prediction.scores) == len(prediction.words)
    assert prediction.lost_words == 0
    for word, start, end in zip(prediction.words, prediction.starts, prediction.ends, strict=True):
        assert text[start:end] == word
    for entity in prediction.entities:
        assert text[entity.start : entity.end] == entity.text
        assert entity.start == prediction.starts[entity.word_start]
        assert entity.end == prediction.ends[entity.word_end - 1]
        assert 0 <= entity.score <= 1
        scores = prediction.scores[entity.word_start : entity.word_end]
        assert entity.score == pytest.approx(sum(scores) / len(scores))
    found = [(entity.label, entity.word_start, entity.word_end) for entity in prediction.entities]
    assert found == spans_of(prediction.tags, tagger.labels.scheme)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_every_word_gets_a_tag_and_offsets_are_true(tagger, texts):
    predictions = tagger.predict(texts)
    assert len(predictions) == len(texts)
    for text, prediction in zip(texts, predictions, strict=True):
        check(tagger, text, prediction)


@pytest.mark.parametrize("text", ODD)
def test_odd_text(tagger, text):
    [prediction] = tagger.predict([text])
    check(tagger, text, prediction)
    assert tagger(text) == prediction.entities


def test_one_text_and_several(tagger):
    entities = tagger(TEXT)
    assert entities
    assert all(isinstance(entity, Entity) for entity in entities)
    assert tagger([TEXT]) == [entities]
    assert tagger([]) == []
    assert tagger([TEXT, "", TEXT])[1] == []
    assert [entity.label for entity in tagger(iter([TEXT, "x"]))[0]] == [entity.label for entity in entities]


def test_words_that_are_given(tagger):
    words = ["Jeff", "Bezos", "New York", "", "\u00a0", "."]
    tags = tagger.tag(words)
    assert len(tags) == len(words)
    assert set(tags) <= set(LABELS)
    [prediction] = tagger.predict_words([words])
    assert prediction.tags == tags
    text = " ".join(words)
    assert [text[start:end] for start, end in zip(prediction.starts, prediction.ends, strict=True)] == words
    for entity in prediction.entities:
        assert text[entity.start : entity.end] == entity.text
    assert tagger.tag([]) == []
    assert tagger.predict_words([]) == []
    assert len(tagger.predict_words([[], ["a"]])[1].tags) == 1


def test_words_of_a_text(tagger):
    text = "Jeff  Bezos"
    [prediction] = tagger.predict_sentences([Sentence("1", ["Jeff", "Bezos"], None, text, [0, 6], [4, 11])])
    assert (prediction.starts, prediction.ends) == ([0, 6], [4, 11])
    assert all(text[entity.start : entity.end] == entity.text for entity in prediction.entities)


@pytest.mark.parametrize("splitter", ["nonesuch", "regex:("])
def test_a_splitter_that_is_unknown_is_refused_at_once(tmp_path, splitter):
    with pytest.raises(InputError, match=r"splitter.*; its tagwright\.json is damaged"):
        Tagger.load(tiny_bundle(tmp_path / "run", splitter=splitter))


def test_probabilities(tagger):
    rows = tagger.probabilities(TEXT.split())
    assert len(rows) == len(TEXT.split())
    for row in rows:
        assert list(row) == LABELS
        assert sum(row.values()) == pytest.approx(1, abs=1e-5)
    [prediction] = tagger.predict_words([TEXT.split()])
    assert prediction.scores == [row[tag] for row, tag in zip(rows, prediction.tags, strict=True)]


def test_the_same_texts_twice_give_the_same(bundle, tagger):
    texts = [TEXT[start:] for start in range(60)]
    first = tagger.predict(texts)
    assert first == tagger.predict(texts)
    assert first == Tagger.load(bundle, precision="fp32", device="cpu").predict(texts)


def test_neighbours_change_no_tag(tagger):
    texts = [TEXT[start:] for start in range(60)]
    together = tagger.predict(texts)
    for text, prediction in zip(texts, together, strict=True):
        [alone] = tagger.predict([text])
        assert alone.tags == prediction.tags
        assert alone.scores == pytest.approx(prediction.scores, abs=1e-4)


def test_chunks_are_cut_by_content(tagger, monkeypatch):
    texts = [TEXT[start:] for start in range(30)]
    sizes = []
    encode = module.encode_words
    monkeypatch.setattr(chunks, "CHUNK_TEXTS", 8)
    monkeypatch.setattr(chunks, "CHUNK_CHARACTERS", 500)
    monkeypatch.setattr(
        module,
        "encode_words",
        lambda table, rows, **rest: sizes.append(len(rows)) or encode(table, rows, **rest),
    )
    assert len(tagger.predict([*texts, *["x"] * 20])) == 50
    assert max(sizes) == 8
    assert sum(sizes) == 50
    assert sizes[0] == 4  # long texts end a chunk early


def test_streaming_reads_no_further_than_it_must(tagger, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_TEXTS", 2)
    taken = []
    stream = tagger.stream(taken.append(text) or text for text in ["a", "b", "c", "d"])
    assert next(stream).words == ["a"]
    assert taken == ["a", "b"]


def test_text_longer_than_a_window(tagger):
    text = " ".join([TEXT] * 40)
    [prediction] = tagger.predict([text])
    check(tagger, text, prediction)
    assert len(prediction.words) > 1500


def test_text_that_is_cut_or_refused(tmp_path):
    cutting = Tagger.load(tiny_bundle(tmp_path / "a", on_overflow="truncate"), device="cpu")
    [prediction, other] = cutting.predict(["the " * 100, "the"])
    assert (prediction.lost_words, other.lost_words) == (38, 0)
    assert prediction.tags[62:] == ["O"] * 38
    assert len(prediction.words) == 100
    refusing = Tagger.load(tiny_bundle(tmp_path / "b", on_overflow="error"), device="cpu")
    with pytest.raises(InputError, match=r"\b2\b"):
        refusing.predict(["the", "the " * 100])


def test_a_call_decides_otherwise(tagger):
    sentence = tagger.split("the " * 100)
    assert tagger.compute(tagger.prepare([sentence])).lost_words == 0
    assert tagger.compute(tagger.prepare([sentence], on_overflow="truncate")).lost_words == 38
    with pytest.raises(InputError, match="102 pieces are more than a window of 64 holds"):
        tagger.prepare([sentence], on_overflow="error")


def test_the_bundle_decides(tmp_path):
    bundle = tiny_bundle(tmp_path / "run", splitter="whitespace", valid_tags=False)
    tagger = Tagger.load(bundle, device="cpu")
    assert tagger.predict(["don't go!"])[0].words == ["don't", "go!"]
    tags = tagger.tag(TEXT.split())
    rows = tagger.probabilities(TEXT.split())
    assert tags == [max(row, key=row.__getitem__) for row in rows]


@pytest.mark.parametrize("scheme", ["io", "bioes", "word"])
def test_other_schemes(tmp_path, scheme):
    labels = {"io": ["O", "I-x"], "bioes": ["O", "B-x", "I-x", "E-x", "S-x"], "word": ["NOUN", "VERB", "O"]}
    bundle = tiny_bundle(tmp_path / "run", labels=labels[scheme], scheme=scheme)
    tagger = Tagger.load(bundle, device="cpu")
    [prediction] = tagger.predict([TEXT])
    check(tagger, TEXT, prediction)


def test_a_plain_folder(tmp_path, caplog):
    tiny_model().save_pretrained(tmp_path)
    build_tokenizer("distilbert").save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING):
        tagger = Tagger.load(tmp_path, device="cpu")
    assert "has no tagwright.json: took the scheme iob2" in caplog.text
    check(tagger, TEXT, tagger.predict([TEXT])[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda tagger: tagger.tag("Jeff Bezos"),
        lambda tagger: tagger.probabilities("Jeff Bezos"),
        lambda tagger: tagger.predict_words(["Jeff Bezos"]),
        lambda tagger: tagger.predict("Jeff Bezos"),
        lambda tagger: tagger([["Jeff", "Bezos"]]),
        lambda tagger: tagger([None]),
        lambda tagger: tagger.tag(["Jeff", 3]),
    ],
)
def test_a_text_is_not_mistaken_for_words(tagger, call):
    with pytest.raises(InputError):
        call(tagger)


def test_scoring_batches_as_prediction_does(tagger, monkeypatch):
    """In bf16 another batch can tip a tag, and a score must be that of what `predict` writes."""
    monkeypatch.setattr(chunks, "CHUNK_TEXTS", 3)
    sentences = [TEXT.split()[place : place + 1 + 5 * place % 17] for place in range(8)]
    shapes, logits = [], tagger.runtime.logits

    def watched(input_ids, attention_mask):
        shapes.append(input_ids.shape)
        return logits(input_ids, attention_mask)

    monkeypatch.setattr(tagger.runtime, "logits", watched)
    predicted = tagger.predict_words(sentences)
    expected, shapes[:] = shapes[:], []
    tagged = tagger.tag_ids(sentences, names=[f"sentence {number}" for number in range(8)])
    assert shapes == expected
    assert [LABELS[tag] for tag in tagged.ids] == [tag for found in predicted for tag in found.tags]
    assert len(tagger.tag_ids([]).ids) == 0
