"""A model in OpenVINO's own format, in fp32 or with int8 weights, or with int8 activations as well."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.export.graph import silent
from tagwright.predict.runtimes.unreported import require_unreported

__all__ = ["GROUP_SIZE", "convert", "convert_calibrated", "convert_compressed"]

GROUP_SIZE = 128
"""Activations that share a scale where they are quantised as they come: larger is faster, smaller more exact."""


def convert(source: Path, file: Path) -> None:
    """Write an ONNX graph as OpenVINO's `.xml` and `.bin`, weights in fp32.

    Raises:
        MissingExtraError: openvino is not installed.
        OSError: the files cannot be written.
    """
    _save(_read(source), file)


def convert_compressed(source: Path, file: Path) -> None:
    """Write an ONNX graph for OpenVINO with int8 weights, one scale and zero point a column.

    Activations are quantised as they come, `GROUP_SIZE` of them to a scale, by the runtime that is told so.

    Raises:
        MissingExtraError: openvino or nncf are not installed.
        OSError: the files cannot be written.
    """
    nncf = require_unreported("nncf", "export")
    with silent():
        model = nncf.compress_weights(_read(source), mode=nncf.CompressWeightsMode.INT8_ASYM)
    _save(model, file)


def convert_calibrated(
    source: Path, file: Path, batches: Iterable[Mapping[str, NDArray[np.int64]]], count: int
) -> None:
    """Write an ONNX graph for OpenVINO with int8 weights and activations, whose ranges are taken from examples.

    Args:
        source: the graph in fp32.
        file: where to.
        batches: padded batches of the inputs, by name.
        count: how many of them.

    Raises:
        MissingExtraError: openvino or nncf are not installed.
        OSError: the files cannot be written.
    """
    nncf = require_unreported("nncf", "export")
    with silent():
        model = nncf.quantize(
            _read(source),
            nncf.Dataset(list(batches)),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=count,
        )
    _save(model, file)


def _read(source: Path) -> Any:
    openvino = require_unreported("openvino", "export")
    return openvino.convert_model(str(source))


def _save(model: Any, file: Path) -> None:
    openvino = require_unreported("openvino", "export")
    try:
        openvino.save_model(model, str(file), compress_to_fp16=False)
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        # It does not say why a write failed; that the folder can be written to is known.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from error
