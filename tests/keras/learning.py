"""Tiny models in both engines, batches for them, and PyTorch's training as the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from tagwright.config import TrainSettings
from tagwright.keras.classifier import TokenClassifier
from tagwright.keras.step import TrainStep
from tagwright.train.optimizer import build_optimizer, clip
from tagwright.train.trainer import token_loss

KINDS = ("distilbert", "bert", "roberta", "xlm-roberta", "camembert")
LABELS = ("O", "B-person", "I-person", "B-group", "I-group")
VOCABULARY = 60
POSITIONS = 40

Batch = dict[str, NDArray[np.int64]]


def torch_model(
    kind: str, *, dropout: float = 0.0, layers: int = 2, width: int = 32, seed: int = 0
) -> transformers.PreTrainedModel:
    """Build a tagger with random weights, without dropout unless asked."""
    sizes: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "num_labels": len(LABELS),
        "id2label": dict(enumerate(LABELS)),
        "label2id": {name: place for place, name in enumerate(LABELS)},
        "initializer_range": 0.2,
    }
    if kind == "distilbert":
        config = transformers.DistilBertConfig(
            dim=width,
            hidden_dim=2 * width,
            n_layers=layers,
            n_heads=2,
            max_position_embeddings=POSITIONS,
            dropout=dropout,
            attention_dropout=dropout,
            **sizes,
        )
    else:
        if kind != "bert":
            sizes |= {"pad_token_id": 1, "type_vocab_size": 1}
        config = transformers.AutoConfig.for_model(
            kind,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            max_position_embeddings=POSITIONS + (0 if kind == "bert" else 2),
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            **sizes,
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return transformers.AutoModelForTokenClassification.from_config(config)


def keras_model(model: transformers.PreTrainedModel, **settings: Any) -> TokenClassifier:
    """Return the same tagger in Keras."""
    return TokenClassifier.from_tensors(
        model.config.to_dict(),
        {name: tensor.numpy() for name, tensor in model.state_dict().items()},
        labels=list(model.config.id2label.values()),
        **settings,
    )


def random_batches(
    count: int, *, pad_id: int = 0, types: int = 0, rows: int = 4, vocabulary: int = VOCABULARY, seed: int = 0
) -> list[Batch]:
    """Draw padded batches of many widths, two of three pieces labelled by what the piece is."""
    draw = np.random.default_rng(seed)
    batches = []
    for _ in range(count):
        width = int(draw.integers(3, 20))
        lengths = draw.integers(2, width + 1, rows)
        lengths[0] = width
        mask = np.arange(width) < lengths[:, None]
        ids = np.where(mask, draw.integers(5, vocabulary, mask.shape), pad_id)
        labelled = mask & (draw.random(mask.shape) < 0.67)
        batch = {
            "input_ids": ids,
            "attention_mask": mask.astype(np.int64),
            "labels": np.where(labelled, ids % len(LABELS), -100),
        }
        if types > 1:
            batch["token_type_ids"] = np.where(mask, draw.integers(0, types, mask.shape), 0)
        batches.append(batch)
    return batches


def batches_for(model: transformers.PreTrainedModel, count: int, **settings: Any) -> list[Batch]:
    """Draw batches for a model, with its padding piece and its token types."""
    types = getattr(model.config, "type_vocab_size", 0)
    return random_batches(count, pad_id=model.config.pad_token_id, types=types, **settings)


def train_step(model: TokenClassifier, steps: int, warmup_steps: int = 0, **settings: Any) -> TrainStep:
    """Build a `TrainStep` with a recipe's settings."""
    recipe = TrainSettings(**{"learning_rate": 1e-3, **settings})
    return TrainStep(
        model,
        learning_rate=recipe.learning_rate,
        steps=steps,
        warmup_steps=warmup_steps,
        weight_decay=recipe.weight_decay,
        decay_all=recipe.decay_all,
        head_rate=recipe.head_rate,
        layer_decay=recipe.layer_decay,
        max_grad_norm=recipe.max_grad_norm,
    )


def torch_losses(
    model: transformers.PreTrainedModel,
    batches: Sequence[Batch],
    steps: int,
    warmup_steps: int = 0,
    **settings: Any,
) -> list[tuple[float, float]]:
    """Train PyTorch's model with a recipe's settings; return each step's loss and norm of the gradients."""
    recipe = TrainSettings(**{"learning_rate": 1e-3, **settings})
    optimizer = build_optimizer(model, recipe, recipe.learning_rate)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, warmup_steps, steps)
    model.train()
    found = []
    for first in range(0, len(batches), recipe.accumulation):
        group = batches[first : first + recipe.accumulation]
        pieces = sum(int((batch["labels"] != -100).sum()) for batch in group)
        total = 0.0
        for batch in group:
            inputs = {name: torch.from_numpy(values) for name, values in batch.items()}
            labels = inputs.pop("labels")
            loss = token_loss(model(**inputs), labels, pieces)
            loss.backward()
            total += loss.item()
        if recipe.max_grad_norm:
            norm = clip(optimizer, model.parameters(), recipe.max_grad_norm)
        else:
            norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
        found.append((total, float(norm)))
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
    return found
