"""Tiny models of the architectures that the export's page names."""

from __future__ import annotations

import torch
import transformers

from tests.models import LABELS
from tests.tiny_tokenizers import build_tokenizer

KINDS = {
    "distilbert": "distilbert",
    "bert": "bert",
    "electra": "bert",
    "roberta": "roberta",
    "xlm-roberta": "unigram",
    "camembert": "unigram",
    "deberta-v2": "bert",
    "modernbert": "roberta",
}
"""The tokenizer that each is given."""


def model_of(kind: str, *, positions: int = 64) -> transformers.PreTrainedModel:
    """Build a token-classification model, 32 wide and 2 layers deep (4 where layers differ), with random weights."""
    tokenizer = build_tokenizer(KINDS[kind])
    shift = tokenizer.pad_token_id + 1 if kind in ("roberta", "xlm-roberta", "camembert") else 0
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    more: dict[str, object] = {}
    if kind == "distilbert":
        wide = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2}
    elif kind == "electra":
        more = {"embedding_size": 16}
    elif kind == "deberta-v2":  # as DeBERTa-v3 is
        more = {
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        }
    elif kind == "modernbert":
        wide["num_hidden_layers"] = 4
        more = {"local_attention": 16, "global_attn_every_n_layers": 3, "initializer_cutoff_factor": 2.0}
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=positions + shift,
        initializer_range=0.4,
        id2label=dict(enumerate(LABELS)),
        label2id={name: position for position, name in enumerate(LABELS)},
        **wide,
        **more,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.AutoModelForTokenClassification.from_config(config).eval()
