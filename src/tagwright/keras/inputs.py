"""Batches of arrays to tensors, checked before TensorFlow sees them: on a GPU it answers to a wrong id with zeros."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tagwright.errors import InputError

if TYPE_CHECKING:
    from tagwright.keras.architecture import Architecture

__all__ = ["SPEC", "input_names", "label_tensor", "to_tensors"]

SPEC = tf.TensorSpec((None, None), tf.int32)
"""Of every input and of the labels: one graph for batches of all shapes."""


def input_names(architecture: Architecture) -> list[str]:
    """Return the inputs that a model of this architecture takes."""
    return ["input_ids", "attention_mask", *(["token_type_ids"] if architecture.types else [])]


def to_tensors(architecture: Architecture, batch: Mapping[str, NDArray[np.integer]]) -> dict[str, Any]:
    """Return the model's inputs, int32, (batch, pieces) each; token types that are not given are 0.

    Raises:
        InputError: the batch is wider than the encoder's limit, or holds a piece or a type that the encoder lacks.
    """
    ids = batch["input_ids"]
    limit = architecture.positions - architecture.position_offset
    if ids.shape[1] > limit:
        raise InputError(
            f"a batch is {ids.shape[1]} pieces wide, and the encoder takes {limit} at once",
            mend="truncate the sentences, or cut them into windows",
        )
    _check_below("piece", ids, architecture.vocab_size, "its tokenizer is of another encoder")
    found = {"input_ids": ids, "attention_mask": batch["attention_mask"]}
    if architecture.types:
        types = batch.get("token_type_ids")
        found["token_type_ids"] = np.zeros_like(ids) if types is None else types
        _check_below("token type", found["token_type_ids"], architecture.types, "leave token_type_ids out")
    return {name: _tensor(values) for name, values in found.items()}


def label_tensor(labels: NDArray[np.integer], count: int) -> Any:
    """Return labels as a tensor: int32, (batch, pieces).

    Raises:
        InputError: a label is neither -100 nor the id of one of `count` labels.
    """
    wrong = labels[((labels < 0) & (labels != -100)) | (labels >= count)]
    if wrong.size:
        raise InputError(
            f"a piece has the label {wrong[0]}, and the model knows {count}",
            mend="number the labels from 0; -100 is for pieces without one",
        )
    return _tensor(labels)


def _check_below(what: str, values: NDArray[np.integer], count: int, mend: str) -> None:
    if values.size and not (values.min() >= 0 and values.max() < count):
        wrong = values.max() if values.max() >= count else values.min()
        raise InputError(f"a batch holds the {what} {wrong}, and the encoder knows {count}", mend=mend)


def _tensor(values: NDArray[np.integer]) -> Any:
    return tf.constant(values.astype(np.int32, copy=False))
