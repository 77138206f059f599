"""Entity scores in `fit`: those of `tagwright.score`, whatever the batches, and there for other callbacks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score

import tagwright as tw
from tagwright.errors import InputError

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.keras import EntityF1  # noqa: E402

NAMES = ["O", "B-person", "I-person", "B-location", "I-location"]


class ByPiece:
    """A network that tags each piece by its id alone; it counts how often it is traced."""

    def __init__(self):
        self.traced = 0

    def __call__(self, inputs, training=False):
        assert not training
        self.traced += 1
        return tf.one_hot(inputs["input_ids"] % len(NAMES), len(NAMES))


def batches_of(rows, sizes, order=None):
    """Pad rows of (pieces, labels) into batches of these sizes, in this order."""
    rows = [rows[place] for place in (order if order is not None else range(len(rows)))]
    found = []
    for size in sizes:
        part, rows = rows[:size], rows[size:]
        width = max(len(ids) for ids, _ in part)
        pad = [[(ids + [0] * width)[:width], (labels + [-100] * width)[:width]] for ids, labels in part]
        ids, labels = np.array(pad, dtype=np.int32).transpose(1, 0, 2)
        found.append(({"input_ids": ids, "attention_mask": np.ones_like(ids)}, labels))
    assert not rows
    return found


def score(batches, model=None, **settings):
    callback = EntityF1(batches, NAMES, **settings)
    callback.set_model(model or ByPiece())
    return callback.score()


ROWS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([-100, 0, 1, 2, 3, 4])), min_size=1, max_size=9
    ).map(lambda pieces: tuple(map(list, zip(*pieces, strict=True)))),
    min_size=1,
    max_size=12,
).filter(lambda rows: any(label != -100 for _, labels in rows for label in labels))


@settings(max_examples=25)
@given(rows=ROWS, data=st.data())
def test_counts_depend_neither_on_the_size_of_batches_nor_on_their_order(rows, data):
    whole = score(batches_of(rows, [len(rows)]))
    single = score(batches_of(rows, [1] * len(rows)))
    order = data.draw(st.permutations(range(len(rows))))
    size = data.draw(st.integers(1, len(rows)))
    sizes = [min(size, len(rows) - start) for start in range(0, len(rows), size)]
    mixed = score(batches_of(rows, sizes, order))
    for other in (single, mixed):
        assert (other.lenient, other.strict) == (whole.lenient, whole.strict)
        assert (other.words, other.correct_words) == (whole.words, whole.correct_words)
        assert other.sentences == whole.sentences == len(rows)


@settings(max_examples=10)
@given(rows=ROWS)
def test_the_scores_are_those_of_score_and_of_seqeval(rows):
    logs = {"loss": 1.0}
    callback = EntityF1(batches_of(rows, [len(rows)]), NAMES)
    callback.set_model(ByPiece())
    callback.on_epoch_end(0, logs)
    gold = [[NAMES[label] for label in labels if label != -100] for _, labels in rows]
    predicted = [
        [NAMES[piece % 5] for piece, label in zip(*row, strict=True) if label != -100] for row in rows
    ]
    ours = tw.score(gold, predicted, scheme="iob2")
    assert logs == {
        "loss": 1.0,
        "val_precision": ours.lenient.precision,
        "val_recall": ours.lenient.recall,
        "val_f1": ours.lenient.f1,
        "val_strict_f1": ours.strict.f1,
        "val_accuracy": ours.accuracy,
    }
    assert callback.scores.strict == ours.strict
    gold, predicted = zip(*((g, p) for g, p in zip(gold, predicted, strict=True) if g), strict=True)
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        theirs = function(list(gold), list(predicted), zero_division=0)
        assert logs[f"val_{name}"] == pytest.approx(float(theirs))


def test_one_graph_serves_every_shape():
    model = ByPiece()
    rows = [([5] * size, [0] * size) for size in range(1, 40)]
    callback = EntityF1(batches_of(rows, [1] * 20 + [19]), NAMES)
    callback.set_model(model)
    for epoch in range(3):
        callback.on_epoch_end(epoch, {})
    assert model.traced == 1


def test_another_model_is_scored_with_its_own_graph():
    batches = batches_of([([1, 2], [1, 2])], [1])
    callback = EntityF1(batches, NAMES)
    callback.set_model(ByPiece())
    assert callback.score().lenient.f1 == 1
    callback.set_model(lambda inputs, training: tf.one_hot(inputs["input_ids"] * 0, len(NAMES)))
    assert callback.score().lenient.f1 == 0


def test_the_prefix_and_the_scheme_are_the_callers():
    rows = [([1, 2, 3], [1, 2, 0])]
    logs: dict[str, float] = {}
    callback = EntityF1(
        batches_of(rows, [1]), ["O", "B-a", "E-a", "S-a", "I-a"], scheme="bioes", prefix="dev_"
    )
    callback.set_model(ByPiece())
    callback.on_epoch_end(0, logs)
    assert set(logs) == {"dev_precision", "dev_recall", "dev_f1", "dev_strict_f1", "dev_accuracy"}
    assert (logs["dev_precision"], logs["dev_recall"]) == (0.5, 1.0)


def test_a_tf_dataset_serves_as_well_and_weights_are_left_out():
    rows = [([1, 2, 0], [1, 2, 0]), ([3, 4, 4], [3, 4, -100])]
    [(inputs, labels)] = batches_of(rows, [2])
    dataset = tf.data.Dataset.from_tensors((inputs, labels, np.ones_like(labels)))
    scores = score(dataset)
    assert (scores.lenient.f1, scores.words, scores.sentences) == (1.0, 5, 2)


class Bias(keras.Model):
    """A network that gives every piece the same logits, learned."""

    def __init__(self):
        super().__init__()
        self.bias = self.add_weight(shape=(len(NAMES),), initializer="zeros", name="bias")

    def call(self, inputs, training=False):
        return tf.zeros_like(inputs["input_ids"], dtype="float32")[..., None] + self.bias


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # Keras reads its variables so
def test_history_early_stopping_and_checkpoints_see_the_scores(tmp_path):
    """Every piece is a B-person in validation and O in training: the first epoch is the best one."""
    train = tf.data.Dataset.from_generator(
        lambda: batches_of([([1] * 4, [0] * 4)] * 4, [2, 2]),
        output_signature=(
            {name: tf.TensorSpec((None, None), tf.int32) for name in ("input_ids", "attention_mask")},
            tf.TensorSpec((None, None), tf.int32),
        ),
    ).apply(tf.data.experimental.assert_cardinality(2))
    validation = batches_of([([1] * 4, [1] * 4)] * 4, [3, 1])
    model = Bias()
    model.bias.assign([0, 0.4, 0, 0, 0])
    model.compile(
        optimizer=keras.optimizers.SGD(0.15),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100),
    )
    best = tmp_path / "best.weights.h5"
    history = model.fit(
        train,
        epochs=6,
        shuffle=False,
        verbose=0,
        callbacks=[
            EntityF1(validation, NAMES),
            keras.callbacks.EarlyStopping(
                monitor="val_f1", mode="max", patience=2, restore_best_weights=True
            ),
            keras.callbacks.ModelCheckpoint(
                best, monitor="val_f1", mode="max", save_best_only=True, save_weights_only=True
            ),
        ],
    ).history
    assert history["val_f1"] == [1.0, 0.0, 0.0]
    assert set(history) == {"loss", "val_precision", "val_recall", "val_f1", "val_strict_f1", "val_accuracy"}
    assert int(np.argmax(model.bias.numpy())) == 1
    kept = Bias()
    kept({"input_ids": np.zeros((1, 1), dtype=np.int32)})
    kept.load_weights(best)
    assert np.array_equal(kept.bias.numpy(), model.bias.numpy())


@pytest.mark.parametrize(
    ("validation", "settings", "message"),
    [
        (iter([]), {}, "can be gone through only once"),
        ([], {"labels": ["O", "person"]}, "'person' does not belong to the scheme iob2"),
        ([], {"scheme": "iob3"}, "no scheme 'iob3'"),
    ],
)
def test_what_cannot_be_scored_is_named_at_once(validation, settings, message):
    with pytest.raises(InputError, match=message):
        EntityF1(validation, **{"labels": NAMES} | settings)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ([], "0 batches and no labelled piece"),
        (batches_of([([1], [-100])], [1]), "1 batches and no labelled piece"),
        (batches_of([([1], [7])], [1]), "the label 7, and there are 5 names"),
        ([{"input_ids": [[1]], "labels": [[1]]}], "a dict, not a pair of inputs and labels"),
    ],
)
def test_what_cannot_be_scored_is_named(validation, message):
    with pytest.raises(InputError, match=message):
        score(validation)


@pytest.mark.parametrize("own", [NAMES[::-1], NAMES[:3]])
def test_names_are_those_of_the_model_in_its_order(own):
    model = ByPiece()
    model.labels = own
    with pytest.raises(InputError, match=r"not those of the model's labels.*model\.labels"):
        score(batches_of([([0], [0])], [1]), model)
