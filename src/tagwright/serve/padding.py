"""A round's batch, cut where its padding would take longer to compute than another call of the model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tagwright.predict.pipeline import overlap_pays
from tagwright.predict.runtimes import Runtime

__all__ = ["TrimmedRuntime", "cuts"]

CALL = 24
"""Pieces that a processor computes in the time that a call costs by itself: 5 in ONNX Runtime, 25 in OpenVINO."""

CALL_UNPADDED = 128
"""The same where padding is left out of most of the work, as PyTorch's runtime does on a processor."""


class TrimmedRuntime:
    """Stands in for a runtime: computes a batch in one or more calls, each padded to its own longest window.

    A chunk of a thousand texts falls into batches of like length; the few dozen texts of a round do not, and half of
    what would be computed is padding. Other devices than processors are better off with one call.

    Attributes:
        name: the runtime's; and so `precision`, `device` and `batch_pieces`.
    """

    def __init__(self, runtime: Runtime) -> None:
        """Take the runtime that it stands in for."""
        self.name = runtime.name
        self.precision = runtime.precision
        self.device = runtime.device
        self.batch_pieces = runtime.batch_pieces
        self._runtime = runtime
        self._call = CALL_UNPADDED if runtime.name == "torch" else CALL
        self._whole = overlap_pays(runtime)

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a batch padded on the right, longest windows first; see `Runtime.logits`."""
        lengths = attention_mask.sum(axis=1).tolist()
        borders = [0, len(lengths)] if self._whole else cuts(lengths, self._call)
        if len(borders) == 2:
            return self._runtime.logits(input_ids, attention_mask)
        result: NDArray[np.float32] | None = None
        for start, stop in pairwise(borders):
            width = max(lengths[start:stop])
            found = self._runtime.logits(
                np.ascontiguousarray(input_ids[start:stop, :width]),
                np.ascontiguousarray(attention_mask[start:stop, :width]),
            )
            if result is None:
                result = np.zeros((*input_ids.shape, found.shape[2]), dtype=np.float32)
            result[start:stop, :width] = found
        assert result is not None
        return result


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
