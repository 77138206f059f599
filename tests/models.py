"""Tiny models with seeded random weights, and bundles of them: offline, built in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from tagwright.model.bundle import BundleMeta, save_bundle
from tests.tiny_tokenizers import build_tokenizer

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
LABELS = ["O", *(f"{role}-{label}" for label in TYPES for role in "BI")]
"""WNUT 17's 13 labels, in the order of the guide."""

TEXT = (
    "Empire State Building ESB is the tallest building in New York , said @paulwalk . It 's the view from "
    "where I 'm living for two weeks . Pretty bad storm here last evening . Jeff Bezos bought the Post ."
)


def tiny_tokenizer(kind: str = "distilbert") -> transformers.PreTrainedTokenizerFast:
    """Build the tokenizer of `tiny_model(kind)`; see `build_tokenizer`."""
    return build_tokenizer(kind)


def tiny_model(
    kind: str = "distilbert", labels: Sequence[str] = LABELS, *, seed: int = 0, positions: int = 64
) -> transformers.PreTrainedModel:
    """Build a token-classification model, 32 wide and 2 layers deep, whose tags vary from word to word.

    Args:
        kind: `distilbert`, `bert`, `roberta` or `unigram` (XLM-RoBERTa), as of `build_tokenizer`.
        labels: its tags, in the order of their ids.
        seed: of the weights.
        positions: pieces it takes at once, special ones included.
    """
    tokenizer = build_tokenizer(kind)
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "id2label": dict(enumerate(labels)),
        "label2id": {name: position for position, name in enumerate(labels)},
        "initializer_range": 0.4,
    }
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config: transformers.PreTrainedConfig
    if kind == "distilbert":
        config = transformers.DistilBertConfig(
            dim=32, hidden_dim=64, n_layers=2, n_heads=2, max_position_embeddings=positions, **sizes
        )
    elif kind == "bert":
        config = transformers.BertConfig(max_position_embeddings=positions, **wide, **sizes)
    elif kind in ("roberta", "unigram"):
        shift = tokenizer.pad_token_id + 1
        cls = transformers.RobertaConfig if kind == "roberta" else transformers.XLMRobertaConfig
        config = cls(max_position_embeddings=positions + shift, type_vocab_size=1, **wide, **sizes)
    else:
        raise ValueError(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForTokenClassification.from_config(config)
    return model.eval()


def tiny_bundle(
    folder: Path,
    kind: str = "distilbert",
    labels: Sequence[str] = LABELS,
    *,
    seed: int = 0,
    positions: int = 64,
    **meta: Any,
) -> Path:
    """Save a bundle of a tiny model and return its folder; `meta` goes to `BundleMeta`."""
    values = {"scheme": "iob2", "max_pieces": positions, "overlap": 16, **meta}
    save_bundle(
        folder,
        tiny_model(kind, labels, seed=seed, positions=positions),
        build_tokenizer(kind, model_max_length=positions),
        BundleMeta(labels=list(labels), **values),
    )
    return folder
