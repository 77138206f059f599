"""What an encoder computes, out of its configuration: as transformers reads it, or refused."""

from __future__ import annotations

import math

import pytest
import transformers

from tagwright.errors import InputError
from tagwright.keras.architecture import ACTIVATIONS, Architecture
from tests.keras.reference import KINDS, torch_model

BERTS = KINDS[1:]
ROBERTAS = KINDS[2:]


def refusal(**values) -> str:
    with pytest.raises(InputError) as caught:
        Architecture.from_config({"model_type": "bert", **values}, where="here")
    assert str(caught.value).startswith("here: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_left_out_keys_count_as_transformers_counts_them(kind):
    whole = transformers.AutoConfig.for_model(kind).to_dict()
    assert Architecture.from_config({"model_type": kind}) == Architecture.from_config(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_found_under_their_names(kind):
    config = torch_model(
        kind,
        type_vocab_size=3,
        pad_token_id=5,
        hidden_act="relu",
        hidden_dropout_prob=0.25,
        attention_probs_dropout_prob=0.125,
    ).config.to_dict()
    found = Architecture.from_config(config)
    assert (found.width, found.inner_width, found.layers, found.heads) == (16, 24, 2, 4)
    assert (found.vocab_size, found.positions, found.pad_id) == (60, 40, 5)
    assert (found.dropout, found.attention_dropout, found.head_dropout) == (0.25, 0.125, 0.25)
    assert (found.activation, found.initializer_range) == ("relu", 0.3)
    assert (found.position_offset, found.limit) == ((6, 34) if kind in ROBERTAS else (0, 40))
    assert found.types == (0 if kind == "distilbert" else 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_made_anew_says_the_same(kind):
    config = torch_model(kind, layer_norm_eps=1e-5, classifier_dropout=0.5).config.to_dict()
    architecture = Architecture.from_config(config)
    assert Architecture.from_config(architecture.to_config()) == architecture
    theirs = transformers.AutoConfig.for_model(**architecture.to_config()).to_dict()
    assert Architecture.from_config(theirs) == architecture


def test_distilberts_other_names_are_known():
    found = Architecture.from_config(
        {"model_type": "distilbert", "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    )
    assert (found.width, found.heads, found.layers) == (32, 2, 1)


@pytest.mark.parametrize("kind", BERTS)
def test_the_heads_own_dropout_comes_first(kind):
    values = {"model_type": kind, "hidden_dropout_prob": 0.3}
    assert Architecture.from_config(values).head_dropout == 0.3
    assert Architecture.from_config(values | {"classifier_dropout": None}).head_dropout == 0.3
    assert Architecture.from_config(values | {"classifier_dropout": 0}).head_dropout == 0


def test_epsilon_is_distilberts_own_where_its_configuration_names_another():
    assert Architecture.from_config({"model_type": "distilbert", "layer_norm_eps": 0.5}).epsilon == 1e-12


@pytest.mark.parametrize(
    "kind", ["electra", "deberta-v2", "albert", "tagwright-mixed", "xlm-roberta-xl", None, []]
)
def test_other_kinds_are_refused_by_name(kind):
    found = refusal(model_type=kind)
    assert f"model_type is {kind!r}" in found
    assert "the engine torch" in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("position_embedding_type", "relative_key"),
        ("pruned_heads", {"0": [1]}),
        ("quantization_config", {"bits": 8}),
        ("hidden_act", "gelu_10"),
        ("hidden_act", "laplace"),
        ("hidden_act", None),
        ("hidden_act", ["gelu"]),
        ("hidden_size", 0),
        ("hidden_size", "768"),
        ("hidden_size", 768.0),
        ("num_hidden_layers", True),
        ("num_hidden_layers", None),
        ("num_attention_heads", 5),
        ("type_vocab_size", 0),
        ("vocab_size", -1),
        ("max_position_embeddings", 0),
        ("pad_token_id", -1),
        ("pad_token_id", 30522),
        ("pad_token_id", "0"),
        ("layer_norm_eps", 0),
        ("layer_norm_eps", math.nan),
        ("layer_norm_eps", "small"),
        ("initializer_range", -0.02),
        ("hidden_dropout_prob", 1),
        ("hidden_dropout_prob", None),
        ("attention_probs_dropout_prob", -0.1),
        ("classifier_dropout", math.nan),
    ],
)
def test_values_that_would_compute_something_else_are_refused(key, value):
    assert f"{key} is {value!r}" in refusal(**{key: value})


@pytest.mark.parametrize("kind", ROBERTAS)
def test_positions_that_are_counted_from_padding_need_it(kind):
    assert "pad_token_id is None" in refusal(model_type=kind, pad_token_id=None)
    assert "max_position_embeddings is 2" in refusal(model_type=kind, max_position_embeddings=2)
    assert Architecture.from_config({"model_type": "bert", "pad_token_id": None}).pad_id is None


def test_values_without_meaning_here_are_allowed():
    values = {
        "is_decoder": False,
        "pruned_heads": {},
        "position_embedding_type": "absolute",
        "use_cache": True,
    }
    assert Architecture.from_config({"model_type": "bert", **values}).kind == "bert"


def test_every_activation_is_one_of_transformers():
    assert set(ACTIVATIONS) < set(transformers.activations.ACT2CLS)
