"""One step: one graph for all shapes, exact resumption, and nothing changed by what is not a number."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tagwright.errors import InputError

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.keras.buckets import pad_to_bucket  # noqa: E402
from tagwright.keras.rates import depths as depths_by_name  # noqa: E402
from tagwright.keras.rates import rate_factors  # noqa: E402
from tagwright.train.optimizer import depths  # noqa: E402
from tests.keras.learning import (  # noqa: E402
    KINDS,
    LABELS,
    POSITIONS,
    VOCABULARY,
    batches_for,
    keras_model,
    random_batches,
    torch_model,
    train_step,
)


def state_of(step):
    """Return everything that a step may change, as bytes."""
    held = {**step.model.tensors(), **step.state()}
    return {name: values.tobytes() for name, values in held.items()}


def build(kind="bert", *, dropout=0.2, **settings):
    return train_step(
        keras_model(torch_model(kind, dropout=dropout, layers=1)), steps=6, warmup_steps=2, **settings
    )


@pytest.fixture(scope="module")
def fresh():
    """Return what builds a step, or takes one that was built before back to its beginning: a graph costs a second."""
    built = {}

    def take(kind="bert", **settings):
        key = (kind, *sorted(settings.items()))
        if key not in built:
            step = build(kind, **settings)
            built[key] = step, step.model.tensors(), step.state()
        step, tensors, state = built[key]
        step.model.load_tensors(tensors)
        step.restore(state)
        return step

    return take


@pytest.mark.parametrize("kind", KINDS)
def test_depths_read_from_names_are_those_of_the_network(kind):
    expected = depths(torch_model(kind))
    found = depths_by_name(expected)
    assert found == expected
    factors = rate_factors(expected, layer_decay=0.5, head_rate=4)
    assert {found[name]: factor for name, factor in factors.items()} == {0: 4, 1: 1, 2: 0.5, 3: 0.25}


def test_one_graph_serves_all_shapes_and_numbers_of_batches(fresh):
    step = fresh()
    batches = batches_for(torch_model("bert"), 9)
    for first, last in ((0, 1), (1, 4), (4, 5), (5, 9)):
        step.run(batches[first:last])
    assert len({batch["input_ids"].shape for batch in batches}) > 5
    assert step.graphs == 1
    assert int(step.state()["iterations"]) == 4


def test_batches_of_a_step_add_up_to_the_batch_of_all_their_sentences(fresh):
    [whole] = random_batches(1, rows=12)
    parts = [
        {name: values[rows] for name, values in whole.items()}
        for rows in (slice(0, 2), slice(2, 9), slice(9, 12))
    ]
    found = []
    for group in ([whole], parts):
        step = fresh("distilbert", dropout=0.0)
        before = step.model.tensors()
        found.append(([step.run(group) for _ in range(3)], step.model.tensors()))
    (ones, tensors), (threes, others) = found
    for one, three in zip(ones, threes, strict=True):
        assert one.loss == pytest.approx(three.loss, rel=1e-5)
        assert one.gradient_norm == pytest.approx(three.gradient_norm, rel=1e-4)
    for name, values in tensors.items():
        if not name.endswith("k_lin.bias"):  # rounding errors, of which Adam makes full steps
            np.testing.assert_allclose(values, others[name], atol=2e-5)
    assert any(np.abs(values - before[name]).max() > 1e-3 for name, values in tensors.items())


def test_the_learning_rate_climbs_and_falls(fresh):
    step = fresh()
    rates = [step.learning_rate]
    for batch in random_batches(6):
        before = step.model.tensors()
        step.run([batch])
        moved = any((values != before[name]).any() for name, values in step.model.tensors().items())
        assert moved == (rates[-1] > 0)
        rates.append(step.learning_rate)
    assert rates == pytest.approx([0, 5e-4, 1e-3, 7.5e-4, 5e-4, 2.5e-4, 0])


@pytest.mark.parametrize("size", [1, 2])
def test_a_resumed_run_is_the_unbroken_one_to_the_last_bit(fresh, tmp_path, size):
    batches = batches_for(torch_model("bert"), 6 * size)
    groups = [batches[first : first + size] for first in range(0, len(batches), size)]
    straight = fresh()
    losses = [straight.run(group).loss for group in groups]
    final = state_of(straight)

    broken = fresh()
    assert [broken.run(group).loss for group in groups[:3]] == losses[:3]
    save_file(broken.model.tensors(), tmp_path / "model.safetensors")
    save_file(broken.state(), tmp_path / "optimizer.safetensors")

    resumed = build()
    resumed.run(groups[0])  # what it did before is forgotten
    resumed.model.load_tensors(load_file(tmp_path / "model.safetensors"))
    resumed.restore(load_file(tmp_path / "optimizer.safetensors"))
    assert [resumed.run(group).loss for group in groups[3:]] == losses[3:]
    assert state_of(resumed) == final


def test_the_state_is_a_copy_under_names_that_stay(fresh):
    step = fresh()
    step.run(random_batches(1))
    state = step.state()
    kept = {name: values.copy() for name, values in state.items()}
    step.run(random_batches(1, seed=1))
    for name, values in kept.items():
        np.testing.assert_array_equal(state[name], values)
    names = set(step.model.tensors())
    assert {name.partition("/")[0] for name in state} == {"iterations", "momentum", "velocity", "dropout"}
    assert {name.partition("/")[2] for name in state if name.startswith("momentum/")} == names
    assert {name.partition("/")[2] for name in state if name.startswith("velocity/")} == names


def test_a_state_of_another_model_is_refused_and_changes_nothing(fresh):
    step = fresh()
    step.run(random_batches(1))
    before, state = state_of(step), step.state()
    head = "momentum/classifier.weight"
    lacking = {name: values for name, values in state.items() if name != head}
    for wrong, said in (
        (lacking, f"lacks '{head}'"),
        ({**state, "momentum/other": state[head]}, "holds 'momentum/other'"),
        ({**state, head: state[head][:1]}, r"'momentum/classifier.weight' has the shape \(1, 5\).*\(32, 5\)"),
    ):
        with pytest.raises(InputError, match=said):
            step.restore(wrong)
    assert state_of(step) == before


PROGRAM = """
from hashlib import sha256
from tests.keras.learning import keras_model, random_batches, torch_model, train_step
from tests.keras.test_step import state_of
for _ in range(2):
    step = train_step(keras_model(torch_model("bert", dropout=0.1, width=256, layers=4)), 6)
    for batch in random_batches(6, rows=32):
        step.run([batch])
    print(sha256(b"".join(state_of(step).values())).hexdigest())
"""


@pytest.mark.long
def test_two_processes_with_two_threads_train_to_the_same_bits():
    settings = {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"}
    sums = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert len(sums[0]) == 2
    assert len({*sums[0], *sums[1]}) == 1


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_not_finite_changes_nothing_and_is_reported(fresh, poison, place):
    step = fresh("distilbert", dropout=0.0)
    step.run(random_batches(2))
    name = "classifier.bias"
    tensors = step.model.tensors()
    healthy, tensors[name] = tensors[name].copy(), tensors[name].copy()
    tensors[name][0] = poison
    step.model.load_tensors(tensors)
    before = state_of(step)
    unlabelled = [{**batch, "labels": np.full_like(batch["labels"], -100)} for batch in random_batches(2)]
    group = [*unlabelled[:place], *random_batches(1), *unlabelled[place:1]]
    result = step.run(group)
    assert not result.finite
    assert state_of(step) == before

    step.model.load_tensors({**tensors, name: healthy})
    assert step.run(group).finite
    assert state_of(step) != before


def test_a_finite_loss_with_gradients_that_are_not_changes_nothing(fresh):
    step = fresh("distilbert", dropout=0.0)
    tensors = step.model.tensors()
    tensors["classifier.weight"] = np.full_like(tensors["classifier.weight"], 3e38)  # all logits alike
    step.model.load_tensors(tensors)
    before = state_of(step)
    assert not step.run(random_batches(1)).finite
    assert state_of(step) == before


def test_a_step_without_any_label_has_the_loss_0(fresh):
    step = fresh("distilbert", dropout=0.0)
    [batch] = random_batches(1)
    result = step.run([{**batch, "labels": np.full_like(batch["labels"], -100)}] * 2)
    assert (result.loss, result.gradient_norm, result.finite) == (0, 0, True)


@pytest.mark.parametrize(("kind", "pad_id"), [("distilbert", 0), ("roberta", 1)])
def test_padding_changes_neither_the_loss_nor_the_step(fresh, kind, pad_id):
    batches = batches_for(torch_model(kind), 4)
    step = fresh(kind, dropout=0.0)
    plain = [step.run([batch]) for batch in batches]
    step = fresh(kind, dropout=0.0)
    fill = {"input_ids": pad_id, "labels": -100}
    padded = []
    for batch in batches:  # three rows of nothing as well
        more = {
            name: np.pad(values, ((0, 3), (0, 0)), constant_values=fill.get(name, 0))
            for name, values in batch.items()
        }
        padded.append(step.run([pad_to_bucket(more, POSITIONS, pad_id=pad_id)]))
    for left, right in zip(plain, padded, strict=True):
        assert left.loss == pytest.approx(right.loss, rel=1e-5)
        assert left.gradient_norm == pytest.approx(right.gradient_norm, rel=1e-4)


def test_bf16_learns_too():
    model = keras_model(torch_model("distilbert", layers=1), dtype="mixed_bfloat16")
    step = train_step(model, 40, learning_rate=3e-3)
    batches = random_batches(4)
    losses = [step.run([batches[number % 4]]).loss for number in range(40)]
    assert losses[-1] < 0.5 * losses[0]


def test_frozen_variables_stay_and_have_no_moments():
    model = keras_model(torch_model("distilbert", layers=1))
    model.encoder.embeddings.trainable = False
    step = train_step(model, 4)
    before = model.tensors()
    step.run(random_batches(1))
    for name, values in model.tensors().items():
        assert ("embeddings" in name) == bool((values == before[name]).all()), name
    assert not [name for name in step.state() if "embeddings" in name]


def test_running_out_of_memory_is_a_memory_error(fresh, monkeypatch):
    step, said = (
        fresh(),
        "Graph execution error:\n\nDetected at node mul\nOOM when allocating tensor of shape [9]\n",
    )

    def fail(*inputs):
        raise tf.errors.ResourceExhaustedError(None, None, said)

    monkeypatch.setattr(step, "_add", fail)
    with pytest.raises(MemoryError, match=r"^OOM when allocating tensor of shape \[9\]$"):
        step.run(random_batches(1))


@pytest.mark.long  # TensorFlow tries for ten seconds
def test_memory_that_does_run_out_is_a_memory_error(monkeypatch):
    step = build()
    call = step.model.call

    def greedy(inputs, training=False):
        size = tf.size(inputs["input_ids"], out_type=tf.int64) * 2**36
        return call(inputs, training=training) + tf.reduce_sum(tf.random.uniform([size]))

    monkeypatch.setattr(step.model, "call", greedy)
    with pytest.raises(MemoryError, match=r"^OOM when allocating"):
        step.run(random_batches(1))


def test_what_the_model_does_not_know_is_refused_by_its_value(fresh):
    step = fresh()
    [batch] = random_batches(1)
    before = state_of(step)

    def with_first(name, value):
        values = batch[name].copy()
        values[0, 0] = value
        return {**batch, name: values}

    wide = {name: np.repeat(values, 20, axis=1) for name, values in batch.items()}
    cases = [
        ([with_first("input_ids", VOCABULARY)], f"piece {VOCABULARY}, and the encoder knows {VOCABULARY}"),
        ([with_first("input_ids", -1)], "piece -1"),
        ([with_first("labels", len(LABELS))], "label 5, and the model knows 5"),
        ([with_first("labels", -1)], "label -1"),
        ([batch, wide], f"{wide['labels'].shape[1]} pieces wide, and the encoder takes {POSITIONS}"),
        ([], "no batches"),
    ]
    for batches, said in cases:
        with pytest.raises(InputError, match=said):
            step.run(batches)
    typed = {**batch, "token_type_ids": np.full_like(batch["labels"], 2)}
    with pytest.raises(InputError, match="token type 2, and the encoder knows 2"):
        fresh().run([typed])
    with pytest.raises(InputError, match="float16"):
        train_step(keras_model(torch_model("distilbert"), dtype="mixed_float16"), 4)
    assert state_of(step) == before


def test_a_trained_model_is_let_go():
    step = build("distilbert")
    step.run(random_batches(1))
    # The graph holds the memory of the variables; Keras' own optimizers leave it in a registry for good.
    graph = weakref.ref(step._add.get_concrete_function().graph)
    del step
    gc.collect()
    assert graph() is None
