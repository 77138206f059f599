"""Learning rates by depth, what decays, and clipping inside the update."""

from __future__ import annotations

import accelerate
import pytest
import torch
import transformers
from torch import nn

from tagwright.config import TrainSettings
from tagwright.train.faststep import FastStep
from tagwright.train.optimizer import build_optimizer, clip, default_learning_rate, depths
from tests.models import tiny_model

KINDS = ("distilbert", "bert", "roberta")


def group_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, object]:
    [group] = [
        group
        for group in optimizer.param_groups
        if any(parameter is candidate for candidate in group["params"])
    ]
    return group


@pytest.mark.parametrize("kind", KINDS)
def test_depth_counts_layers_above(kind):
    found = depths(tiny_model(kind))
    assert {name.split(".")[0] for name, depth in found.items() if depth == 0} == {"classifier"}
    layer = "layer.{}."
    for name, depth in found.items():
        if name.startswith("classifier"):
            continue
        expected = 1 if layer.format(1) in name else 2 if layer.format(0) in name else 3
        assert depth == expected, name
    assert any("embeddings.LayerNorm" in name for name, depth in found.items() if depth == 3)


def test_an_encoder_that_repeats_one_layer_is_not_taken_for_a_head():
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.AlbertConfig(vocab_size=50, embedding_size=16, **sizes)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    assert {name for name, depth in depths(model).items() if depth == 0} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_embeddings_lie_at_the_bottom_whatever_their_name():
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    found = depths(transformers.AutoModelForTokenClassification.from_config(config))
    assert (found["transformer.wte.weight"], found["transformer.wpe.weight"]) == (3, 3)
    assert (found["transformer.h.1.ln_1.weight"], found["transformer.ln_f.weight"]) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_parameter_has_its_rate_and_its_decay_once(kind):
    model = tiny_model(kind)
    settings = TrainSettings(layer_decay=0.5, head_rate=4, weight_decay=0.02)
    optimizer = build_optimizer(model, settings, 1e-3)
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())
    levels = depths(model)
    for name, parameter in model.named_parameters():
        group = group_of(optimizer, parameter)
        assert group["lr"] == pytest.approx(1e-3 * {0: 4, 1: 1, 2: 0.5, 3: 0.25}[levels[name]]), name
        spared = name.endswith("bias") or "norm" in name.lower()
        assert group["weight_decay"] == (0 if spared else 0.02), name
    assert (optimizer.defaults["betas"], optimizer.defaults["eps"]) == ((0.9, 0.999), 1e-8)


def test_everything_decays_when_asked():
    optimizer = build_optimizer(tiny_model(), TrainSettings(decay_all=True, weight_decay=0.02), 1e-3)
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.02}


def test_the_guides_rates_are_one_rate():
    optimizer = build_optimizer(tiny_model(), TrainSettings(layer_decay=1, head_rate=1), 2e-5)
    assert {group["lr"] for group in optimizer.param_groups} == {2e-5}


def test_the_fast_embeddings_learn_as_the_plain_ones():
    model = tiny_model()
    ids = {"input_ids": torch.arange(8)[None], "attention_mask": torch.ones(1, 8, dtype=torch.int64)}
    assert FastStep(model, torch.arange(8).numpy(), bf16=False, seed=0).apply(ids) is None
    optimizer = build_optimizer(model, TrainSettings(layer_decay=0.5, weight_decay=0.02), 1e-3)
    [rows] = model.get_input_embeddings().parameters()
    group = group_of(optimizer, rows)
    assert (group["lr"], group["weight_decay"]) == (pytest.approx(0.25e-3), 0.02)


def test_a_frozen_parameter_is_left_out():
    model = tiny_model()
    model.classifier.bias.requires_grad_(False)
    optimizer = build_optimizer(model, TrainSettings(), 1e-3)
    assert not any(model.classifier.bias is p for group in optimizer.param_groups for p in group["params"])


@pytest.mark.parametrize(("width", "rate"), [(128, 2.5e-4), (384, 2.5e-4), (768, 8.839e-5), (1024, 5.741e-5)])
def test_wider_encoders_learn_at_a_lower_rate(width, rate):
    assert default_learning_rate(width) == pytest.approx(rate, rel=1e-3)


# Clipping: the fused update divides by `grad_scale`


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def give_gradients(model: nn.Module, step: int, size: float) -> None:
    draw = torch.Generator().manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = size * torch.randn(parameter.shape, generator=draw)


@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 100.0])
@pytest.mark.parametrize("wrapped", [False, True])
def test_clipping_equals_clip_grad_norm_and_an_ordinary_step(size, wrapped):
    ours, plain = network(), network()
    rates = {"lr": 0.01, "weight_decay": 0.1}
    fused = torch.optim.AdamW(ours.parameters(), **rates, fused=True)
    ordinary = torch.optim.AdamW(plain.parameters(), **rates, foreach=False, fused=False)
    optimizer = accelerate.Accelerator(cpu=True).prepare(fused) if wrapped else fused
    for step in range(5):
        give_gradients(ours, step, size)
        give_gradients(plain, step, size)
        norm = clip(fused, ours.parameters(), 1.0)
        expected = nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        torch.testing.assert_close(norm, expected, rtol=1e-5, atol=0)
        optimizer.step()
        ordinary.step()
        optimizer.zero_grad()
        for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)
    for mine, theirs in zip(ours.parameters(), plain.parameters(), strict=True):
        for name in (
            "exp_avg",
            "exp_avg_sq",
        ):  # the moments tell clipped gradients from others, scale and all
            torch.testing.assert_close(
                fused.state[mine][name], ordinary.state[theirs][name], rtol=1e-4, atol=1e-12
            )


def test_gradients_within_the_norm_are_left_alone():
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    give_gradients(model, 0, 1e-3)
    clip(optimizer, model.parameters(), 1.0)
    assert optimizer.grad_scale == 1
