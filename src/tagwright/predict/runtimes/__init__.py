"""Token arrays in, logits out: one file per runtime, which alone knows its library."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, require

__all__ = ["PRECISIONS", "RUNTIMES", "Runtime", "load_runtime"]

RUNTIMES = ("torch",)
PRECISIONS = ("fp32", "bf16")


class Runtime(Protocol):
    """What computes the logits.

    Attributes:
        name: which runtime it is, such as `torch`.
        precision: `fp32` or `bf16`: the precision of the matrix products.
        device: where it computes, such as `cpu` or `cuda`.
        batch_pieces: the budget of pieces in a batch, padding included, that suits the device.
    """

    name: str
    precision: str
    device: str
    batch_pieces: int

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch.

        Args:
            input_ids: shape (windows, longest).
            attention_mask: shape (windows, longest): 1 on pieces, 0 on padding.

        Returns:
            float32, shape (windows, longest, labels).

        Raises:
            MemoryError: the batch does not fit the device's memory; a smaller one may.
        """
        ...


def load_runtime(
    path: str | Path, *, runtime: str = "auto", precision: str = "auto", device: str | None = None
) -> Runtime:
    """Load a bundle's weights into a runtime.

    Args:
        path: the bundle.
        runtime: one of `RUNTIMES`; `auto` takes the fastest that is installed.
        precision: one of `PRECISIONS`; `auto` takes bf16 where the device computes it fast.
        device: a device of the runtime, such as `cpu`, `cuda` or `cuda:1`; None takes CUDA if it is there.

    Raises:
        InputError: an unknown name, or no such device.
        MissingExtraError: the runtime is not installed.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"there is no runtime {runtime!r}", mend=f"name one of auto, {', '.join(RUNTIMES)}")
    if precision not in ("auto", *PRECISIONS):
        raise InputError(
            f"there is no precision {precision!r}", mend=f"name one of auto, {', '.join(PRECISIONS)}"
        )
    require("torch", "train")
    from tagwright.predict.runtimes.torch import TorchRuntime

    return TorchRuntime.load(path, precision=precision, device=device)
