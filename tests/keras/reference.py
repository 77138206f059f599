"""PyTorch's models beside ours: the reference of the second engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from tests.models import LABELS

KINDS = ("distilbert", "bert", "roberta", "xlm-roberta", "camembert")
VOCABULARY = 60
NAMES = {
    "distilbert": {
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "hidden_act": "activation",
        "hidden_dropout_prob": "dropout",
        "attention_probs_dropout_prob": "attention_dropout",
    }
}


def torch_model(kind: str = "distilbert", *, seed: int = 0, **changes: Any) -> transformers.PreTrainedModel:
    """Build a random token-classification model, 16 wide and 2 layers deep, in evaluation mode.

    Args:
        kind: the `model_type`.
        seed: of the weights; norms and biases are random too, so that a swap would show.
        changes: values of the configuration, under BERT's names.
    """
    values: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 40,
        "pad_token_id": 0 if kind in ("bert", "distilbert") else 1,
        "initializer_range": 0.3,
        "id2label": dict(enumerate(LABELS)),
        "label2id": {name: number for number, name in enumerate(LABELS)},
        **changes,
    }
    names = NAMES.get(kind, {})
    config = transformers.AutoConfig.for_model(
        kind, **{names.get(key, key): value for key, value in values.items()}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.AutoModelForTokenClassification.from_config(config)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith("bias") or "LayerNorm" in name or "layer_norm" in name:
                    weight.add_(torch.randn_like(weight) * 0.2)
    return model.eval()


def batch(
    kind: str = "distilbert",
    lengths: Iterable[int] = (13, 7, 2, 1),
    *,
    seed: int = 0,
    width: int | None = None,
) -> dict[str, np.ndarray]:
    """Draw a padded batch of random pieces, int32; `width` pads further than the longest row."""
    lengths = list(lengths)
    pad = 0 if kind in ("bert", "distilbert") else 1
    ids = np.full((len(lengths), width or max(lengths)), pad, np.int32)
    mask = np.zeros_like(ids)
    for row, length in enumerate(lengths):
        # Row by row, so that a row is the same in every batch.
        ids[row, :length] = np.random.default_rng([seed, row]).integers(4, VOCABULARY, length)
        mask[row, :length] = 1
    return {"input_ids": ids, "attention_mask": mask}


def drawn_labels(inputs: dict[str, np.ndarray], *, seed: int = 0, count: int = len(LABELS)) -> np.ndarray:
    """Draw labels for two thirds of the real pieces; -100 elsewhere."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, count, inputs["input_ids"].shape).astype(np.int32)
    keep = (inputs["attention_mask"] > 0) & (generator.random(labels.shape) < 0.67)
    keep[0, 0] = True
    return np.where(keep, labels, -100).astype(np.int32)


def tensors_of(model: torch.nn.Module) -> dict[str, np.ndarray]:
    """Return a model's `state_dict` as arrays."""
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def torch_inputs(inputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Return the inputs as torch's tensors."""
    return {name: torch.tensor(value, dtype=torch.long) for name, value in inputs.items()}


def torch_outputs(model: transformers.PreTrainedModel, inputs: dict[str, np.ndarray]):
    """Return PyTorch's hidden states and logits."""
    with torch.no_grad():
        found = model(**torch_inputs(inputs), output_hidden_states=True)
    return found.hidden_states[-1].numpy(), found.logits.numpy()


def configure(folder: Path, **changes: Any) -> None:
    """Change values of a folder's `config.json`."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def same_weights(model: Any, expected: dict[str, np.ndarray], *, within: float = 0.0) -> None:
    """A Keras model has these tensors, within a distance."""
    found = model.tensors()
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], value, rtol=0, atol=within, err_msg=name)
