"""Temperature and thresholds: no tag is changed by one, tags and entities agree under the other."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.encode.align import PieceTable
from tagwright.encode.windows import encode_words
from tagwright.errors import InputError
from tagwright.predict.decoding import span_scores, tag_words, tempered
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.predict.tagger import Tagger
from tagwright.predict.thresholds import without_spans
from tagwright.tags import LabelMap, Scheme, best_valid_tags, offsets_of, spans_of
from tagwright.tags.spans import Spans
from tests.models import LABELS, TEXT, TYPES, tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

MAP = LabelMap(LABELS, Scheme.IOB2)
TEXTS = [TEXT[start:] for start in range(0, 60, 3)]
SCHEMES = [scheme for scheme in Scheme if scheme is not Scheme.WORD]


@pytest.fixture(scope="module")
def tags():
    """Tag the same sentences, with any settings of `tag_words`."""
    table = PieceTable(build_tokenizer("distilbert"))
    data = encode_words(table, [text.split() for text in TEXTS], limit=64)
    runtime = TorchRuntime(tiny_model(), device="cpu")

    def tag(**settings):
        return tag_words(runtime, data, MAP, valid_tags=True, batch_pieces=4096, **settings)

    tag.offsets = data.word_offsets
    return tag


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("thresholds") / "run")


def load(bundle, **settings):
    return Tagger.load(bundle, precision="fp32", device="cpu", **settings)


# Temperature


@settings(max_examples=30)
@given(st.floats(0.01, 100))
def test_a_temperature_changes_no_tag(tags, temperature):
    plain, scaled = tags(), tags(temperature=temperature, log_probabilities=True)
    assert scaled.ids.tobytes() == plain.ids.tobytes()
    assert ((scaled.probabilities >= 0) & (scaled.probabilities <= 1)).all()
    assert np.exp(scaled.log_probabilities).sum(axis=1) == pytest.approx(1, abs=1e-4)
    chosen = np.exp(scaled.log_probabilities[np.arange(len(plain.ids)), plain.ids])
    assert np.array_equal(chosen, scaled.probabilities)


def test_temperature_1_changes_no_byte(tags):
    assert tags(temperature=1.0).probabilities.tobytes() == tags().probabilities.tobytes()


def test_a_higher_temperature_makes_sure_words_less_sure():
    sure = np.log(np.array([[0.9, 0.1]], dtype=np.float32))
    assert np.exp(tempered(sure, 2.0))[0] == pytest.approx([0.75, 0.25])
    assert np.exp(tempered(sure, 0.5))[0] == pytest.approx([81 / 82, 1 / 82])


def test_probabilities_are_the_calibrated_ones(bundle):
    plain = load(bundle)
    warm = load(bundle, meta=plain.meta.model_copy(update={"temperature": 3.0}))
    rows = warm.probabilities(TEXT.split())
    assert all(sum(row.values()) == pytest.approx(1, abs=1e-5) for row in rows)
    [prediction] = warm.predict_words([TEXT.split()])
    [before] = plain.predict_words([TEXT.split()])
    assert prediction.tags == before.tags
    assert prediction.scores == [row[tag] for row, tag in zip(rows, prediction.tags, strict=True)]
    assert prediction.scores != before.scores


# The score of a span


def test_the_score_of_a_span_is_the_mean_of_its_own_words():
    probabilities = np.array([0.5, 1.0, 0.25, 0.75], dtype=np.float32)
    spans = Spans(np.array([0, 2, 3]), np.array([2, 3, 4]), np.zeros(3, dtype=int))
    assert span_scores(probabilities, spans).tolist() == [0.75, 0.25, 0.75]
    assert span_scores(probabilities, Spans(*[np.zeros(0, dtype=int)] * 3)).tolist() == []


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40), st.integers(0, 5))
def test_the_score_of_a_span_depends_on_no_neighbour(values, before):
    own = np.array(values, dtype=np.float32)
    alone = span_scores(own, Spans(np.array([0]), np.array([len(own)]), np.array([0])))
    padded = np.concatenate([np.full(before, 0.3), own, [0.7, 0.1]]).astype(np.float32)
    among = span_scores(padded, Spans(np.array([before]), np.array([before + len(own)]), np.array([0])))
    assert alone.tobytes() == among.tobytes()


# Spans that are taken away


@settings(max_examples=100)
@given(st.data(), st.sampled_from(SCHEMES), st.booleans())
def test_the_other_spans_stay_and_valid_tags_stay_valid(data, scheme, valid):
    labels = LabelMap.from_types(["x", "y"], scheme)
    lengths = data.draw(st.lists(st.integers(0, 8), min_size=1, max_size=4))
    size, offsets = sum(lengths), offsets_of(lengths)
    ids = np.array(
        data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=size, max_size=size)),
        dtype=np.int64,
    )
    if valid:
        ids = best_valid_tags(np.eye(len(labels), dtype=np.float32)[ids], offsets, labels)
    spans = labels.spans(ids, offsets)
    low = np.array(data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans))), dtype=bool)
    gone = Spans(spans.starts[low], spans.ends[low], spans.types[low])
    left = without_spans(ids, gone, offsets, labels)
    found = labels.spans(left, offsets)
    for name in ("starts", "ends", "types"):
        assert getattr(found, name).tolist() == getattr(spans, name)[~low].tolist()
    if valid:
        assert not len(labels.invalid(left, offsets))


def test_nothing_is_dropped_at_0(tags):
    plain, zero = tags(), tags(thresholds=np.zeros(len(TYPES)))
    assert zero.ids.tobytes() == plain.ids.tobytes()
    assert zero.probabilities.tobytes() == plain.probabilities.tobytes()
    assert zero.dropped_entities == 0


def as_set(tags, found):
    spans = MAP.spans(found.ids, tags.offsets)
    return set(zip(spans.types.tolist(), spans.starts.tolist(), spans.ends.tolist(), strict=True))


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 1), min_size=len(TYPES), max_size=len(TYPES)), st.floats(0, 1), st.floats(0.2, 5)
)
def test_a_higher_threshold_adds_no_entity(tags, least, more, temperature):
    low = np.array(least)
    high = np.minimum(low + more, 2.0)
    every = tags(temperature=temperature)
    some = tags(temperature=temperature, thresholds=low)
    few = tags(temperature=temperature, thresholds=high)
    assert as_set(tags, few) <= as_set(tags, some) <= as_set(tags, every)
    assert len(as_set(tags, some)) + some.dropped_entities == len(as_set(tags, every))
    spans = MAP.spans(some.ids, tags.offsets)
    assert (span_scores(some.probabilities, spans) >= low[spans.types]).all()


def test_tags_and_entities_agree_and_the_dropped_are_counted(bundle):
    plain = load(bundle)
    before = plain.predict(TEXTS)
    scores = sorted(entity.score for prediction in before for entity in prediction.entities)
    middle = scores[len(scores) // 2]
    tagger = load(bundle, min_score=middle)
    kept = 0
    for old, new in zip(before, tagger.predict(TEXTS), strict=True):
        assert new.entities == [entity for entity in old.entities if entity.score >= middle]
        found = [(entity.label, entity.word_start, entity.word_end) for entity in new.entities]
        assert found == spans_of(new.tags, Scheme.IOB2)
        kept += len(found)
    assert 0 < kept < len(scores)
    assert tagger.dropped_entities == len(scores) - kept


def test_words_of_a_dropped_entity_score_as_o(bundle):
    tagger = load(bundle, min_score=1.0)
    rows = tagger.probabilities(TEXT.split())
    [prediction] = tagger.predict_words([TEXT.split()])
    assert set(prediction.tags) == {"O"}
    assert prediction.scores == [row["O"] for row in rows]
    assert tagger.tag(TEXT.split()) == prediction.tags
    assert set(tagger.tag_ids([TEXT.split()]).ids.tolist()) == {0}


def test_the_bundles_thresholds_are_applied_unless_told_not_to(tmp_path):
    bundle = tiny_bundle(tmp_path / "run", thresholds={"person": 2.0, "group": 0.0})
    every = load(bundle, thresholds=False)(TEXT)
    assert any(entity.label == "person" for entity in every)
    assert load(bundle)(TEXT) == [entity for entity in every if entity.label != "person"]
    both = load(bundle, min_score=0.5)(TEXT)
    assert both == [entity for entity in every if entity.label != "person" and entity.score >= 0.5]
    assert [list(p.entities) for p in load(bundle).stream([TEXT])] == [load(bundle)(TEXT)]


# What is refused, and what is told


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_least_score_is_a_share(bundle, score):
    with pytest.raises(InputError, match=r"a score of .* cannot be asked for; give one from 0 to 1"):
        load(bundle, min_score=score)


@pytest.mark.parametrize("batch_pieces", [0, -1])
def test_a_budget_of_nothing_is_refused(bundle, batch_pieces):
    with pytest.raises(InputError, match=f"batch_pieces is {batch_pieces}; give at least 1"):
        load(bundle, batch_pieces=batch_pieces)


def test_words_that_all_have_a_label_cannot_be_dropped(tmp_path):
    bundle = tiny_bundle(tmp_path / "run", labels=["NOUN", "VERB"], scheme="word")
    assert load(bundle).tag(["a", "b"])
    with pytest.raises(InputError, match="entities cannot be dropped where every word has a label"):
        load(bundle, min_score=0.5)


@pytest.mark.parametrize(("fitted", "told"), [("fp32", False), ("bf16", True)])
def test_another_precision_than_the_one_it_was_fitted_at_is_told(tmp_path, caplog, fitted, told):
    made = {"calibration": {"precision": fitted}}
    with caplog.at_level(logging.WARNING):
        load(tiny_bundle(tmp_path / "run", temperature=1.5, made=made))
    assert ("was calibrated in bf16 and answers in fp32" in caplog.text) is told
    caplog.clear()
    load(tiny_bundle(tmp_path / "run", made=made))  # nothing that could be off
    assert caplog.text == ""
