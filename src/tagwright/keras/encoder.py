"""The encoder: embeddings and a stack of transformer layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tagwright.errors import InputError
from tagwright.keras.architecture import Architecture
from tagwright.keras.layers import MASKED, Embeddings, EncoderLayer, Seeds

__all__ = ["INPUTS", "Encoder", "check_inputs"]

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
NEEDED = INPUTS[:2]


class Encoder(keras.layers.Layer):  # type: ignore[misc]  # keras is not followed by mypy
    """Ids of pieces to hidden states."""

    def __init__(self, architecture: Architecture, seeds: Seeds, *, dtype: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, name="encoder")
        self.embeddings = Embeddings(architecture, seeds, dtype=dtype)
        self.blocks = [
            EncoderLayer(architecture, seeds, dtype=dtype, name=f"layer_{number}")
            for number in range(architecture.layers)
        ]

    def build(self, input_shape: Any = None) -> None:
        """Make the variables."""
        self.embeddings.build(None)
        for block in self.blocks:
            block.build(None)

    def call(self, ids: Any, mask: Any, types: Any = None, training: bool = False) -> Any:
        """Encode pieces.

        Args:
            ids: ids of pieces, (batch, pieces).
            mask: not 0 where a piece is real, (batch, pieces).
            types: token types, (batch, pieces); None is type 0 everywhere.
            training: whether dropout is on.

        Returns:
            Hidden states, (batch, pieces, width).
        """
        tf.debugging.assert_equal(ops.shape(ids), ops.shape(mask), "the mask has another shape than the ids")
        states = self.embeddings(ids, types, training=training)
        mask = ops.cast(ops.where(ops.cast(mask, "bool"), 0.0, MASKED), "float32")[:, None, None, :]
        mask += self._doubt(ids, types)
        for block in self.blocks:
            states = block(states, mask, training=training)
        return states

    def _doubt(self, ids: Any, types: Any) -> Any:
        """Return 0, or NaN where a lookup has no row: XLA drops the assertions, and takes another row for it."""
        table = self.embeddings.architecture
        strange = tf.reduce_any((ids < 0) | (ids >= table.vocab_size)) | (ops.shape(ids)[1] > table.limit)
        if types is not None:
            strange |= tf.reduce_any((types < 0) | (types >= table.types))
        return tf.where(strange, float("nan"), 0.0)

    def seeded(self) -> list[Any]:
        """Return the dropout layers, in a fixed order."""
        found = [self.embeddings.dropout]
        for block in self.blocks:
            found += [block.attention_dropout, block.output_dropout, block.inner_dropout]
        return found


def check_inputs(inputs: Any, architecture: Architecture) -> None:
    """Refuse inputs that would be misread.

    Raises:
        InputError: an input is missing, unknown, or of another shape or type than it should be.
    """
    if not isinstance(inputs, Mapping):
        raise InputError(
            f"the inputs are a {type(inputs).__name__}", mend=f"give a dict with {' and '.join(NEEDED)}"
        )
    known = INPUTS if architecture.types else NEEDED
    for name in (*NEEDED, *inputs):
        if name not in known:
            raise InputError(
                f"{architecture.kind} takes no input {name!r}", mend=f"it takes {', '.join(known)}"
            )
        if inputs.get(name) is None:
            raise InputError(f"the inputs lack {name}", mend=f"they need {' and '.join(NEEDED)}")
    sizes: dict[str, Any] = {name: getattr(array, "shape", None) for name, array in inputs.items()}
    for name, size in sizes.items():
        if size is None or len(size) != 2:
            raise InputError(f"{name} is no array of (batch, pieces): {_told(size)}")
    for name, size in sizes.items():
        # A graph may not know a size before it runs.
        if any(here != there for here, there in zip(size, sizes["input_ids"], strict=True) if here and there):
            raise InputError(f"{name} has the shape {_told(size)}, and input_ids {_told(sizes['input_ids'])}")
        kind = keras.backend.standardize_dtype(inputs[name].dtype)
        if "int" not in kind and name != "attention_mask":
            raise InputError(f"{name} holds {kind}", mend="give whole numbers")
    length = sizes["input_ids"][1]
    if length and length > architecture.limit:
        raise InputError(
            f"{length} pieces, and the encoder takes {architecture.limit} at once", mend="cut the text"
        )


def _told(size: Any) -> str:
    return "one of another kind" if size is None else str(tuple(size))
