"""Hugging Face's names of tensors: the only module that knows them, and how PyTorch lays a tensor out."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tagwright.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEAD", "Slot", "find_names", "name_slots"]

HEAD = ("classifier.weight", "classifier.bias")

EMBEDDINGS = {
    "word": "word_embeddings",
    "position": "position_embeddings",
    "type": "token_type_embeddings",
    "norm": "LayerNorm",
}


@dataclass(frozen=True)
class _Scheme:
    prefix: str  # of a model with a head
    layer: str
    parts: Mapping[str, str]


_BERT_PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "output_norm": "output.LayerNorm",
}
_DISTILBERT_PARTS = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "output": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "inner": "ffn.lin1",
    "outer": "ffn.lin2",
    "output_norm": "output_layer_norm",
}
_ROBERTA = _Scheme("roberta.", "encoder.layer.", _BERT_PARTS)
_SCHEMES = {
    "distilbert": _Scheme("distilbert.", "transformer.layer.", _DISTILBERT_PARTS),
    "bert": _Scheme("bert.", "encoder.layer.", _BERT_PARTS),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}

# What token classification does not use: heads of other tasks (transformers leaves them out as well), the sentence
# pooler, and counted positions and types that old versions stored.
_OTHERS = re.compile(
    r"(cls|lm_head|vocab_transform|vocab_layer_norm|vocab_projector|qa_outputs|pre_classifier|classifier)\..+"
)
_UNUSED = re.compile(r"pooler\..+|embeddings\.(position_ids|token_type_ids)")


@dataclass(frozen=True)
class Slot:
    """A trainable variable, and its shape as PyTorch stores it.

    Attributes:
        variable: the Keras variable.
        shape: PyTorch's shape; a dense weight is (outputs, inputs) there, and (inputs..., outputs...) here.
        dense: whether it is a dense weight, which is turned round.
    """

    variable: Any
    shape: tuple[int, ...]
    dense: bool

    def read(self) -> NDArray[np.float32]:
        """Return the values as PyTorch stores them; a copy."""
        values = self.variable.value.numpy()
        values = values.reshape(self.shape[::-1]).T if self.dense else values.reshape(self.shape)
        return np.array(values, dtype=np.float32, order="C")

    def write(self, values: NDArray[Any]) -> None:
        """Take values as PyTorch stores them."""
        values = np.asarray(values, dtype=np.float32)
        self.variable.assign((values.T if self.dense else values).reshape(self.variable.shape))


def name_slots(kind: str, encoder: Any, head: Any) -> dict[str, Slot]:
    """Give the variables of an encoder and a head their Hugging Face names, in order from input to output.

    Args:
        kind: the architecture's kind.
        encoder: an `Encoder`, built.
        head: the dense layer of the head, built.
    """
    scheme = _SCHEMES[kind]
    layers = {
        f"{scheme.prefix}embeddings.{EMBEDDINGS[part]}": layer
        for part, layer in encoder.embeddings.parts.items()
    }
    for number, block in enumerate(encoder.blocks):
        for part, layer in block.parts.items():
            layers[f"{scheme.prefix}{scheme.layer}{number}.{scheme.parts[part]}"] = layer
    layers[HEAD[0].rpartition(".")[0]] = head
    slots = {}
    for name, layer in layers.items():
        weight, *rest = layer.trainable_variables
        outputs = [math.prod(bias.shape) for bias in rest]  # of its only bias, if it has one
        dense = bool(rest) and len(weight.shape) > 1
        shape = (outputs[0], math.prod(weight.shape) // outputs[0]) if dense else tuple(weight.shape)
        slots[f"{name}.weight"] = Slot(weight, shape, dense)
        for bias, size in zip(rest, outputs, strict=True):
            slots[f"{name}.bias"] = Slot(bias, (size,), dense=False)
    return slots


def find_names(kind: str, wanted: Collection[str], stored: Collection[str], where: str) -> dict[str, str]:
    """Find the tensors of a model among those of a checkpoint, with or without the encoder's prefix.

    Args:
        kind: the architecture's kind.
        wanted: the names of the model's tensors; without the head's where the checkpoint's is not to be used.
        stored: the names in the checkpoint.
        where: the checkpoint, for messages.

    Returns:
        Wanted names to stored ones.

    Raises:
        InputError: a tensor is missing, is there twice, or belongs to no known part.
    """
    prefix = _SCHEMES[kind].prefix
    found: dict[str, str] = {}
    left = []
    for name in stored:
        # Checkpoints that were converted from TensorFlow call a norm's two vectors gamma and beta.
        body = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", name.removeprefix(prefix))
        body = re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", body)
        target = name if name in HEAD else prefix + body
        if target in wanted:
            if target in found:
                raise InputError(
                    f"the tensor {target} is there twice, as {found[target]} and as {name}", where=where
                )
            found[target] = name
        elif not (_OTHERS.fullmatch(name) or _UNUSED.fullmatch(body)):
            left.append(name)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise InputError(
            f"the weights lack {_some(missing)}",
            where=where,
            mend="the folder is damaged or holds another architecture; save it again",
        )
    if left:
        raise InputError(
            f"the weights hold {_some(left)}, which {kind} has no place for",
            where=where,
            mend="the folder holds another architecture; use another encoder, or the engine torch",
        )
    return found


def _some(names: Collection[str]) -> str:
    first = min(names)
    return f"{len(names)} tensors, such as {first}" if len(names) > 1 else f"the tensor {first}"
