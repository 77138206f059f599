"""PyTorch's runtime against transformers' own forward, for each family of encoders."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from tagwright.predict.runtimes import attention, packed
from tagwright.predict.runtimes.flat import FlatBatch
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.train.faststep import FastStep
from tests.models import LABELS, tiny_model

WIDE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.4,
    "pad_token_id": 0,
    "num_labels": 5,
}
CONFIGS = {
    "electra": lambda: transformers.ElectraConfig(embedding_size=16, **WIDE),
    "deberta": lambda: transformers.DebertaV2Config(
        relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=8, type_vocab_size=0, **WIDE
    ),
    "modernbert": lambda: transformers.ModernBertConfig(
        global_attn_every_n_layers=2, local_attention=8, bos_token_id=1, eos_token_id=2, **WIDE
    ),
    "albert": lambda: transformers.AlbertConfig(embedding_size=16, **WIDE),
}
KINDS = ("distilbert", "bert", "roberta", "unigram", *CONFIGS)
LENGTHS = ([1], [7, 7, 7], [64, 64], [1, 30, 64, 2, 2, 17], [12, 9])


def build(kind: str) -> transformers.PreTrainedModel:
    if kind not in CONFIGS:
        return tiny_model(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.AutoModelForTokenClassification.from_config(CONFIGS[kind]()).eval()


def batches(model: transformers.PreTrainedModel, lengths=LENGTHS):
    random = np.random.default_rng(0)
    for sizes in lengths:
        mask = (np.arange(max(sizes)) < np.array(sizes)[:, None]).astype(np.int64)
        ids = random.integers(5, model.config.vocab_size, mask.shape)
        yield np.where(mask, ids, model.config.pad_token_id), mask


def plain(model: transformers.PreTrainedModel, input_ids, attention_mask):
    with torch.inference_mode():
        inputs = {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention_mask),
        }
        return model(**inputs).logits.float().numpy()


def distance(found, expected, mask):
    """Return the norm of the difference on real pieces, relative to what is expected."""
    shown = mask == 1
    return np.linalg.norm((found - expected)[shown]) / np.linalg.norm(expected[shown])


@pytest.mark.parametrize("kind", KINDS)
def test_fp32_is_the_plain_forward_but_for_rounding(kind):
    model = build(kind)
    runtime = TorchRuntime(deepcopy(model), precision="fp32", device="cpu")
    for batch in batches(model):
        found = runtime.logits(*batch)
        assert (found.dtype, found.shape) == (np.float32, (*batch[0].shape, model.config.num_labels))
        assert distance(found, plain(model, *batch), batch[1]) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_as_near_as_plain_bf16(kind):
    model = build(kind)
    rounded = deepcopy(model).to(torch.bfloat16)
    runtime = TorchRuntime(deepcopy(model), precision="bf16", device="cpu")
    ours, theirs = [], []
    for batch in batches(model):
        exact = plain(model, *batch)
        ours.append(distance(runtime.logits(*batch), exact, batch[1]))
        theirs.append(distance(plain(rounded, *batch), exact, batch[1]))
    assert 0 < np.mean(ours) < 1.5 * np.mean(theirs)
    assert max(ours) < 2 * max(theirs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["distilbert", "roberta"])
def test_the_same_batch_gives_the_same_bytes(kind, precision):
    runtimes = [TorchRuntime(tiny_model(kind), precision=precision, device="cpu") for _ in range(2)]
    for batch in batches(tiny_model(kind)):
        first, again, other = (runtimes[number].logits(*batch).tobytes() for number in (0, 0, 1))
        assert first == again == other


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_change_a_window_s_fp32_logits_by_rounding_alone(kind):
    model = build(kind)
    runtime = TorchRuntime(model, precision="fp32", device="cpu")
    [(input_ids, mask)] = batches(model, [[5, 40, 1, 23]])
    together = runtime.logits(input_ids, mask)
    for row, length in enumerate(mask.sum(1)):
        alone = runtime.logits(input_ids[row : row + 1, :length], mask[row : row + 1, :length])
        np.testing.assert_allclose(together[row, :length], alone[0], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_torch_without_the_private_operators_computes_with_plain_layers(precision, monkeypatch):
    def missing(*_: object) -> None:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_reorder_linear_weight'")

    model = tiny_model("bert")
    packing = TorchRuntime(deepcopy(model), precision=precision, device="cpu")
    monkeypatch.setattr(packed, "_pack", missing)
    runtime = TorchRuntime(deepcopy(model), precision=precision, device="cpu")
    assert not [layer for layer in runtime._model.modules() if isinstance(layer, packed.PackedLinear)]
    for batch in batches(model):
        near = distance(runtime.logits(*batch), packing.logits(*batch), batch[1])
        assert near < (1e-5 if precision == "fp32" else 0.02)


@pytest.mark.parametrize("kind", ["distilbert", "bert", "roberta", "unigram", "electra", "deberta"])
def test_gelu_goes_with_the_product_before_it(kind):
    model = build(kind)
    runtime = TorchRuntime(deepcopy(model), precision="fp32", device="cpu")
    fused = [
        layer for layer in runtime._model.modules() if isinstance(layer, packed.PackedLinear) and layer.gelu
    ]
    assert len(fused) == 2
    for layer in fused:
        assert layer.weight.shape == (64, 32)  # from here on the layer is plain
    for batch in batches(model):
        assert distance(runtime.logits(*batch), plain(model, *batch), batch[1]) < 1e-5


def test_operators_that_answer_otherwise_are_not_used(monkeypatch):
    monkeypatch.setattr(packed, "_multiply", lambda rows, weight, *_, **__: rows @ weight.to_dense().T)
    assert packed.pack_linears(tiny_model()) == 0


class Reader(nn.Module):
    """A model that reads a weight itself, and one that has one layer in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.shared, self.hooked = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.again = self.shared
        self.hooked.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 2,))

    def forward(self, rows):
        return self.hooked(self.again(self.shared(rows @ self.read.weight.T))) + self.read(rows)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("plain_again", [False, True])
def test_a_runtime_can_be_copied(plain_again, precision):
    model = tiny_model("roberta")
    runtime = TorchRuntime(deepcopy(model), precision=precision, device="cpu")
    layers = [layer for layer in runtime._model.modules() if isinstance(layer, packed.PackedLinear)]
    if plain_again:
        assert all(layer.weight.ndim == 2 for layer in layers)
    [batch] = batches(model, [[9, 4]])
    for copy in (deepcopy(runtime), pickle.loads(pickle.dumps(runtime))):
        assert copy.logits(*batch).tobytes() == runtime.logits(*batch).tobytes()


def test_a_model_that_reads_its_weights_gets_them():
    model = Reader().requires_grad_(False)
    rows = torch.randn(3, 8)
    expected, weights = model(rows), {name: value.clone() for name, value in model.state_dict().items()}
    assert packed.pack_linears(model) == 1
    for _ in range(2):  # before and after the weight is unpacked
        assert {name: value.tolist() for name, value in model.state_dict().items()} == {
            name: value.tolist() for name, value in weights.items()
        }
        torch.testing.assert_close(model(rows), expected)


def test_scores_out_of_the_exponentials_range_are_attended_to_all_the_same(monkeypatch):
    short = attention.short_attention
    query, key, value = torch.randn(3, 4, 2, 9, 16, generator=torch.Generator().manual_seed(0)).unbind()
    keep = torch.ones(4, 1, 1, 9, dtype=torch.bool)
    keep[1, ..., 4:] = False
    expected = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=keep)
    torch.testing.assert_close(attention.short_attention(query, key, value, keep, 0.25), expected)
    monkeypatch.setattr(attention, "_SCORES_AT_ONCE", 2 * 9 * 9 * 3)
    torch.testing.assert_close(attention.short_attention(query, key, value, keep, 0.25), expected)
    assert attention.short_attention(query * 1e3, key, value, keep, 0.25) is None
    assert attention.short_attention(query, key, value, torch.zeros_like(keep), 0.25) is None
    model = tiny_model("bert")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("query.weight"):
                parameter *= 4
    rounded = deepcopy(model).to(torch.bfloat16)
    runtime = TorchRuntime(model, precision="bf16", device="cpu")
    seen = []
    monkeypatch.setattr(attention, "short_attention", lambda *parts: seen.append(short(*parts)) or seen[-1])
    for batch in batches(rounded):
        assert distance(runtime.logits(*batch), plain(rounded, *batch), batch[1]) < 0.05
    assert {found is None for found in seen} == {True, False}


def test_models_that_do_not_choose_their_attention_stay():
    assert not attention.use_short_attention(build("deberta"))
    model = tiny_model("bert")
    model.set_attn_implementation("eager")
    assert not attention.use_short_attention(model)
    assert model.config.num_labels == len(LABELS)


@pytest.mark.parametrize("kind", ["distilbert", "bert", "roberta", "unigram", "electra", "albert"])
def test_padding_is_left_out_and_asked_for_where_windows_are_not_seen(kind, monkeypatch):
    model = build(kind)
    runtime = TorchRuntime(deepcopy(model), precision="fp32", device="cpu")
    rows = []
    runtime._model.get_input_embeddings().register_forward_hook(lambda _, ids, __: rows.append(ids[0].shape))
    [(input_ids, mask)] = batches(model, [[64, 3, 1, 5, 7, 2, 2, 2, 2]])
    input_ids[0, 5] = model.config.pad_token_id  # a piece like any other, where it stands in a text
    expected = plain(model, input_ids, mask)
    assert distance(runtime.logits(input_ids, mask), expected, mask) < 1e-5
    assert rows == [(1, 96)]  # 88 pieces
    monkeypatch.setattr(FlatBatch, "layers", property(lambda self: 0, lambda self, seen: None), raising=False)
    for _ in range(2):
        assert distance(runtime.logits(input_ids, mask), expected, mask) < 1e-5
    assert rows[1:] == [(1, 96), mask.shape, mask.shape]


def test_training_and_prediction_in_one_process_keep_an_attention_each(monkeypatch):
    calls = []
    short = attention.short_attention
    monkeypatch.setattr(attention, "short_attention", lambda *parts: calls.append(1) or short(*parts))
    for _ in range(2):
        model = tiny_model("bert")
        runtime = TorchRuntime(deepcopy(model), precision="fp32", device="cpu")
        [(input_ids, mask)] = batches(model, [[30, 3]])
        step = FastStep(model, np.arange(model.config.vocab_size), bf16=False, seed=0)
        example = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(mask)}
        assert step.apply(example) is None
        calls.clear()
        runtime.logits(input_ids, mask)
        assert len(calls) == model.config.num_hidden_layers
        step.model(**example)
        assert len(calls) == model.config.num_hidden_layers


def test_masks_that_do_not_pad_on_the_right_are_kept():
    model = tiny_model("bert")
    runtime = TorchRuntime(deepcopy(model), precision="fp32", device="cpu")
    [(input_ids, mask)] = batches(model, [[9, 4]])
    for other in (mask[:, ::-1].copy(), 1 - mask):
        found = runtime.logits(input_ids, other)
        shown = other * other[:, :1].clip(other.any(1, keepdims=True))
        assert distance(found, plain(model, input_ids, other), shown) < 1e-5
