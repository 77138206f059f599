"""The second engine: the same encoders, recipe and bundle on Keras 3 with TensorFlow.

The public names load Keras on their first use; without the extra `keras` they say what to install.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tagwright.keras.backend import check_keras

# Resolved on first use, so that importing this room loads neither Keras nor TensorFlow.
_HOMES = {
    "EntityF1": "tagwright.keras.metrics",
    "TokenClassifier": "tagwright.keras.classifier",
    "create_optimizer": "tagwright.keras.optimizer",
    "to_tf_dataset": "tagwright.keras.dataset",
    "token_loss": "tagwright.keras.loss",
}

__all__ = ["EntityF1", "TokenClassifier", "create_optimizer", "to_tf_dataset", "token_loss"]

if TYPE_CHECKING:
    from tagwright.keras.classifier import TokenClassifier
    from tagwright.keras.dataset import to_tf_dataset
    from tagwright.keras.loss import token_loss
    from tagwright.keras.metrics import EntityF1
    from tagwright.keras.optimizer import create_optimizer


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tagwright.keras' has no attribute {name!r}")
    check_keras()
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
