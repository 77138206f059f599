"""AdamW against PyTorch's, the schedule against transformers', and both in plain `compile` and `fit`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tagwright.keras.optimizer import AdamW, create_optimizer  # noqa: E402
from tagwright.keras.schedule import LinearSchedule  # noqa: E402

ROWS, WIDTH = 7, 5


def weights(variables):
    """Return copies of Keras variables; NumPy 2.4 warns of Keras' own way from a variable to an array."""
    return [variable.value.numpy() for variable in variables]


def both(start, gradients, *, rate=1e-2, decay=0.1, clip=None, epsilon=1e-8, compiled=False):
    """Run the same gradients through both optimizers and return both lists of weights."""
    ours = [keras.Variable(value, name=name) for name, value in start.items()]
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in start.values()]
    optimizer = AdamW(rate, weight_decay=decay, epsilon=epsilon, global_clipnorm=clip)
    optimizer.build(ours)
    spared = [name in ("bias", "gamma") for name in start]
    reference = torch.optim.AdamW(
        [
            {"params": [weight], "weight_decay": 0.0 if free else decay}
            for weight, free in zip(theirs, spared, strict=True)
        ],
        lr=rate,
        eps=epsilon,
    )
    apply = tf.function(lambda *values: optimizer.apply(list(values))) if compiled else optimizer.apply
    for step in gradients:
        apply(*([tf.constant(one) for one in step] if compiled else [[tf.constant(one) for one in step]]))
        for weight, gradient in zip(theirs, step, strict=True):
            weight.grad = torch.tensor(gradient)
        if clip:
            torch.nn.utils.clip_grad_norm_(theirs, clip)
        reference.step()
    assert int(optimizer.iterations) == len(gradients)
    return weights(ours), [weight.detach().numpy() for weight in theirs]


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_updates_are_torch_s_at_every_size_of_gradient(scale, clip):
    # At 1e-9 and below epsilon decides: added before the correction it would move weights by a thirtieth.
    draw = np.random.default_rng(0)
    start = {
        "kernel": draw.normal(size=(ROWS, WIDTH)).astype(np.float32),
        "bias": draw.normal(size=WIDTH).astype(np.float32),
        "gamma": np.ones(WIDTH, dtype=np.float32),
    }
    gradients = [
        [(scale * draw.normal(size=value.shape)).astype(np.float32) for value in start.values()]
        for _ in range(20)
    ]
    ours, theirs = both(start, gradients, clip=clip, compiled=True)
    for name, our, their in zip(start, ours, theirs, strict=True):
        assert np.abs(our - their).max() < 3e-7, name  # two roundings of a weight of 2


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(1e-5, 0.1),
    st.floats(0, 0.5),
    st.sampled_from([1e-8, 1e-6, 1e-3]),
    st.integers(-12, 3),
)
def test_updates_are_torch_s_for_any_setting(seed, rate, decay, epsilon, exponent):
    draw = np.random.default_rng(seed)
    start = {"kernel": draw.normal(size=(3, 2)).astype(np.float32)}
    gradients = [[(10.0**exponent * draw.normal(size=(3, 2))).astype(np.float32)] for _ in range(5)]
    ours, theirs = both(start, gradients, rate=rate, decay=decay, epsilon=epsilon)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=2e-6, atol=rate * 1e-4)


def test_the_first_steps_move_by_the_rate_and_no_more():
    weight = keras.Variable(np.zeros(3, dtype=np.float32), name="kernel")
    optimizer = AdamW(0.5, weight_decay=0.0)
    optimizer.build([weight])
    optimizer.apply([tf.constant([3.0, -1e-3, 1e-8])])
    # The last one is as large as epsilon: half a step.
    np.testing.assert_allclose(weights([weight])[0], [-0.5, 0.499995, -0.25], rtol=1e-6)


def test_rows_of_a_table_are_added_up_and_counted_once_in_the_norm():
    start = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    rows, values = [2, 2, 5], np.full((3, WIDTH), 4.0, dtype=np.float32)
    whole = np.zeros_like(start)
    np.add.at(whole, rows, values)
    tables = []
    for gradient in (tf.IndexedSlices(values, rows, start.shape), tf.constant(whole)):
        table = keras.Variable(start, name="embeddings")
        optimizer = AdamW(1e-2, global_clipnorm=1e-3, epsilon=1e-2)
        optimizer.build([table])
        optimizer.apply([gradient])
        optimizer.apply([gradient])
        tables.append(weights([table])[0])
    assert tables[0].tobytes() == tables[1].tobytes()


def test_biases_and_norms_are_not_decayed_unless_asked():
    def decayed(**settings):
        names = ("kernel", "embeddings", "bias", "attention_bias", "gamma", "beta", "scale")
        held = [keras.Variable(np.ones(2, dtype=np.float32), name=name) for name in names]
        optimizer = AdamW(0.1, weight_decay=0.5, **settings)
        optimizer.build(held)
        optimizer.apply([tf.zeros(2) for _ in names])
        return {variable.name for variable in held if float(variable[0]) < 1}

    assert decayed() == {"kernel", "embeddings"}
    assert len(decayed(decay_all=True)) == 7


def test_more_can_be_kept_from_decay():
    first, second = (keras.Variable(np.ones(2, dtype=np.float32), name="kernel") for _ in range(2))
    bias = keras.Variable(np.ones(2, dtype=np.float32), name="bias")
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[second])
    optimizer.build([first, second, bias])
    optimizer.apply([tf.zeros(2)] * 3)
    assert [float(variable[0]) for variable in (first, second, bias)] == [pytest.approx(0.95), 1.0, 1.0]


def test_rates_scale_the_move_and_the_decay():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
    before = weights(model.trainable_variables)
    low, _, high, _ = (variable.path for variable in model.trainable_variables)
    moves = []
    for rates in ({}, {low: 0.1, high: 5.0}):
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)
        optimizer = AdamW(1e-3, weight_decay=0.5, rates=rates)
        optimizer.build(model.trainable_variables)
        optimizer.apply([tf.ones(variable.shape) for variable in model.trainable_variables])
        moves.append(
            [after - was for after, was in zip(weights(model.trainable_variables), before, strict=True)]
        )
    for plain, scaled, factor in zip(*moves, (0.1, 1.0, 5.0, 1.0), strict=True):
        np.testing.assert_allclose(scaled, plain * factor, rtol=1e-3)


def tiny_network(policy="float32"):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.layers.Input((None,), dtype="int32"),
            keras.layers.Embedding(20, 8, dtype=policy),
            keras.layers.LayerNormalization(dtype=policy),
            keras.layers.Dense(3, dtype=policy),
            keras.layers.Activation("linear", dtype="float32"),
        ]
    )


def fitted(optimizer, policy="float32", *, epochs=3):
    draw = np.random.default_rng(0)
    inputs = draw.integers(0, 20, (32, 6)).astype(np.int32)
    model = tiny_network(policy)
    model.compile(optimizer=optimizer, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(inputs, inputs % 3, batch_size=8, epochs=epochs, verbose=0, shuffle=False)
    return model, history.history["loss"]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_fit_learns_under_every_policy(policy):
    optimizer, schedule = create_optimizer(0.1, num_train_steps=48, num_warmup_steps=4)
    model, losses = fitted(optimizer, policy, epochs=12)
    assert losses[-1] < 0.2 * losses[0]
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)
    assert int(optimizer.iterations) == 48
    assert float(optimizer.learning_rate) == float(schedule(48)) == 0


def test_fit_accumulates_and_averages():
    _, losses = fitted(
        AdamW(0.05, gradient_accumulation_steps=2, use_ema=True, global_clipnorm=1.0), epochs=12
    )
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)  # Keras'
def test_an_optimizer_comes_back_from_its_config_and_from_a_saved_model(tmp_path):
    optimizer, _ = create_optimizer(0.05, num_train_steps=40, num_warmup_steps=4, weight_decay_rate=0.02)
    model, _ = fitted(optimizer)
    again = AdamW.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()
    assert float(again._learning_rate(2)) == pytest.approx(0.025)
    assert AdamW.from_config(AdamW(1e-3, decay_all=True, rates={"a/b": 2.0}).get_config()).rates == {
        "a/b": 2.0
    }

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = np.arange(16, dtype=np.int32).reshape(2, 8)
    for one in (model, loaded):
        one.fit(inputs, inputs % 3, epochs=2, verbose=0, shuffle=False)
    found = [weights(one.trainable_variables) for one in (model, loaded)]
    for left, right in zip(*found, strict=True):
        assert left.tobytes() == right.tobytes()


def test_what_it_cannot_compute_is_refused():
    with pytest.raises(InputError, match="amsgrad = True"):
        AdamW(1e-3, amsgrad=True)
    with pytest.raises(InputError, match=r"bfloat16.*mixed_bfloat16"):
        AdamW(1e-3).build([keras.Variable(np.ones(2), name="kernel", dtype="bfloat16")])
    with pytest.raises(InputError, match=r"no variable 'kernle'.*kernel"):
        AdamW(1e-3, rates={"kernle": 2.0}).build([keras.Variable(np.ones(2), name="kernel")])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.data())
def test_the_schedule_is_transformers_at_every_step(steps, data):
    warmup = data.draw(st.integers(0, steps))
    weight = torch.nn.Parameter(torch.zeros(1))
    theirs = torch.optim.SGD([weight], lr=2e-4)
    scheduler = transformers.get_linear_schedule_with_warmup(theirs, warmup, steps)
    ours = LinearSchedule(2e-4, steps, warmup)
    for step in range(steps + 3):
        assert float(ours(step)) == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-6, abs=1e-12)
        theirs.step()
        scheduler.step()


def test_the_rate_may_end_above_zero_and_the_schedule_comes_back_from_its_config():
    _, schedule = create_optimizer(1e-3, num_train_steps=10, num_warmup_steps=2, min_lr_ratio=0.2)
    for one in (schedule, LinearSchedule.from_config(schedule.get_config())):
        assert [float(one(step)) for step in (0, 1, 2, 6, 10, 11)] == pytest.approx(
            [0, 5e-4, 1e-3, 6e-4, 2e-4, 2e-4]
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"init_lr": -1e-3}, "init_lr = -0.001"),
        ({"init_lr": "2e-5"}, "init_lr = '2e-5'"),
        ({"init_lr": float("nan")}, "init_lr = nan"),
        ({"num_train_steps": 0}, "num_train_steps = 0"),
        ({"num_train_steps": 2.5}, "num_train_steps = 2.5"),
        ({"num_train_steps": None}, "num_train_steps = None"),
        ({"num_warmup_steps": -1}, "num_warmup_steps = -1"),
        ({"num_warmup_steps": 11}, "num_warmup_steps = 11 of num_train_steps = 10"),
        ({"num_warmup_steps": 0.1}, "num_warmup_steps = 0.1"),
        ({"min_lr_ratio": 1.5}, "min_lr_ratio = 1.5"),
        ({"adam_beta1": 1.0}, "adam_beta1 = 1.0"),
        ({"adam_beta2": -0.1}, "adam_beta2 = -0.1"),
        ({"adam_epsilon": -1e-8}, "adam_epsilon = -1e-08"),
        ({"adam_global_clipnorm": -1.0}, "adam_global_clipnorm = -1.0"),
        ({"weight_decay_rate": float("inf")}, "weight_decay_rate = inf"),
    ],
)
def test_a_wrong_argument_is_named(settings, said):
    with pytest.raises(InputError) as caught:
        create_optimizer(**{"init_lr": 1e-3, "num_train_steps": 10, **settings})
    assert said in str(caught.value)
    assert caught.value.mend
