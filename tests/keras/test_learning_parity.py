"""Twelve optimizer steps in both engines: the same losses, the same norms, the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from tagwright.errors import MissingExtraError
from tagwright.model.minilm import minilm_files
from tagwright.model.network import build_network
from tagwright.tags import LabelMap, Scheme

pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")

from tests.keras.learning import (
    KINDS,
    LABELS,
    batches_for,
    keras_model,
    torch_losses,
    torch_model,
    train_step,
)

STEPS = 12
RECIPES = {
    "plain": {"layer_decay": 1.0, "head_rate": 1.0},
    "layers": {"layer_decay": 0.8, "head_rate": 5.0},
    "accumulated": {"layer_decay": 0.8, "head_rate": 5.0, "accumulation": 2},
    "unclipped": {"max_grad_norm": 0.0, "decay_all": True, "weight_decay": 0.3},
}


def both(model, recipe, **sizes):
    """Train both engines for twelve steps; return their losses and norms, and the largest difference of a weight.

    The keys' biases shift all scores of a row alike, which softmax does not see: their gradients are rounding errors,
    of which Adam makes steps of full size. They are left out.
    """
    size = recipe.get("accumulation", 1)
    batches = batches_for(model, STEPS * size, **sizes)
    ours = keras_model(model)
    step = train_step(ours, STEPS, warmup_steps=3, **recipe)
    found = [step.run(batches[first : first + size]) for first in range(0, len(batches), size)]
    reference = torch_losses(model, batches, STEPS, warmup_steps=3, **recipe)
    assert step.graphs == 1
    theirs = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    apart = max(
        float(np.abs(values - theirs[name]).max())
        for name, values in ours.tensors().items()
        if not name.endswith(("k_lin.bias", "key.bias"))
    )
    return np.array([(one.loss, one.gradient_norm) for one in found]), np.array(reference), apart


ROUND = [(kind, recipe) for recipe in RECIPES for kind in KINDS]
SHORT = set(zip(KINDS, [*RECIPES, "layers"], strict=True))
"""A graph for each takes its second: each kind and each recipe in the short run, all of both in the long one."""


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [pytest.param(*one, marks=() if one in SHORT else pytest.mark.long) for one in ROUND],
)
def test_twelve_steps_are_pytorch_s(kind, recipe):
    model = torch_model(kind)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ours, theirs, apart = both(model, RECIPES[recipe])
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(ours[:, 1], theirs[:, 1], rtol=1e-4)
    assert (
        max(float((tensor - before[name]).abs().max()) for name, tensor in model.state_dict().items()) > 5e-3
    )
    assert apart < 2e-5


@pytest.mark.long
@pytest.mark.real
def test_twelve_steps_are_pytorch_s_on_real_weights():
    try:
        minilm_files()
    except MissingExtraError as error:
        pytest.skip(str(error))
    network = build_network(
        "minilm", LabelMap(LABELS, Scheme.IOB2), dropout=0.0, attention_dropout=0.0, seed=0
    )
    sizes = {"vocabulary": network.model.config.vocab_size, "rows": 8}
    ours, theirs, apart = both(network.model, {"learning_rate": 2.5e-4}, **sizes)
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=0, atol=1e-3)
    assert apart < 1e-4
