"""A round's batch, cut where its padding would take longer to compute than another call of the model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tagwright.predict.pipeline import overlap_pays
from tagwright.predict.runtimes import Runtime
from tagwright.predict.runtimes.standin import StandIn

__all__ = ["TrimmedRuntime", "cuts"]

CALL = 24
"""Pieces that a processor computes in the time that a call costs by itself: 5 in ONNX Runtime, 25 in OpenVINO."""

CALL_UNPADDED = 128
"""The same where padding is left out of most of the work, as PyTorch's runtime does on a processor."""


WIDTH_STEP = 8
"""OpenVINO makes new kernels for a shape that it has not seen, in the time of 100 pieces: there are fewer shapes so."""


class TrimmedRuntime(StandIn):
    """Stands in for a runtime: computes a batch in one or more calls, each padded to its own longest window.

    A chunk of a thousand texts falls into batches of like length; the few dozen texts of a round do not, and half of
    what would be computed is padding. Other devices than processors are better off with one call.
    """

    def __init__(self, runtime: Runtime, limit: int) -> None:
        """Take a runtime.

        Args:
            runtime: what it stands in for.
            limit: pieces in a window, at most.
        """
        super().__init__(runtime)
        self._limit = limit
        self._whole = overlap_pays(runtime)
        self._call = CALL_UNPADDED if runtime.name == "torch" else CALL
        self._step = WIDTH_STEP if runtime.name == "openvino" else 1

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a batch padded on the right, longest windows first; see `Runtime.logits`."""
        if self._whole:
            return self._runtime.logits(input_ids, attention_mask)
        lengths = attention_mask.sum(axis=1).tolist()
        result: NDArray[np.float32] | None = None
        for start, stop in pairwise(cuts(lengths, self._call)):
            length = lengths[start]
            width = max(length, min(-(-length // self._step) * self._step, self._limit))
            found = self._runtime.logits(
                _resized(input_ids[start:stop], width), _resized(attention_mask[start:stop], width)
            )[:, :length]
            if found.shape[:2] == input_ids.shape:
                return found
            if result is None:
                result = np.zeros((*input_ids.shape, found.shape[2]), dtype=np.float32)
            result[start:stop, :length] = found
        assert result is not None
        return result


def _resized(batch: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Return a batch with so many columns: fewer, or more, of zeros."""
    if width <= batch.shape[1]:
        return np.ascontiguousarray(batch[:, :width])
    return np.pad(batch, ((0, 0), (0, width - batch.shape[1])))


def cuts(lengths: list[int], call: int) -> list[int]:
    """Cut a falling row of lengths, each time the padding since the last cut has come to more than a call costs.

    Returns:
        Where each part begins, and, last, how many lengths there are.

    >>> cuts([90, 30, 30, 29, 10], 24)
    [0, 1, 5]
    """
    borders = [0]
    padding = 0
    for place, length in enumerate(lengths):
        padding += lengths[borders[-1]] - length
        if padding > call:
            borders.append(place)
            padding = 0
    return [*borders, len(lengths)]
