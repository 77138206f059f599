"""Tiny models with seeded random weights, and bundles of them: offline, built in milliseconds."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tagwright.model.bundle import BundleMeta, save_bundle

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
LABELS = ["O", *(f"{role}-{label}" for label in TYPES for role in "BI")]
"""WNUT 17's 13 labels, in the order of the guide."""

TEXT = (
    "Empire State Building ESB is the tallest building in New York , said @paulwalk . It 's the view from "
    "where I 'm living for two weeks . Pretty bad storm here last evening . Jeff Bezos bought the Post ."
)


def tiny_tokenizer(kind: str = "distilbert") -> transformers.PreTrainedTokenizerFast:
    """Build a WordPiece tokenizer (uncased), or, for `roberta`, a byte-level BPE."""
    return _byte_level() if kind == "roberta" else _wordpiece()


def tiny_model(
    kind: str = "distilbert", labels: Sequence[str] = LABELS, *, seed: int = 0, positions: int = 64
) -> transformers.PreTrainedModel:
    """Build a token-classification model, 32 wide and 2 layers deep, whose tags vary from word to word.

    Args:
        kind: `distilbert`, `bert` or `roberta`.
        labels: its tags, in the order of their ids.
        seed: of the weights.
        positions: pieces it takes at once, special ones included.
    """
    tokenizer = tiny_tokenizer(kind)
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
    elif kind == "roberta":
        shift = tokenizer.pad_token_id + 1
        config = transformers.RobertaConfig(
            max_position_embeddings=positions + shift, type_vocab_size=1, **wide, **sizes
        )
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
        tiny_tokenizer(kind),
        BundleMeta(labels=list(labels), **values),
    )
    return folder


def _wordpiece() -> transformers.PreTrainedTokenizerFast:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    words = dict.fromkeys(word for word in TEXT.lower().split() if word.isalpha())
    entries = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *words])
    tokenizer = Tokenizer(
        models.WordPiece({piece: position for position, piece in enumerate(entries)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def _byte_level() -> transformers.PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )
