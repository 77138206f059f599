"""Import the runtimes' libraries without what reports their use to their makers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from tagwright.errors import require

__all__ = ["require_unreported"]

_PACKAGE = "openvino_telemetry"
_SWITCH = "ORT_DISABLE_TELEMETRY"


def require_unreported(module: str, extra: str) -> ModuleType:
    """Import onnxruntime, openvino, nncf or a part of them; see `tagwright.errors.require`.

    As they stand, importing them writes an identity of the user into the home folder and has it posted to a web
    service with what is done. onnxruntime asks an environment variable whether it may; openvino and nncf go
    without where the package that does it is missing. Where the user has set the one or imported the other, that
    was the user's wish.

    Raises:
        MissingExtraError: the module is not installed.
    """
    with _unreported():
        return require(module, extra)


@contextmanager
def _unreported() -> Iterator[None]:
    block, switch = _PACKAGE not in sys.modules, _SWITCH not in os.environ
    if block:
        sys.modules[_PACKAGE] = None  # type: ignore[assignment]  # importing it raises ImportError
    if switch:
        os.environ[_SWITCH] = "1"
    try:
        yield
    finally:
        if block:
            del sys.modules[_PACKAGE]
        if switch:
            del os.environ[_SWITCH]
