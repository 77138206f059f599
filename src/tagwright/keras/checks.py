"""What Keras or Python would take, and would count otherwise than it is meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from tagwright.errors import InputError

__all__ = ["check_metrics", "check_plain", "check_weights", "label_names"]

_ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy")


def label_names(labels: Any) -> tuple[str, ...]:
    """Return the names of labels, in the order of their ids.

    Raises:
        InputError: they are not different names, or have no order of their own.
    """
    # A text would be a label a letter; a dict's order need not be that of its ids, and a set has none.
    unordered = isinstance(labels, Mapping) or (isinstance(labels, Set) and not isinstance(labels, Sequence))
    if isinstance(labels, str | bytes) or unordered or not isinstance(labels, Iterable):
        raise InputError(
            f"the labels are a {type(labels).__name__}: {labels!r}",
            mend="give a list of their names, in the order of their ids",
        )
    names = tuple(labels)
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"the labels are not different names: {list(names)}")
    return tuple(map(str, names))  # NumPy's texts as Python's


def check_metrics(metrics: Any) -> None:
    """Refuse the metrics that Keras counts over all pieces, those of -100 among them.

    Raises:
        InputError: a metric is an accuracy.
    """
    for metric in metrics if isinstance(metrics, list | tuple) else [metrics]:
        if isinstance(metric, str) and metric in _ACCURACIES:
            raise InputError(
                f"metrics = {metric!r} counts pieces labelled -100 as wrong",
                mend="leave it out; EntityF1 gives val_accuracy and the scores of entities",
            )


def check_weights(class_weight: Any = None, sample_weight: Any = None, **others: Any) -> None:
    """Refuse weights that Keras cannot lay over (rows, pieces).

    Raises:
        InputError: there are weights of classes, or one weight a row.
    """
    mend = "give sample_weight in the shape of the labels, (rows, pieces)"
    if class_weight is not None:
        raise InputError(
            "class_weight: Keras takes one class a row, and here each piece has its own", mend=mend
        )
    if sample_weight is not None and np.ndim(sample_weight) != 2:
        raise InputError(f"sample_weight has the shape {np.shape(sample_weight)}", mend=mend)


def check_plain(layers: Iterable[Any]) -> None:
    """Refuse layers that compute with more than their weights, which is more than a Hugging Face folder holds.

    Raises:
        InputError: a layer has LoRA switched on, or is quantized.
    """
    for layer in layers:
        added = "LoRA" if getattr(layer, "lora_enabled", False) else getattr(layer, "quantization_mode", None)
        if added:
            raise InputError(
                f"the layer {layer.name} has {added}, for which a Hugging Face folder has no place",
                mend="leave out enable_lora, or save before quantize",
            )
