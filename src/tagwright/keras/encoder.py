"""The encoder: embeddings and a stack of transformer layers."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tagwright.keras.architecture import Architecture
from tagwright.keras.layers import MASKED, Embeddings, EncoderLayer, Seeds

__all__ = ["Encoder"]


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
        states = self.embeddings(ids, types, training=training)
        mask = ops.where(ops.cast(mask, "bool"), 0.0, MASKED)[:, None, None, :]
        for block in self.blocks:
            states = block(states, mask, training=training)
        return states

    def seeded(self) -> list[Any]:
        """Return the dropout layers, in a fixed order."""
        found = [self.embeddings.dropout]
        for block in self.blocks:
            found += [block.attention_dropout, block.output_dropout, block.inner_dropout]
        return found
