"""Exported graphs on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.bundle import EXPORTED, BundleMeta
from tagwright.predict.runtimes.cores import usable_cores

__all__ = ["OnnxRuntime"]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ERRORS_ONLY = 3


class OnnxRuntime:
    """Computes logits with ONNX Runtime, in fp32 or int8 as the graph was made.

    See `tagwright.predict.runtimes.Runtime`.
    """

    name = "onnx"

    def __init__(self, session: Any, *, precision: str, device: str) -> None:
        self._session = session
        self.precision = precision
        self.device = device
        self.batch_pieces = 2048 if device == "cpu" else 65536

    @classmethod
    def load(
        cls, path: str | Path, *, precision: str = "auto", device: str | None = None, meta: BundleMeta
    ) -> OnnxRuntime:
        """Open the graph of an exported bundle."""
        kind, _, number = (device or "cpu").partition(":")
        provider = PROVIDERS.get(kind, kind)
        there = onnxruntime.get_available_providers()
        if provider not in there:
            raise InputError(
                f"onnxruntime has no device {device!r} here; it has {', '.join(there)}",
                mend="name cpu, or install the onnxruntime of the device",
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_cores()
        options.log_severity_level = ERRORS_ONLY
        chosen = (provider, {"device_id": int(number)}) if number else provider
        file = Path(path) / EXPORTED["onnx"]
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=[chosen])
        except Exception as error:  # the library's own exceptions have no common base
            reason = str(error).splitlines()[0]
            raise InputError(f"the graph cannot be loaded: {reason}", where=str(file)) from None
        return cls(session, precision=meta.export.get("precision", "fp32"), device=device or "cpu")

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        try:
            logits: NDArray[np.float32] = self._session.run(["logits"], inputs)[0]
        except Exception as error:
            if "allocate" in str(error) or "bad_alloc" in str(error):
                raise MemoryError(str(error).splitlines()[0]) from None
            raise
        return logits
