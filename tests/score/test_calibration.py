"""Calibration on made-up scores, where the right answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.score.calibration import ScoredSpans, calibration_of, log_loss, measure_spans
from tagwright.score.tagged import TaggedSplit
from tagwright.score.temperature import HIGHEST, LOWEST, EntityWords, fit_temperature
from tagwright.score.thresholds import effects_of, fit_thresholds, wilson_bound
from tagwright.tags import LabelMap, Scheme, offsets_of

LABELS = LabelMap(["O", "B-x", "B-y"], Scheme.IOB2)


def spans(scores, correct, types=None, gold=None):
    scores = np.asarray(scores, dtype=np.float64)
    types = np.zeros(len(scores), dtype=np.int64) if types is None else np.asarray(types, dtype=np.int64)
    correct = np.asarray(correct, dtype=bool)
    gold = np.bincount(types[correct], minlength=3) + 1 if gold is None else np.asarray(gold)
    return ScoredSpans(scores, correct, types.astype(np.int64), gold)


def log_softmax(logits):
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def split_of(confidence, *, size=4000, seed=0):
    """Sentences of one word whose gold tags are drawn from honest probabilities, told with more confidence."""
    random = np.random.default_rng(seed)
    honest = log_softmax(random.normal(0, 1.5, (size, 3)))
    gold = (np.exp(honest).cumsum(axis=1) < random.random((size, 1))).sum(axis=1).clip(0, 2)
    told = log_softmax(honest * confidence).astype(np.float32)
    pred = told.argmax(axis=1)
    return TaggedSplit(
        labels=LABELS,
        words=["w"] * size,
        gold_ids=gold,
        pred_ids=pred,
        offsets=offsets_of([1] * size),
        probabilities=np.exp(told[np.arange(size), pred]),
        sentence_ids=[str(number) for number in range(size)],
        split="validation",
        log_probabilities=told,
    )


# Expected calibration error


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_honest_scores_have_nearly_no_error_in_any_order(seed):
    random = np.random.default_rng(seed)
    scores = random.random(20000)
    correct = random.random(20000) < scores
    found = measure_spans(spans(scores, correct))
    assert found.ece < 0.02
    order = random.permutation(20000)
    other = measure_spans(spans(scores[order], correct[order]))
    assert other.ece == pytest.approx(found.ece, abs=1e-12)
    assert [row.count for row in other.bins] == [row.count for row in found.bins]
    assert other.curve == found.curve


def test_the_error_by_hand():
    found = measure_spans(spans([0.95, 0.95, 1.0, 0.35, 0.0], [1, 1, 0, 1, 0]))
    # Last bin: 3 spans, score 2.9 / 3, precision 2 / 3; fourth: 0.35 and 1; first: 0 and 0.
    assert found.ece == pytest.approx((3 * (2.9 / 3 - 2 / 3) + 0.65) / 5)
    counts = {(row.low, row.high): row.count for row in found.bins if row.count}
    assert counts == {(0.0, 0.1): 1, (0.3, 0.4): 1, (0.9, 1.0): 3}
    assert len(found.bins) == 10


def test_a_score_on_an_edge_belongs_to_the_bin_above():
    edges = [number / 10 for number in range(11)]
    found = measure_spans(spans(edges, [1] * 11))
    assert [row.count for row in found.bins] == [1] * 9 + [2]


def test_no_spans_at_all():
    found = measure_spans(spans([], []))
    assert (found.entities, found.ece, found.curve) == (0, 0.0, ())
    assert log_loss(spans([], [])) == 0
    assert fit_thresholds(spans([], []), ["x"], 0.9) == {"x": 2.0}


# The curve


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300))
def test_each_point_of_the_curve_is_what_its_threshold_keeps(rows):
    scores, correct = map(np.array, zip(*rows, strict=True))
    all_spans = spans(scores, correct)
    curve = measure_spans(all_spans).curve
    assert 1 <= len(curve) <= 100
    assert curve[0].threshold == 0
    thresholds = [point.threshold for point in curve]
    assert thresholds == sorted(set(thresholds))
    recalls = [point.recall for point in curve]
    assert recalls == sorted(recalls, reverse=True)
    for point in curve:
        kept = scores >= point.threshold
        assert point.precision == pytest.approx(correct[kept].mean())
        assert point.recall == pytest.approx(correct[kept].sum() / all_spans.gold.sum())


def test_recall_is_of_all_gold_spans():
    [point] = measure_spans(spans([0.5], [1], gold=[4])).curve
    assert (point.precision, point.recall, point.f1) == (1.0, 0.25, 0.4)


def test_of_a_tagged_split():
    labels = LabelMap(["O", "B-x", "I-x", "B-y", "I-y"], Scheme.IOB2)
    tagged = TaggedSplit(
        labels=labels,
        words=list("abcdef"),
        gold_ids=labels.ids(["B-x", "I-x", "O", "B-y", "O", "B-x"]),
        pred_ids=labels.ids(["B-x", "I-x", "O", "B-x", "O", "O"]),
        offsets=offsets_of([3, 3]),
        probabilities=np.array([0.5, 1.0, 0.9, 0.25, 0.9, 0.9], dtype=np.float32),
        sentence_ids=["1", "2"],
        temperature=1.5,
        thresholds={"x": 0.2},
    )
    found = calibration_of(tagged).to_dict()
    assert (found["entities"], found["temperature"], found["thresholds"]) == (2, 1.5, {"x": 0.2})
    by_score = {row["score"]: row["precision"] for row in found["bins"] if row["count"]}
    assert by_score == {0.75: 1.0, 0.25: 0.0}  # the mean of the span's own words; type and borders count
    assert found["curve"] == [
        {"threshold": 0.0, "precision": 0.5, "recall": pytest.approx(1 / 3), "f1": 0.4},
        {"threshold": 0.75, "precision": 1.0, "recall": pytest.approx(1 / 3), "f1": 0.5},
    ]


# Temperature


@pytest.mark.parametrize("confidence", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_takes_back_what_was_put_in(confidence):
    words = EntityWords.of(split_of(confidence))
    temperature = fit_temperature(words)
    assert temperature == pytest.approx(confidence, rel=0.1)
    before, after = measure_spans(words.scored), measure_spans(words.at(temperature))
    assert after.ece < 0.03
    assert log_loss(words.at(temperature)) <= log_loss(words.scored) + 1e-9
    if confidence in (0.5, 2.0, 4.0):
        assert before.ece > 0.05


def test_the_order_of_the_sentences_does_not_matter():
    tagged = split_of(2.0, size=1000)
    order = np.random.default_rng(1).permutation(1000)
    other = TaggedSplit(
        labels=LABELS,
        words=tagged.words,
        gold_ids=tagged.gold_ids[order],
        pred_ids=tagged.pred_ids[order],
        offsets=tagged.offsets,
        probabilities=tagged.probabilities[order],
        sentence_ids=tagged.sentence_ids,
        log_probabilities=tagged.log_probabilities[order],
    )
    assert fit_temperature(EntityWords.of(other)) == pytest.approx(
        fit_temperature(EntityWords.of(tagged)), abs=2e-4
    )


def test_temperature_1_gives_the_scores_that_were_served():
    words = EntityWords.of(split_of(2.0, size=500))
    assert words.at(1.0).scores.tobytes() == words.scored.scores.tobytes()


@pytest.mark.parametrize("right", [True, False])
def test_where_all_are_right_or_all_wrong_there_is_no_temperature(right):
    words = EntityWords.of(split_of(1.0, size=50))
    same = ScoredSpans(
        words.scored.scores, np.full(len(words.scored), right), words.scored.types, words.scored.gold
    )
    assert fit_temperature(EntityWords(words.log_probabilities, words.ids, words.spans, same)) is None


def test_the_temperature_stays_in_its_range():
    for confidence in (0.02, 60.0):
        found = fit_temperature(EntityWords.of(split_of(confidence, size=500)))
        assert LOWEST <= found <= HIGHEST


# Thresholds


scored = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.9, 1.0])), st.booleans(), st.integers(0, 2)),
    max_size=60,
)


@settings(max_examples=200)
@given(scored, st.floats(0.01, 1))
def test_the_precision_is_reached_and_no_larger_set_reaches_it(rows, wanted):
    scores, correct, types = ([row[place] for row in rows] for place in range(3))
    found = spans(scores, correct, types)
    names = ["x", "y", "z"]
    thresholds = fit_thresholds(found, names, wanted)
    effects, together = effects_of(found, names, thresholds)
    for number, name in enumerate(names):
        own = found.types == number
        kept = own & (found.scores >= thresholds[name])
        if kept.any():
            assert found.correct[kept].mean() >= wanted
        else:
            assert thresholds[name] == 2.0
        for score in found.scores[own]:
            larger = own & (found.scores >= score)
            if larger.sum() > kept.sum():
                assert found.correct[larger].mean() < wanted
    for row in effects:
        if row.after.predicted:
            assert row.after.precision >= wanted
            assert row.lower <= row.after.precision
        assert row.after.recall <= row.before.recall
    assert together.after.predicted == sum(row.after.predicted for row in effects)


def test_thresholds_by_hand():
    found = spans([0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0])
    assert fit_thresholds(found, ["x"], 0.6) == {"x": 0.0}  # all of them: 3 of 5
    assert fit_thresholds(found, ["x"], 0.75) == {"x": 0.6}
    assert fit_thresholds(found, ["x"], 0.9) == {"x": 0.8}
    assert fit_thresholds(spans([0.9, 0.8], [0, 1]), ["x"], 0.9) == {"x": 2.0}
    assert fit_thresholds(spans([0.9, 0.9], [0, 1]), ["x"], 0.9) == {"x": 2.0}  # a tie stays together


def test_thresholds_have_four_decimals_where_that_tells_entities_apart():
    assert fit_thresholds(spans([0.87654321, 0.5], [1, 0]), ["x"], 0.9) == {"x": 0.8765}
    between = fit_thresholds(spans([0.87654321, 0.87653], [1, 0]), ["x"], 0.9)["x"]
    assert 0.87653 < between <= 0.87654321


def test_a_higher_precision_never_lowers_a_threshold():
    random = np.random.default_rng(0)
    scores = random.random(300)
    found = spans(scores, random.random(300) < scores, random.integers(0, 3, 300))
    before = dict.fromkeys("xyz", 0.0)
    for wanted in (0.3, 0.6, 0.8, 0.9, 0.99, 1.0):
        now = fit_thresholds(found, ["x", "y", "z"], wanted)
        assert all(now[name] >= before[name] for name in "xyz")
        before = now


def test_gold_of_a_type_that_the_tagger_lacks_counts_for_recall():
    rows, together = effects_of(spans([0.9], [1], [0], gold=[1, 3]), ["x", "event"], {"x": 0.0})
    assert [(row.name, row.before.gold, row.silenced) for row in rows] == [
        ("event", 3, False),
        ("x", 1, False),
    ]
    assert together.after.recall == 0.25


@pytest.mark.parametrize("wanted", [0, -1, 1.01, 2, float("nan"), float("inf")])
def test_a_precision_that_cannot_be_asked_for(wanted):
    with pytest.raises(InputError, match="cannot be asked for; give one above 0, at most 1"):
        fit_thresholds(spans([0.9], [1]), ["x"], wanted)


@pytest.mark.parametrize(
    ("correct", "entities", "bound"),
    [(0, 0, 0.0), (0, 5, 0.0), (1, 1, 0.2065), (9, 10, 0.5958), (81, 90, 0.8208)],
)
def test_wilsons_bound(correct, entities, bound):
    assert wilson_bound(correct, entities) == pytest.approx(bound, abs=1e-3)
