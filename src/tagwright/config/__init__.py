"""The recipe, and what `tagwright tune` searches over."""

from tagwright.config.recipe import (
    DataSettings,
    EncodeSettings,
    ModelSettings,
    PredictSettings,
    Recipe,
    TrainSettings,
    named_recipes,
)

__all__ = [
    "DataSettings",
    "EncodeSettings",
    "ModelSettings",
    "PredictSettings",
    "Recipe",
    "TrainSettings",
    "named_recipes",
]
