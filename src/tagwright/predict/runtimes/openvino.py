"""OpenVINO: exported models on Intel's and other x86 CPUs, in fp32, bf16 or int8."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.bundle import EXPORTED, BundleMeta, held_for
from tagwright.model.huggingface import first_line
from tagwright.predict.runtimes.cores import usable_cores
from tagwright.predict.runtimes.signature import INPUTS, MEND, OUTPUT, Port, check_labels, check_signature
from tagwright.predict.runtimes.unreported import require_unreported

__all__ = ["OpenVinoRuntime"]

openvino: Any = require_unreported("openvino", "openvino")

KEPT_KERNELS = 1000
"""Kernels that are kept for shapes seen before, several for each shape of a batch; OpenVINO's own default is 5,000.

Over 400 shapes, static int8 took 0.76 GB so, 0.60 GB with 256 and 1.38 GB with 2,500. The 110 shapes of a service's
rounds do not fit into 256: with 1,000 it answers a quarter more texts a second, with 5,000 a twentieth more again.
"""

_TYPES = {"i64": "int64", "i32": "int32", "f32": "float32", "f16": "float16", "bf16": "bfloat16"}
_HINTS = {"fp32": "f32", "bf16": "bf16"}
_MEMORY = re.compile(
    r".*(bad_alloc|bad allocation|out of memory|failed to allocate|can't alloc).*", re.IGNORECASE
)


class OpenVinoRuntime:
    """Computes logits with OpenVINO.

    In int8, whatever is not int8 runs in bf16 where the CPU is fast at it, and activations are quantised in the
    groups that were measured at the export.
    """

    name = "openvino"

    def __init__(
        self,
        file: str | Path,
        *,
        labels: int,
        precision: str = "auto",
        group_size: int = 0,
        device: str | None = None,
    ) -> None:
        """Load a model and compile it.

        Args:
            file: OpenVINO's `.xml`, with the `.bin` beside it, or an ONNX file.
            labels: how many labels it has logits for.
            precision: `fp32`, `bf16`, `int8` (the file's weights are), or `auto`: bf16 where it is fast.
            group_size: activations that share a scale where int8 quantises them as they come; 0 for not at all.
            device: `cpu`, or another of OpenVINO's devices, such as `GPU`; None is `cpu`.

        Raises:
            InputError: the file is damaged or another model's, or there is no such device or precision.
        """
        self._where = str(file)
        self._labels = labels
        core = _core()
        self.device = (device or "cpu").lower()
        name = _device(core, self.device)
        capable = "BF16" in core.get_property(name, "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and not capable:
            raise InputError("this machine does not compute bf16 in OpenVINO", mend="name fp32 or auto")
        self.precision = ("bf16" if capable else "fp32") if precision == "auto" else precision
        hint = self.precision if self.precision != "int8" else "bf16" if capable else "fp32"
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[hint]}
        if name == "CPU":
            settings |= {
                "INFERENCE_NUM_THREADS": usable_cores(),
                "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
                "DYNAMIC_QUANTIZATION_GROUP_SIZE": group_size if self.precision == "int8" else 0,
                "CPU_RUNTIME_CACHE_CAPACITY": KEPT_KERNELS,
            }
        # As for torch: larger batches fall out of a CPU's caches.
        self.batch_pieces = 2048 if name == "CPU" else 65536
        _check_xml(Path(file))
        try:
            model = core.read_model(self._where)
            check_signature(
                self._where,
                [_port(port) for port in model.inputs],
                [_port(port) for port in model.outputs],
                labels,
            )
            self._request = core.compile_model(model, name, settings).create_infer_request()
        except RuntimeError as error:
            _raise_for_memory(error)
            raise InputError(
                f"the model cannot be loaded: {_reason(error)}", where=self._where, mend=MEND
            ) from None
        self._lock = Lock()

    @classmethod
    def load(
        cls, path: str | Path, *, meta: BundleMeta, precision: str = "auto", device: str | None = None
    ) -> OpenVinoRuntime:
        """Load the model of a bundle."""
        if meta.export.get("precision") == "int8":
            precision = "int8"
        return cls(
            Path(path) / EXPORTED[held_for(path, meta)],
            labels=len(meta.labels),
            precision=precision,
            group_size=meta.export.get("group_size", 0),
            device=device,
        )

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        batch = dict(zip(INPUTS, (input_ids, attention_mask), strict=True))
        try:
            with self._lock:  # a request does one thing at a time
                # Not infer(): with one thread, that swallows a failed allocation and hands out the last answer again.
                self._request.start_async(batch, share_inputs=True)
                self._request.wait()
                # A copy, or the next call would write over it.
                logits: NDArray[np.float32] = self._request.get_tensor(OUTPUT).data.copy()
        except RuntimeError as error:
            _raise_for_memory(error)
            raise
        check_labels(self._where, logits.shape[-1], self._labels)
        return logits


def _check_xml(file: Path) -> None:
    """Refuse what is not OpenVINO's: other libraries' formats would be tried, and these print."""
    if file.suffix != ".xml":
        return
    try:
        with file.open("rb") as opened:
            begin = opened.read(512).lstrip()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file)) from None
    if not (begin.startswith(b"<") and b"<net" in begin):
        raise InputError("the model cannot be loaded: it is not OpenVINO's XML", where=str(file), mend=MEND)


@cache
def _core() -> Any:
    """Return the one core of the process, which is never let go.

    Its CPU plugin lays a stack for signal handlers and puts the one before back when it goes. Of two cores, the second
    would put back what the first has unmapped, and the next signal, such as Ctrl-C's, would end the process.
    """
    return openvino.Core()


def _device(core: Any, device: str) -> str:
    if device == "cpu":  # asking what else there is takes as long as loading drivers takes
        return "CPU"
    there = {name.lower(): name for name in core.available_devices}
    if device not in there:
        raise InputError(f"there is no device {device!r} here", mend=f"name one of {', '.join(there)}")
    return str(there[device])


def _raise_for_memory(error: RuntimeError) -> None:
    if found := _MEMORY.search(str(error)):
        raise MemoryError(found[0].strip()) from None


def _reason(error: Exception) -> str:
    """Return what an error says without the lines that say where in OpenVINO's source it was raised."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return said[0] if said else first_line(error)


def _port(port: Any) -> Port:
    names = port.get_names()
    wanted = [name for name in (*INPUTS, OUTPUT) if name in names]
    name = wanted[0] if wanted else min(names, default=port.get_node().get_friendly_name())
    kind = port.get_element_type().get_type_name()
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return Port(name, _TYPES.get(kind, kind), None)
    sizes = tuple(None if size.is_dynamic else size.get_length() for size in shape)
    return Port(name, _TYPES.get(kind, kind), sizes)
