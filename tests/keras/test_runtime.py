"""The live model as a runtime: PyTorch's logits and tags, one graph, and what training changes shows."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from tagwright.errors import InputError
from tagwright.predict.decoding import tag_words
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.tags import LabelMap, Scheme

pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.encode.align import PieceTable  # noqa: E402
from tagwright.encode.windows import encode_words  # noqa: E402
from tagwright.keras.runtime import KerasRuntime  # noqa: E402
from tests.keras.learning import KINDS, batches_for, keras_model, torch_model, train_step  # noqa: E402
from tests.models import tiny_model, tiny_tokenizer  # noqa: E402


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_pytorch_s_dropout_off(kind):
    model = torch_model(kind, dropout=0.5)
    theirs, ours = TorchRuntime(model), KerasRuntime(keras_model(model))
    for batch in batches_for(model, 4):
        shown = batch["attention_mask"].astype(bool)
        inputs = batch["input_ids"], batch["attention_mask"]
        logits = ours.logits(*inputs)
        assert (logits.dtype, logits.shape) == (np.float32, (*shown.shape, 5))
        assert ours.logits(*inputs).tobytes() == logits.tobytes()
        np.testing.assert_allclose(logits[shown], theirs.logits(*inputs)[shown], atol=1e-4)
    assert ours.graphs == 1
    assert (ours.name, ours.precision, ours.device) == ("keras", "fp32", "cpu")


@pytest.mark.parametrize("kind", ["distilbert", "bert", "roberta", "unigram"])
def test_words_get_pytorch_s_tags(kind):
    model = tiny_model(kind)
    labels = LabelMap(list(model.config.id2label.values()), Scheme.IOB2)
    sentences = [["Empire", "State", "Building", "in", "New", "York"], ["@paulwalk"], ["the", "view"] * 60]
    encoded = encode_words(
        PieceTable(tiny_tokenizer(kind)), sentences, limit=64, overlap=16, on_overflow="window", names=None
    )
    found = [
        tag_words(runtime, encoded, labels, valid_tags=True, batch_pieces=128)
        for runtime in (TorchRuntime(model), KerasRuntime(keras_model(model)))
    ]
    np.testing.assert_array_equal(found[0].ids, found[1].ids)
    np.testing.assert_allclose(found[0].probabilities, found[1].probabilities, atol=1e-4)


def test_what_training_changes_shows():
    model = keras_model(torch_model("distilbert"))
    runtime, step = KerasRuntime(model, batch_pieces=64), train_step(model, 8, learning_rate=1e-2)
    [batch] = batches_for(torch_model("distilbert"), 1)
    labelled = batch["labels"] != -100
    shares = []
    for _ in range(8):
        logits = runtime.logits(batch["input_ids"], batch["attention_mask"])
        shares.append(float((logits.argmax(-1) == batch["labels"])[labelled].mean()))
        step.run([batch])
    assert shares[-1] > shares[0] + 0.3
    assert (runtime.graphs, runtime.batch_pieces) == (1, 64)


def test_bf16_gives_fp32_logits_close_by():
    model = torch_model("bert")
    ours = KerasRuntime(keras_model(model, dtype="mixed_bfloat16"))
    [batch] = batches_for(model, 1)
    logits = ours.logits(batch["input_ids"], batch["attention_mask"])
    exact = TorchRuntime(model).logits(batch["input_ids"], batch["attention_mask"])
    assert (ours.precision, logits.dtype) == ("bf16", np.float32)
    assert 0 < np.abs(logits - exact)[batch["attention_mask"] == 1].max() < 0.2


def test_memory_that_runs_out_halves_the_batches(monkeypatch, caplog):
    model = keras_model(tiny_model())
    labels = LabelMap(model.labels, Scheme.IOB2)
    encoded = encode_words(
        PieceTable(tiny_tokenizer()),
        [["the", "view"]] * 8,
        limit=64,
        overlap=16,
        on_overflow="window",
        names=None,
    )
    runtime = KerasRuntime(model)
    whole = tag_words(runtime, encoded, labels, valid_tags=False, batch_pieces=64)
    compute = runtime._compute

    def greedy(inputs):
        if inputs["input_ids"].shape[0] > 4:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return compute(inputs)

    monkeypatch.setattr(runtime, "_compute", greedy)
    halved = tag_words(runtime, encoded, labels, valid_tags=False, batch_pieces=64)
    assert "out of memory" in caplog.text
    assert halved.batch_pieces < 64
    np.testing.assert_array_equal(whole.ids, halved.ids)


def test_what_the_model_does_not_know_is_refused_by_its_value():
    runtime = KerasRuntime(keras_model(torch_model("distilbert")))
    ids = torch.full((1, 41), 7).numpy()
    with pytest.raises(InputError, match="41 pieces wide, and the encoder takes 40"):
        runtime.logits(ids, np.ones_like(ids))
    with pytest.raises(InputError, match="piece 60, and the encoder knows 60"):
        runtime.logits(np.full((1, 3), 60), np.ones((1, 3), dtype=np.int64))


@pytest.mark.long
def test_several_in_a_process_bring_no_warning_of_tensorflow():
    said = []
    handler = logging.Handler()
    handler.emit = said.append
    tf.get_logger().addHandler(handler)
    try:
        model = torch_model("distilbert")
        (batch,) = batches_for(model, 1)
        for _ in range(6):
            trained = keras_model(model)
            KerasRuntime(trained).logits(batch["input_ids"], batch["attention_mask"])
            train_step(trained, 1).run([batch])
    finally:
        tf.get_logger().removeHandler(handler)
    assert [record.getMessage() for record in said] == []
