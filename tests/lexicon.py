"""A model that is a lexicon: each piece has a fixed score for every tag, whatever stands around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from tagwright.model.bundle import BundleMeta, save_bundle

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SHARP = 1.5
"""What the scores, normed to variance 1, are multiplied by."""


def lexicon_bundle(
    folder: Path,
    lexicon: Mapping[str, str | Mapping[str, float]],
    labels: Sequence[str],
    *,
    positions: int = 64,
    **meta: Any,
) -> Path:
    """Save a DistilBERT whose layers pass on what comes in, so that the head sees the embedding of the piece alone.

    Args:
        folder: where to.
        lexicon: the pieces, WordPiece's, in lower case; of each the tag, or tags and how high they score. All
            other pieces are unknown, and O.
        labels: the tags; the first is O.
        positions: pieces it takes at once, special ones included.
        meta: what else goes to `BundleMeta`.
    """
    pieces = [*SPECIAL, *lexicon]
    width = 2 * len(labels)  # more columns than labels, which leaves the lexicon's own above the mean
    tokenizer = transformers.DistilBertTokenizerFast(
        vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=positions
    )
    config = transformers.DistilBertConfig(
        vocab_size=len(pieces),
        dim=width,
        hidden_dim=width,
        n_layers=1,
        n_heads=1,
        max_position_embeddings=positions,
        pad_token_id=0,
        id2label=dict(enumerate(labels)),
        label2id={name: number for number, name in enumerate(labels)},
    )
    model = transformers.DistilBertForTokenClassification(config).eval()
    embeddings, layer = model.distilbert.embeddings, model.distilbert.transformer.layer[0]
    with torch.no_grad():
        embeddings.position_embeddings.weight.zero_()
        for output in (layer.attention.out_lin, layer.ffn.lin2):
            output.weight.zero_()
            output.bias.zero_()
        words = embeddings.word_embeddings.weight.zero_()
        for number, piece in enumerate(pieces):
            tags = lexicon.get(piece, "O")
            for tag, score in ({tags: 1.0} if isinstance(tags, str) else tags).items():
                words[number, labels.index(tag)] = score
        model.classifier.weight.copy_(SHARP * torch.eye(len(labels), width))
        model.classifier.bias.zero_()
    values = {"scheme": "iob2", "max_pieces": positions, "overlap": positions // 4, **meta}
    save_bundle(folder, model, tokenizer, BundleMeta(labels=list(labels), **values))
    return folder
