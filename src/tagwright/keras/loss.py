"""The loss of token classification."""

from __future__ import annotations

from typing import Any

import keras

from tagwright.encode.align import IGNORED

__all__ = ["token_loss"]


def token_loss() -> Any:
    """Return the mean cross-entropy over the pieces that carry a label; -100 is none.

    Returns:
        A `keras.losses.Loss` over labels (batch, pieces) and logits (batch, pieces, labels).
    """
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORED, name="token_loss"
    )
