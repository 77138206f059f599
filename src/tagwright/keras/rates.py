"""How fast each layer learns: the head fastest, then the top layer, the embeddings slowest."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["depths", "rate_factors"]

_LAYER = re.compile(r"\.layer\.(\d+)\.")


def depths(names: Iterable[str]) -> dict[str, int]:
    """Return, for each variable, how many layers lie above it: 0 for the head, 1 for the top layer, and so on.

    Embeddings, with their norm, lie below the lowest layer.

    Args:
        names: Hugging Face names, as of `TokenClassifier.named_variables`.

    >>> depths(["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.dense.bias", "classifier.bias"])
    {'bert.embeddings.word_embeddings.weight': 2, 'bert.encoder.layer.0.output.dense.bias': 1, 'classifier.bias': 0}
    """
    places = {name: _LAYER.search(name) for name in names}
    layers = 1 + max((int(place[1]) for place in places.values() if place), default=-1)
    return {
        name: layers - int(place[1]) if place else 0 if name.startswith("classifier.") else layers + 1
        for name, place in places.items()
    }


def rate_factors(names: Iterable[str], *, layer_decay: float, head_rate: float) -> dict[str, float]:
    """Return what the top layer's learning rate is multiplied by for each variable.

    Args:
        names: Hugging Face names.
        layer_decay: each layer's rate as a multiple of that of the layer above it; of the embeddings, the lowest's.
        head_rate: the head's rate as a multiple of the top layer's.
    """
    return {name: layer_decay ** (depth - 1) if depth else head_rate for name, depth in depths(names).items()}
