"""The recipe, and what `tagwright tune` searches over."""

from tagwright.config.dimensions import Choices, Range
from tagwright.config.recipe import (
    DataSettings,
    EncodeSettings,
    ModelSettings,
    PredictSettings,
    Recipe,
    TrainSettings,
    TuneSettings,
    named_recipes,
)
from tagwright.config.space import Space

__all__ = [
    "Choices",
    "DataSettings",
    "EncodeSettings",
    "ModelSettings",
    "PredictSettings",
    "Range",
    "Recipe",
    "Space",
    "TrainSettings",
    "TuneSettings",
    "named_recipes",
]
