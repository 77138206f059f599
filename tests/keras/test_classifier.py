"""The model as Keras sees it: fit, predict, evaluate, saving, seeds, inputs; and the room's front door."""

from __future__ import annotations

import numpy as np
import pytest
import transformers

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.errors import InputError  # noqa: E402
from tagwright.keras import TokenClassifier, create_optimizer, token_loss  # noqa: E402
from tagwright.keras.architecture import Architecture  # noqa: E402
from tests.keras.reference import batch, drawn_labels, torch_model  # noqa: E402

LABELS = ["O", "B-person", "I-person"]


def build(kind="distilbert", *, seed=42, dtype=None, labels=LABELS, **changes):
    architecture = Architecture.from_config(torch_model(kind, **changes).config.to_dict())
    return TokenClassifier(architecture, labels, seed=seed, dtype=dtype)


# Keras' own loop


def test_fit_learns_and_evaluate_and_predict_agree():
    model = build(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    inputs = batch(lengths=[13, 9, 8, 8, 6, 5, 3, 2])
    labels = drawn_labels(inputs, count=3)
    optimizer, _ = create_optimizer(5e-3, num_train_steps=40)
    model.compile(optimizer=optimizer)
    before = model.evaluate(inputs, labels, batch_size=8, verbose=0)
    history = model.fit(inputs, labels, batch_size=4, epochs=20, verbose=0).history["loss"]
    after = model.evaluate(inputs, labels, batch_size=8, verbose=0)
    assert after < 0.2 * before
    assert history[-1] < history[0]
    logits = model.predict(inputs, batch_size=3, verbose=0)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, model(inputs).numpy(), rtol=0, atol=1e-5)
    assert float(token_loss()(labels, logits)) == pytest.approx(after, rel=1e-5)


def test_fit_takes_a_dataset_of_growing_widths():
    model = build(type_vocab_size=2)
    model.compile(optimizer=create_optimizer(1e-3, num_train_steps=4)[0])

    def rows():
        for width in (3, 9, 5, 7):
            inputs = batch(lengths=[width, 2])
            yield inputs, drawn_labels(inputs, count=3)

    any_width = tf.TensorSpec((None, None), tf.int32)
    signature = ({"input_ids": any_width, "attention_mask": any_width}, any_width)
    data = tf.data.Dataset.from_generator(rows, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(4))
    history = model.fit(data, validation_data=data, shuffle=False, verbose=0).history
    assert np.isfinite([history["loss"], history["val_loss"]]).all()


def test_the_loss_is_the_mean_over_labelled_pieces():
    logits = np.random.default_rng(0).normal(size=(3, 5, 3)).astype(np.float32)
    labels = np.full((3, 5), -100, np.int32)
    labels[0, 1], labels[0, 2], labels[2, 4] = 0, 2, 1
    shares = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    expected = -np.mean([shares[0, 1, 0], shares[0, 2, 2], shares[2, 4, 1]])
    assert float(token_loss()(labels, logits)) == pytest.approx(expected, rel=1e-6)
    assert float(token_loss()(np.full_like(labels, -100), logits)) == 0


def test_pieces_without_a_label_do_not_move_the_model():
    model = build()
    inputs = batch()
    with tf.GradientTape() as tape:
        loss = token_loss()(np.full(inputs["input_ids"].shape, -100), model(inputs))
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert not any(tf.convert_to_tensor(gradient).numpy().any() for gradient in found)


def test_compile_takes_another_loss_and_leaves_xla_alone():
    model, loss = build(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss)
    assert model.loss is loss
    assert not model.jit_compile


def test_one_graph_serves_every_shape():
    model = build("roberta")
    any_width = tf.TensorSpec((None, None), tf.int32)
    traced = []

    @tf.function(input_signature=[any_width, any_width])
    def run(ids, mask):
        traced.append(1)
        return model({"input_ids": ids, "attention_mask": mask})

    for lengths in ([5], [9, 2], [1, 1, 1], [38]):
        inputs = batch("roberta", lengths)
        found = run(inputs["input_ids"], inputs["attention_mask"]).numpy()
        np.testing.assert_allclose(found, model(inputs).numpy(), rtol=0, atol=1e-5)
    assert len(traced) == 1


def test_the_summary_counts_the_parameters(capsys):
    model = build()
    model.summary()
    assert f"{sum(value.size for value in model.tensors().values()):,}" in capsys.readouterr().out
    assert model.count_params() == sum(value.size for value in model.tensors().values())


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # NumPy 2.4 of Keras' own arrays
def test_keras_own_files_keep_the_model(tmp_path):
    model = build("roberta", dtype="mixed_bfloat16")
    model.compile(optimizer=create_optimizer(1e-3, num_train_steps=10)[0])
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(7)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert (again.labels, again.architecture) == (model.labels, model.architecture)
    assert again.compute_dtype == "bfloat16"
    np.testing.assert_equal(again.tensors(), model.tensors())
    assert int(again.optimizer.iterations) == 7
    assert again.loss.name == "token_loss"
    model.save_weights(tmp_path / "model.weights.h5")
    other = build("roberta", seed=1)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_equal(other.tensors(), model.tensors())


# Variables and seeds


def test_variables_are_named_from_input_to_output(pair):
    theirs, ours = pair("bert")
    names = list(ours.named_variables())
    assert sorted(names) == sorted(name for name, _ in theirs.named_parameters())
    assert names[0] == "bert.embeddings.word_embeddings.weight"
    assert names[-2:] == ["classifier.weight", "classifier.bias"]
    layers = [int(name.split(".")[3]) for name in names if ".layer." in name]
    assert layers == sorted(layers)
    named = {id(variable) for variable in ours.named_variables().values()}
    assert named == {id(variable) for variable in ours.trainable_variables}
    paths = [variable.path for variable in ours.trainable_variables]
    assert len(set(paths)) == len(paths)


def test_a_seed_settles_weights_and_dropout():
    inputs = batch()
    one, same, other = build(), build(), build(seed=7)
    np.testing.assert_equal(one.tensors(), same.tensors())
    assert not np.array_equal(one.tensors()["classifier.weight"], other.tensors()["classifier.weight"])
    other.load_tensors(one.tensors())
    first = one(inputs, training=True).numpy()
    np.testing.assert_array_equal(same(inputs, training=True).numpy(), first)
    assert np.abs(other(inputs, training=True).numpy() - first).max() > 0.01
    second = one(inputs, training=True).numpy()
    assert np.abs(second - first).max() > 0.01  # dropout goes on
    np.testing.assert_array_equal(same(inputs, training=True).numpy(), second)


def test_no_two_dropouts_share_a_seed():
    states = [variable.value.numpy() for variable in build("bert").seed_states()]
    assert len(states) == 1 + 3 * 2 + 1
    assert len({tuple(state) for state in states}) == len(states)


def test_dropout_goes_on_from_a_kept_state():
    inputs, model = batch(), build()
    model(inputs, training=True)
    kept = [variable.value.numpy().copy() for variable in model.seed_states()]
    expected = model(inputs, training=True).numpy()
    again = build()
    for variable, state in zip(again.seed_states(), kept, strict=True):
        variable.assign(state)
    np.testing.assert_array_equal(again(inputs, training=True).numpy(), expected)


def test_dropout_is_off_outside_training_and_where_it_is_zero():
    inputs, model = batch(), build()
    np.testing.assert_array_equal(model(inputs).numpy(), model(inputs).numpy())
    none = build(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    np.testing.assert_array_equal(none(inputs, training=True).numpy(), none(inputs).numpy())
    assert none.seed_states() == []


@pytest.mark.parametrize("field", ["dropout", "attention_dropout", "head_dropout"])
def test_every_dropout_has_its_place(field):
    names = {
        "dropout": "hidden_dropout_prob",
        "attention_dropout": "attention_probs_dropout_prob",
        "head_dropout": "classifier_dropout",
    }
    shares = {name: 0.5 if key == field else 0.0 for key, name in names.items()}
    model = build("bert", **shares)
    inputs = batch("bert")
    states = [np.abs(model.hidden_states(inputs, training=on).numpy()).sum() for on in (True, False)]
    assert (states[0] != states[1]) == (field != "head_dropout")
    assert np.abs(model(inputs, training=True).numpy() - model(inputs).numpy()).max() > 0.01


# What is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attention_mask": None}, "lack attention_mask"),
        ({"labels": np.zeros((4, 13), np.int32)}, "takes no input 'labels'"),
        ({"token_type_ids": np.zeros((4, 13), np.int32)}, "takes no input 'token_type_ids'"),
        (
            {"attention_mask": np.ones((1, 13), np.int32)},
            "attention_mask has the shape (1, 13), and input_ids (4, 13)",
        ),
        ({"attention_mask": np.ones(13, np.int32)}, "attention_mask is no array of (batch, pieces): (13,)"),
        ({"attention_mask": [[1]]}, "one of another kind"),
        ({"input_ids": np.ones(13, np.int32)}, "input_ids is no array of (batch, pieces): (13,)"),
        ({"input_ids": np.ones((4, 13), np.float32)}, "input_ids holds float32"),
        (
            {"input_ids": np.ones((1, 41), np.int32), "attention_mask": np.ones((1, 41), np.int32)},
            "41 pieces, and the encoder takes 40",
        ),
    ],
)
def test_inputs_that_would_be_misread_are_refused(changes, words):
    model = build()
    inputs = {name: value for name, value in (batch() | changes).items() if value is not None}
    for run in (model, model.hidden_states):
        with pytest.raises(InputError) as caught:
            run(inputs)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_predict_refuses_inputs_in_one_line_too():
    with pytest.raises(InputError) as caught:
        build().predict({"input_ids": batch()["input_ids"]}, verbose=0)
    assert str(caught.value) == "the inputs lack attention_mask; they need input_ids and attention_mask"


def test_an_array_is_no_input():
    with pytest.raises(InputError, match="give a dict with input_ids and attention_mask"):
        build()(batch()["input_ids"])


@pytest.mark.parametrize("compiled", [False, True])
def test_ids_past_the_tables_are_refused(compiled):
    model = build()
    any_width = tf.TensorSpec((None, None), tf.int32)

    def run(ids, mask):
        return model({"input_ids": ids, "attention_mask": mask})

    types = build("bert", type_vocab_size=2)
    with pytest.raises(tf.errors.InvalidArgumentError):
        types(batch("bert") | {"token_type_ids": np.full((4, 13), 2, np.int32)})
    if compiled:
        run = tf.function(run, input_signature=[any_width, any_width])
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(np.ones((1, 41), np.int32), np.ones((1, 41), np.int32))
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(np.ones((2, 4), np.int32), np.ones((1, 4), np.int32))
    for bad in (60, -1):
        with pytest.raises(tf.errors.InvalidArgumentError):
            run(np.full((1, 4), bad, np.int32), np.ones((1, 4), np.int32))


@pytest.mark.parametrize("labels", [[], ["O", "O"], ["O", 1]])
def test_labels_are_different_names(labels):
    with pytest.raises(InputError, match="not different names"):
        build(labels=labels)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_variables_stay_fp32(dtype):
    with pytest.raises(InputError, match="use float32 or mixed_bfloat16"):
        build(dtype=dtype)


@pytest.mark.parametrize("seed", [-1, None, 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match=f"the seed is {seed!r}"):
        build(seed=seed)


def test_the_configuration_belongs_to_the_architecture():
    config = torch_model().config.to_dict()
    with pytest.raises(InputError, match="another architecture"):
        TokenClassifier(Architecture.from_config(config), LABELS, config=config | {"n_heads": 2})


def test_what_is_read_from_a_model_does_not_change_it():
    model = build()
    model.labels.append("x")
    model.config["dim"] = 1
    assert (model.labels, model.config["dim"]) == (LABELS, 16)


@pytest.mark.parametrize("labels", ["OBI", {"O", "B-x"}, {"B-x": 1, "O": 0}, {"0": "O"}, 3])
def test_labels_have_an_order(labels):
    with pytest.raises(InputError, match="a list of their names, in the order of their ids"):
        build(labels=labels)


def test_labels_of_numpy_are_texts():
    assert [type(name) for name in build(labels=np.array(LABELS)).labels] == [str] * 3


def test_what_a_tokenizer_gives_is_an_input():
    model, inputs = build(), batch()
    np.testing.assert_array_equal(model(transformers.BatchEncoding(inputs)), model(inputs))


def test_wide_ids_are_not_cut_to_known_ones():
    ids = np.full((1, 4), 2**32 + 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="none of the 60 pieces"):
        build()({"input_ids": ids, "attention_mask": np.ones_like(ids)})


@pytest.mark.parametrize("weights", [{"class_weight": {0: 0.5}}, {"sample_weight": np.ones(4)}])
def test_weights_are_of_pieces(weights):
    model, inputs = build(), batch()
    model.compile(optimizer="sgd")
    with pytest.raises(InputError, match=r"in the shape of the labels, \(rows, pieces\)"):
        model.fit(inputs, drawn_labels(inputs, count=3), verbose=0, **weights)


@pytest.mark.parametrize("metrics", ["accuracy", ["acc"]])
def test_an_accuracy_that_counts_padding_is_refused(metrics):
    with pytest.raises(InputError, match="counts pieces labelled -100 as wrong"):
        build().compile(optimizer="sgd", metrics=metrics)


def test_ids_past_the_table_are_no_answer_where_xla_drops_the_assertions():
    model = build()
    inputs = batch(lengths=[5, 3])
    compute = tf.function(lambda ids: model({**inputs, "input_ids": ids}), jit_compile=True)
    ids = inputs["input_ids"].astype(np.int32)
    np.testing.assert_allclose(compute(ids), model(inputs), rtol=0, atol=1e-4)
    for wrong in (-1, model.architecture.vocab_size):
        ids[0, 1] = wrong
        assert np.isnan(compute(ids)).all()


def test_what_a_folder_cannot_hold_is_not_left_out_in_silence(tmp_path):
    model = build()
    model.encoder.blocks[0].parts["query"].enable_lora(2)
    with pytest.raises(InputError, match="query has LoRA"):
        model.save_pretrained(tmp_path / "tagger")
    assert not (tmp_path / "tagger").exists()
