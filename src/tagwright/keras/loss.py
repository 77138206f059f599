"""The loss of token classification."""

from __future__ import annotations

from typing import Any

import keras

__all__ = ["IGNORED", "token_loss"]

IGNORED = -100
"""The label of pieces that are not scored: special ones, padding, and all but a word's first."""


def token_loss() -> Any:
    """Return the mean cross-entropy over the pieces that carry a label; -100 is none.

    Returns:
        A `keras.losses.Loss` over labels (batch, pieces) and logits (batch, pieces, labels).
    """
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORED, name="token_loss"
    )
