"""The recipe's open ends, closed for the encoder and the machine at hand."""

from __future__ import annotations

import torch

from tagwright.config import Recipe
from tagwright.errors import InputError
from tagwright.model.huggingface import first_line
from tagwright.model.network import Network
from tagwright.model.precision import resolve_precision
from tagwright.train.optimizer import default_learning_rate

__all__ = ["device_of", "resolve"]


def device_of() -> torch.device:
    """Return the device that training runs on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def resolve(recipe: Recipe, network: Network) -> Recipe:
    """Fill in what depends on the encoder and the machine: learning rate, precision, window.

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
            "precision": resolve_precision(recipe.train.precision, device_of()),
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
