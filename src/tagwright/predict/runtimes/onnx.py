"""ONNX Runtime: exported models on CPUs, and on what else its providers reach."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.model.bundle import EXPORTED, BundleMeta
from tagwright.model.huggingface import first_line
from tagwright.predict.runtimes.cores import usable_cores
from tagwright.predict.runtimes.signature import INPUTS, MEND, OUTPUT, Port, check_labels, check_signature
from tagwright.predict.runtimes.unreported import require_unreported

__all__ = ["OnnxRuntime"]

onnxruntime: Any = require_unreported("onnxruntime", "onnx")

_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}
_SILENT = 4  # of its log levels: what goes wrong is raised as well
# Its arena, the C++ library, and CUDA.
_MEMORY = re.compile(r"failed to allocate memory|bad_alloc|out of memory|alloc_failed", re.IGNORECASE)


class OnnxRuntime:
    """Computes logits with ONNX Runtime.

    Its threads sleep between two products instead of spinning: they take no time from the reader and the
    tokenizer, or from other processes. On two busy cores that halves the processor time of a short text and costs
    no time on the clock.
    """

    name = "onnx"

    def __init__(
        self, file: str | Path, *, labels: int, precision: str = "fp32", device: str | None = None
    ) -> None:
        """Load a model.

        Args:
            file: an ONNX file; weights may lie in other files beside it.
            labels: how many labels it has logits for.
            precision: what the file's weights are, `fp32` or `int8`.
            device: `cpu`, `cuda`, `cuda:N` or the name of a provider, such as `CoreML`; None takes CUDA if it works.

        Raises:
            InputError: the file is damaged or another model's, or there is no such device.
        """
        self._where = str(file)
        self._labels = labels
        self.precision = precision
        self.device, self._session = _open(Path(file), device)
        # As for torch: larger batches fall out of a CPU's caches.
        self.batch_pieces = 2048 if self.device == "cpu" else 65536
        check_signature(
            self._where,
            [_port(value) for value in self._session.get_inputs()],
            [_port(value) for value in self._session.get_outputs()],
            labels,
        )
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = _SILENT

    @classmethod
    def load(
        cls, path: str | Path, *, meta: BundleMeta, precision: str = "auto", device: str | None = None
    ) -> OnnxRuntime:
        """Load the model of a bundle."""
        made_in = str(meta.export.get("precision", "fp32"))
        return cls(
            Path(path) / EXPORTED["onnx"],
            labels=len(meta.labels),
            precision=made_in if precision == "auto" else precision,
            device=device,
        )

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits`."""
        batch = dict(zip(INPUTS, (input_ids, attention_mask), strict=True))
        try:
            logits: NDArray[np.float32] = self._session.run([OUTPUT], batch, self._options)[0]
        except Exception as error:  # its exceptions have no class of their own above Exception
            if _MEMORY.search(str(error)):
                raise MemoryError(first_line(error)) from None
            raise
        check_labels(self._where, logits.shape[-1], self._labels)
        return logits


def _open(file: Path, device: str | None) -> tuple[str, Any]:
    """Return the device's name and a session on it."""
    if device is not None:
        return device.lower(), _session(file, *_provider(device))
    if _CUDA in onnxruntime.get_available_providers():
        # It is listed where it is compiled in, card or not, and what it says then is no error of ours.
        onnxruntime.set_default_logger_severity(_SILENT)
        try:
            return "cuda", _session(file, *_provider("cuda"))
        except InputError:
            pass
        finally:
            onnxruntime.set_default_logger_severity(2)
    return "cpu", _session(file, _CPU, {})


def _provider(device: str) -> tuple[str, dict[str, Any]]:
    """Return the provider of a device and its options."""
    there = onnxruntime.get_available_providers()
    kind, _, number = device.lower().partition(":")
    if kind == "cuda" and _CUDA in there and (not number or number.isdecimal()):
        # Without TF32, which keeps ten bits of a product's factors and is no fp32.
        return _CUDA, {"device_id": number or "0", "use_tf32": "0"}
    for name in there:
        if kind != "cuda" and device.lower() in (
            name.lower(),
            name.removesuffix("ExecutionProvider").lower(),
        ):
            return name, {}
    names = [name.removesuffix("ExecutionProvider") for name in there]
    raise InputError(
        f"there is no device {device!r} here",
        mend=f"name one of {', '.join('cpu' if name == 'CPU' else name for name in names)}",
    )


def _session(file: Path, provider: str, options: dict[str, Any]) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _SILENT
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.intra_op_num_threads = usable_cores()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [(provider, options)] + ([] if provider == _CPU else [(_CPU, {})])
    try:
        with contextlib.redirect_stdout(
            io.StringIO()
        ):  # where the libraries of CUDA are missing, that is printed
            if provider == _CUDA and hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()
            session = onnxruntime.InferenceSession(
                str(file), settings, providers=providers, enable_fallback=0
            )
    except Exception as error:  # its exceptions have no class of their own above Exception
        reason = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", first_line(error))
        if _MEMORY.search(reason):
            raise MemoryError(reason) from None
        reason = reason.removeprefix(f"Load model from {file} failed:")
        raise InputError(f"the model cannot be loaded: {reason}", where=str(file), mend=MEND) from None
    if provider not in session.get_providers():
        raise InputError(f"{provider} cannot be used here", mend="name another device, such as cpu")
    return session


def _port(value: Any) -> Port:
    shape = tuple(size if isinstance(size, int) else None for size in value.shape)
    kind = _TYPES.get(value.type) or value.type.removeprefix("tensor(").removesuffix(")")
    return Port(value.name, kind, shape)
