"""The recipe's open ends, closed for the encoder and the machine at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tagwright.config import Recipe, TrainSettings
from tagwright.errors import InputError
from tagwright.model.huggingface import first_line
from tagwright.model.network import Network
from tagwright.model.precision import resolve_precision
from tagwright.train.engines import check_engine
from tagwright.train.optimizer import default_learning_rate

__all__ = ["device_of", "load_recipe", "precision_of", "resolve", "source_and_encoder"]


def device_of() -> torch.device:
    """Return the device that PyTorch trains on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_of(settings: TrainSettings) -> str:
    """Return the precision that training will have: `"fp32"` or `"bf16"`; Keras' `auto` goes by the CPU."""
    device = "cpu" if settings.engine == "keras" else device_of()
    return resolve_precision(settings.precision, device, engine=settings.engine)


def load_recipe(
    recipe: Recipe | str | Path | None, settings: Iterable[str] | Mapping[str, Any], model: str | None
) -> Recipe:
    """Return a recipe to work on: a copy of the one given, or the one that is named, with what overrides it.

    Args:
        recipe: a `Recipe`, a TOML file or a built-in name; None is `default`.
        settings: more fields, as for `Recipe.load`.
        model: the encoder; overrides `model.encoder`.

    Raises:
        InputError: there is no such recipe, a field is wrong, the engine cannot honour one that was set, or settings
            go with a `Recipe`.
        MissingExtraError: the engine is not installed.
    """
    if isinstance(recipe, Recipe):
        if settings:
            raise InputError("settings go with a recipe's name or file", mend="set them on the Recipe itself")
        loaded = recipe.model_copy(deep=True)
    else:
        loaded = Recipe.load(recipe, settings)
    if model is not None:
        loaded.model.encoder = model
    check_engine(loaded.train)
    return loaded


def source_and_encoder(recipe: Recipe, data: Any) -> tuple[Any, str]:
    """Return the data to train on, whose path or name is noted in the recipe, and the encoder's name.

    Args:
        recipe: what would be trained.
        data: as for `load_data`; None takes `data.source`.

    Raises:
        InputError: no data or no encoder is named.
    """
    source = data if data is not None else recipe.data.source
    if source is None:
        raise InputError("no data was named", mend="give --data DATA or set data.source in the recipe")
    if recipe.model.encoder is None:
        raise InputError(
            "no encoder was named", mend="give --model ENCODER, such as minilm, or set model.encoder"
        )
    if isinstance(source, str | Path):
        recipe.data.source = str(source)
    return source, recipe.model.encoder


def resolve(recipe: Recipe, network: Network) -> Recipe:
    """Fill in what depends on the encoder, the engine and the machine: learning rate, precision, window, fast step.

    Raises:
        InputError: the recipe asks for windows longer than the encoder takes, or for a tracker that is not there.
    """
    _check_trackers(recipe.train.report_to)
    asked = recipe.encode.max_pieces
    if asked is not None and asked > network.max_pieces:
        raise InputError(
            f"encode.max_pieces = {asked} is more than the {network.max_pieces} pieces that the encoder takes",
            mend="lower it or leave it out",
        )
    train = recipe.train.model_copy(
        update={
            "learning_rate": recipe.train.learning_rate
            or default_learning_rate(network.model.config.hidden_size),
            "precision": precision_of(recipe.train),
            "fast_step": recipe.train.fast_step and recipe.train.engine == "torch",
        }
    )
    encode = recipe.encode.model_copy(update={"max_pieces": asked or network.max_pieces})
    return recipe.model_copy(update={"train": train, "encode": encode})


def _check_trackers(names: list[str]) -> None:
    from transformers.integrations import get_reporting_integration_callbacks

    try:
        for tracker in get_reporting_integration_callbacks(names):
            tracker()
    except Exception as error:  # whatever the tracker's own package raises
        raise InputError(f"train.report_to: {first_line(error)}") from error
