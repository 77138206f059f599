"""Token arrays in, logits out: one file per runtime, which alone knows its library."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, require
from tagwright.model.bundle import BundleMeta, held_for, read_meta

__all__ = ["PRECISIONS", "RUNTIMES", "Runtime", "check_suits", "load_runtime"]

RUNTIMES = ("torch", "onnx", "openvino")
PRECISIONS = ("fp32", "bf16", "int8")


class Runtime(Protocol):
    """What computes the logits.

    Attributes:
        name: which runtime it is, such as `torch`.
        precision: `fp32`, `bf16` or `int8`: the precision of the matrix products.
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
    path: str | Path,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    meta: BundleMeta | None = None,
) -> Runtime:
    """Load a bundle's model into a runtime.

    Args:
        path: the bundle.
        runtime: one of `RUNTIMES`; `auto` takes the one that the bundle's files are for. An fp32 export for
            `onnx` runs on `openvino` too, when that is named.
        precision: one of `PRECISIONS`; `auto` takes int8 where the bundle was exported in int8, and else bf16
            where the runtime computes it fast on the device.
        device: a device of the runtime, such as `cpu`, `cuda` or `cuda:1`; None takes the fastest that is there.
        meta: what the bundle says of itself, where it was read already.

    Raises:
        InputError: an unknown name, no such device, or the bundle was not made for the runtime or the precision.
        MissingExtraError: the runtime is not installed.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise InputError(f"there is no runtime {runtime!r}", mend=f"name one of auto, {', '.join(RUNTIMES)}")
    if precision not in ("auto", *PRECISIONS):
        raise InputError(
            f"there is no precision {precision!r}", mend=f"name one of auto, {', '.join(PRECISIONS)}"
        )
    if meta is None:
        meta = read_meta(path)
    check_suits(path, meta, runtime, precision)
    if runtime == "auto":
        runtime = held_for(path, meta)
    if runtime == "onnx":
        from tagwright.predict.runtimes.onnx import OnnxRuntime

        return OnnxRuntime.load(path, precision=precision, device=device, meta=meta)
    if runtime == "openvino":
        from tagwright.predict.runtimes.openvino import OpenVinoRuntime

        return OpenVinoRuntime.load(path, precision=precision, device=device, meta=meta)
    require("torch", "train")
    from tagwright.predict.runtimes.torch import TorchRuntime

    return TorchRuntime.load(path, precision=precision, device=device)


def check_suits(path: str | Path, meta: BundleMeta, runtime: str, precision: str) -> None:
    """Refuse a runtime or a precision that the bundle was not made for, before anything is imported.

    Args:
        path: the bundle.
        meta: what it says of itself.
        runtime: one of `RUNTIMES`, or `auto`.
        precision: one of `PRECISIONS`, or `auto`.

    Raises:
        InputError: the bundle was not made for them.
    """
    held = held_for(path, meta)
    if runtime == "auto":
        runtime = held
    made_in = meta.export.get("precision", "fp32")
    readable = {"torch": ("torch",), "onnx": ("onnx", "openvino"), "openvino": ("openvino",)}[held]
    if runtime not in readable or (held != runtime and made_in == "int8"):
        if held == "torch":
            raise InputError(
                f"the bundle holds weights, which run on torch, not on {runtime}",
                where=str(path),
                mend=f"tagwright export {path} --to {runtime} -o DIR",
            )
        raise InputError(
            f"the bundle was exported for {held} in {made_in}, and does not run on {runtime}",
            where=str(path),
            mend=f"name --runtime {held}, or export the bundle that it was made from for {runtime}"
            if runtime != "torch"
            else f"name --runtime {held}, or the bundle that it was made from",
        )
    able = ("int8",) if made_in == "int8" else ("fp32",) if runtime == "onnx" else ("fp32", "bf16")
    if precision not in ("auto", *able):
        mends = {
            "int8": f"name {' or '.join(able)}, or make it: tagwright export BUNDLE --to {runtime} --int8 -o DIR",
            "bf16": f"name {' or '.join(able)}; bf16 runs on torch and openvino",
            "fp32": f"name {' or '.join(able)}, or export it without --int8",
        }
        what = f"an export in {made_in}" if held != "torch" else "a bundle with weights"
        raise InputError(
            f"{runtime} does not compute {what} in {precision}", where=str(path), mend=mends[precision]
        )
