"""The fast step trains what the plain step trains, and leaves no trace on the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from tagwright.train.fastmodules import ActiveEmbedding, FastDropout, Noise, drop, plain_attention
from tagwright.train.faststep import FastStep
from tests.models import LABELS, tiny_model, tiny_tokenizer

KINDS = ("distilbert", "bert", "roberta")
SEEN = 40  # pieces that occur in the batches below; the table holds more


def build(kind: str = "distilbert", *, dropout: float = 0.0) -> transformers.PreTrainedModel:
    """Build a model whose dropout, of hidden states and attention, is the given one."""
    config = tiny_model(kind).config
    config.initializer_range = 0.1
    for key in ("dropout", "attention_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob"):
        if hasattr(config, key):
            setattr(config, key, dropout)
    config.seq_classif_dropout = dropout
    config.classifier_dropout = dropout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.AutoModelForTokenClassification.from_config(config)


def batches(kind: str, count: int, size: int = 4) -> list[dict[str, torch.Tensor]]:
    """Draw padded batches of the first `SEEN` pieces, with labels."""
    draw = torch.Generator().manual_seed(1)
    padding = tiny_tokenizer(kind).pad_token_id
    found = []
    for _ in range(count):
        ids = torch.randint(4, SEEN, (size, 12), generator=draw)
        lengths = torch.randint(3, 13, (size,), generator=draw)
        mask = (torch.arange(12) < lengths[:, None]).long()
        labels = torch.where(mask == 1, ids % len(LABELS), -100)
        ids = torch.where(mask == 1, ids, padding)
        found.append({"input_ids": ids, "attention_mask": mask, "labels": labels})
    return found


def fast_step(
    model: transformers.PreTrainedModel, kind: str, *, bf16: bool = False, seed: int = 0
) -> FastStep:
    fast = FastStep(model, np.arange(SEEN), bf16=bf16, seed=seed)
    [batch] = batches(kind, 1)
    assert fast.apply({name: batch[name] for name in ("input_ids", "attention_mask")}) is None
    return fast


def fit(model, found, *, fast: FastStep | None = None, decay: float = 0.0, rate: float = 1e-3) -> list[float]:
    """Take one AdamW step a batch and return the losses."""
    # With AdamW's own epsilon the rounding errors in gradients that are zero (those of key biases) would be steps.
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay, eps=1e-4)
    losses = []
    model.train()
    for step, batch in enumerate(found):
        if fast is not None:
            fast.noise.begin_batch(step)
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), batch["labels"].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if fast is not None:
            fast.refresh()
        losses.append(loss.item())
    return losses


def anatomy(model: nn.Module) -> dict[str, object]:
    """Describe every module of a model: its type, and what hangs on it beside tensors."""
    return {
        name: (type(module), sorted(set(vars(module)) - {"_is_hf_initialized"}))
        for name, module in model.named_modules()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_fp32_without_dropout_trains_the_same_weights(kind):
    plain, quick = build(kind), build(kind)
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    found = batches(kind, 12)
    fast = fast_step(quick, kind)
    assert fit(plain, found) == pytest.approx(fit(quick, found, fast=fast), abs=1e-5)
    fast.undo()
    after = quick.state_dict()
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(after[name], tensor, atol=1e-5, rtol=0)
    [table] = [name for name in after if name.endswith("word_embeddings.weight")]
    assert torch.equal(after[table][SEEN:], before[table][SEEN:])
    assert not torch.equal(after[table][4:SEEN], before[table][4:SEEN])


def test_rows_that_are_never_seen_do_not_decay():
    model = build()
    before = model.get_input_embeddings().weight.detach().clone()
    fast = fast_step(model, "distilbert")
    fit(model, batches("distilbert", 3), fast=fast, decay=0.1)
    fast.undo()
    assert torch.equal(model.get_input_embeddings().weight[SEEN:], before[SEEN:])


def test_the_padding_row_gets_no_gradient_even_where_a_text_holds_it():
    plain, quick = build(), build()
    padding = quick.config.pad_token_id
    found = batches("distilbert", 4)
    for batch in found:
        batch["input_ids"][:, 1] = padding
    fast = fast_step(quick, "distilbert")
    fit(plain, found)
    fit(quick, found, fast=fast)
    fast.undo()
    rows = (model.get_input_embeddings().weight[padding] for model in (plain, quick))
    torch.testing.assert_close(*rows, atol=0, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_close_to_fp32(kind):
    plain, quick = build(kind), build(kind)
    found = batches(kind, 3) * 8
    fast = fast_step(quick, kind, bf16=True)
    slow_losses = fit(plain, found, rate=3e-3)
    fast_losses = fit(quick, found, fast=fast, rate=3e-3)
    assert fast_losses == pytest.approx(slow_losses, rel=0.05)
    assert fast_losses[-1] < 0.8 * fast_losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in quick.parameters())


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_it_saves_and_loads_as_the_plain_model(kind, bf16, tmp_path):
    model = build(kind)
    plain = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fast = fast_step(model, kind, bf16=bf16)
    during = model.state_dict()
    assert list(during) == list(plain)
    assert all(torch.equal(during[name], plain[name]) for name in plain)
    fit(model, batches(kind, 3), fast=fast)
    model.save_pretrained(tmp_path)
    saved = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path)
    trained = model.state_dict()
    assert all(torch.equal(trained[name], tensor) for name, tensor in saved.state_dict().items())
    assert [type(module) for module in saved.modules()] == [type(module) for module in build(kind).modules()]
    model.load_state_dict(plain)
    fast.refresh()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_undo_gives_the_plain_model_back(kind, bf16):
    model = build(kind)
    modules, settings, embedding = anatomy(model), model.config.to_dict(), model.get_input_embeddings()
    implementation = model.config._attn_implementation
    parameters = list(dict(model.named_parameters()))
    fast = fast_step(model, kind, bf16=bf16)
    assert anatomy(model) != modules
    fit(model, batches(kind, 2), fast=fast)
    trained = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fast.undo()
    assert anatomy(model) == modules
    assert model.config.to_dict() == settings
    assert model.config._attn_implementation == implementation
    assert model.get_input_embeddings() is embedding
    assert list(dict(model.named_parameters())) == parameters
    assert all(torch.equal(tensor, trained[name]) for name, tensor in model.state_dict().items())


def test_after_undo_the_scores_are_those_of_the_trained_model():
    model = build()
    fast = fast_step(model, "distilbert")
    found = batches("distilbert", 4)
    fit(model, found, fast=fast)
    model.eval()
    batch = {name: found[0][name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        quick = model(**batch).logits
        fast.undo()
        torch.testing.assert_close(model(**batch).logits, quick, atol=1e-5, rtol=0)


def test_outside_training_every_piece_has_its_row():
    model = build().eval()
    ids = {"input_ids": torch.arange(len(tiny_tokenizer()))[None, :60]}
    with torch.no_grad():
        plain = model(**ids).logits
    fast_step(model, "distilbert")
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(**ids).logits, plain, atol=1e-5, rtol=0)


class Stubborn(nn.Linear):
    """A dense layer that multiplies in fp32 and nothing else."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.dtype != torch.float32:
            raise RuntimeError("mat1 and mat2 must have the same dtype\nand more lines")
        return super().forward(input)


def test_an_encoder_that_fails_in_bf16_is_taken_back_with_the_reason():
    model = build()
    layer = model.distilbert.transformer.layer[1].ffn
    layer.lin2.__class__ = Stubborn
    modules = anatomy(model)
    [batch] = batches("distilbert", 1)
    batch.pop("labels")
    fast = FastStep(model, np.arange(SEEN), bf16=True, seed=0)
    reason = fast.apply(batch)
    assert reason == "RuntimeError: mat1 and mat2 must have the same dtype"
    assert anatomy(model) == modules
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_attention_that_is_another_function_is_taken_back():
    """The position bias of T5 comes beside the mask; ignoring it moves the scores less than bf16 may move them."""
    sizes = {"vocab_size": 64, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForTokenClassification.from_config(transformers.T5Config(**sizes))
    modules = anatomy(model)
    [batch] = batches("distilbert", 1)
    batch.pop("labels")
    reason = FastStep(model, np.arange(SEEN), bf16=True, seed=0).apply(batch)
    assert reason is not None
    assert "the model's scores moved by" in reason
    assert anatomy(model) == modules


def test_a_model_with_an_attention_of_its_own_keeps_it_without_a_word(capfd):
    config = transformers.MPNetConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    model = transformers.AutoModelForTokenClassification.from_config(config)
    fast = fast_step(model, "distilbert")
    fast.undo()
    assert capfd.readouterr().err == ""


# Dropout


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.999])
def test_dropout_drops_at_its_rate_and_scales_up_the_rest(rate):
    noise = Noise(3)
    noise.begin_batch(0)
    hidden = torch.ones(1000, 256)
    dropped = drop(hidden, noise, rate)
    kept = dropped != 0
    share = 1 - kept.double().mean().item()
    exact = min(round(rate * 256), 255) / 256
    assert abs(exact - rate) <= 1 / 256
    assert share == pytest.approx(exact, abs=4 * (exact * (1 - exact) / hidden.numel()) ** 0.5)
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 1 / (1 - exact)))
    torch.testing.assert_close(hidden, torch.ones_like(hidden))


def test_dropout_leaves_the_gradient_of_what_it_kept():
    noise = Noise(3)
    noise.begin_batch(0)
    hidden = torch.randn(64, 64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    dropped = drop(hidden, noise, 0.25)
    dropped.sum().backward()
    torch.testing.assert_close(hidden.grad, (dropped != 0) / 0.75)


def test_columns_and_rows_are_dropped_independently():
    noise = Noise(7)
    noise.begin_batch(2)
    kept = (drop(torch.ones(4000, 64), noise, 0.25) != 0).double()
    assert (kept.mean(0) - 0.75).abs().max() < 5 * (0.1875 / 4000) ** 0.5
    correlations = torch.corrcoef(kept.t()) - torch.eye(64)
    assert correlations.abs().max() < 0.08


def test_no_dropout_outside_training_or_at_a_rate_of_zero():
    layer = nn.Dropout(0.5)
    layer.__class__ = FastDropout
    layer.noise = Noise(0)
    hidden = torch.randn(8, 8)
    assert layer.eval()(hidden) is hidden
    assert drop(hidden, Noise(0), 0.0) is hidden


def draws(seed: int, step: int, count: int = 2, process: int = 0) -> list[torch.Tensor]:
    noise = Noise(seed, process)
    noise.begin_batch(step)
    return [noise.mask(torch.Size([64, 16]), 26) for _ in range(count)]


def test_masks_depend_on_seed_step_and_process_alone():
    first = draws(5, 3)
    assert all(torch.equal(*pair) for pair in zip(first, draws(5, 3), strict=True))
    assert not torch.equal(first[0], first[1])
    for others in (draws(6, 3), draws(5, 4), draws(5, 3, process=1)):
        assert not torch.equal(first[0], others[0])


def test_a_step_of_several_batches_goes_on_with_its_stream():
    noise = Noise(5)
    noise.begin_batch(3)
    first = noise.mask(torch.Size([64, 16]), 26)
    noise.begin_batch(3)
    assert not torch.equal(first, noise.mask(torch.Size([64, 16]), 26))
    noise.begin_batch(4)
    noise.begin_batch(3)
    assert torch.equal(first, noise.mask(torch.Size([64, 16]), 26))


def test_training_with_dropout_repeats_for_a_seed():
    def losses(seed: int) -> list[float]:
        model = build(dropout=0.1)
        return fit(model, batches("distilbert", 4), fast=fast_step(model, "distilbert", seed=seed))

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


# Attention


@pytest.mark.parametrize("kind", KINDS)
def test_attention_in_training_is_eager_attention(kind):
    """Without dropout; padding is masked, and gradients agree as well."""
    eager, quick = build(kind), build(kind)
    eager.set_attn_implementation("eager")
    fast_step(quick, kind)
    [batch] = batches(kind, 1)
    batch.pop("labels")
    outputs = []
    for model in (eager, quick):
        model.train()
        logits = model(**batch).logits
        logits.square().sum().backward()
        gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
        outputs.append((logits.detach(), gradients))
    torch.testing.assert_close(outputs[0][0], outputs[1][0], atol=1e-5, rtol=1e-5)
    for name, gradient in outputs[0][1].items():
        if name in outputs[1][1]:
            torch.testing.assert_close(outputs[1][1][name], gradient, atol=1e-4, rtol=1e-4)


def test_attention_drops_probabilities():
    module = nn.Module()
    module.noise = Noise(1)
    module.noise.begin_batch(0)
    heads = (2, 2, 32, 8)
    query, key = torch.randn(heads), torch.randn(heads)
    value = torch.eye(32)[:, :8].expand(heads).contiguous()
    dropped, _ = plain_attention(module, query, key, value, None, dropout=0.5)
    whole, _ = plain_attention(module, query, key, value, None)
    assert dropped.shape == (2, 32, 2, 8)
    ratio = dropped / whole
    assert set(ratio.round().unique().tolist()) == {0.0, 2.0}


def test_the_table_looks_rows_up_and_lists_them_whole():
    plain = nn.Embedding(10, 4)
    before = plain.weight.detach().clone()
    table = ActiveEmbedding(plain, torch.tensor([1, 3, 5]), torch.float32)
    with torch.no_grad():
        table.active += 1
    expected = before.clone()
    expected[[1, 3, 5]] += 1
    ids = torch.tensor([[1, 3], [5, 5]])
    torch.testing.assert_close(table(ids), expected[ids])
    with torch.no_grad():
        torch.testing.assert_close(table(torch.arange(10)), expected)
    torch.testing.assert_close(table.full(), expected)
    assert table.restore() is plain
    torch.testing.assert_close(plain.weight.detach(), expected)
