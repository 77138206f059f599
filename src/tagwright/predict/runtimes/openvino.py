"""Exported graphs on OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.bundle import EXPORTED, BundleMeta, held_for
from tagwright.predict.runtimes.cores import usable_cores

__all__ = ["OpenVinoRuntime"]


class OpenVinoRuntime:
    """Computes logits with OpenVINO: in fp32 or bf16, or in int8 as the graph was made.

    See `tagwright.predict.runtimes.Runtime`.
    """

    name = "openvino"

    def __init__(self, compiled: Any, *, precision: str, device: str) -> None:
        self._request = compiled.create_infer_request()
        self.precision = precision
        self.device = device
        self.batch_pieces = 2048

    @classmethod
    def load(
        cls, path: str | Path, *, precision: str = "auto", device: str | None = None, meta: BundleMeta
    ) -> OpenVinoRuntime:
        """Open the graph of an exported bundle."""
        core = openvino.Core()
        name = (device or "cpu").upper()
        if name not in core.available_devices:
            raise InputError(
                f"openvino has no device {device!r} here; it has {', '.join(core.available_devices)}",
                mend="name cpu",
            )
        fast = "BF16" in core.get_property(name, "OPTIMIZATION_CAPABILITIES")
        int8 = meta.export.get("precision") == "int8"
        if precision == "auto":
            precision = "int8" if int8 else "bf16" if fast else "fp32"
        settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": usable_cores(),
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" or (int8 and fast) else "f32",
        }
        if int8 and meta.export.get("group_size"):
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(meta.export["group_size"])
        file = Path(path) / EXPORTED[held_for(path, meta)]
        try:
            compiled = core.compile_model(core.read_model(str(file)), name, settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"the graph cannot be loaded: {reason}", where=str(file)) from None
        return cls(compiled, precision=precision, device=device or "cpu")

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        results = self._request.infer({"input_ids": input_ids, "attention_mask": attention_mask})
        logits: NDArray[np.float32] = results["logits"].copy()  # the next batch overwrites it
        return logits
