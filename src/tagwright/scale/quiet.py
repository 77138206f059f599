"""Ray says much, in many ways: what is done to hear it without showing it."""

from __future__ import annotations

import io
import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Heard", "kept_signals", "quiet_data", "quiet_environment", "silenced"]

# Read when Ray is loaded or starts; each only where the user has not set it.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
# Ray's agents end a minute after the driver was killed, as long as they look for a server that is dead, too.
_OWN = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}


class Heard(io.TextIOBase):
    """Keeps the last of what Ray prints and logs.

    Attributes:
        handler: of a logger.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=1000)
        self.handler = logging.Handler(logging.WARNING)
        self.handler.emit = self._emit  # type: ignore[method-assign]

    def write(self, text: str) -> int:
        """Keep what is written."""
        self._lines.append(text)
        return len(text)

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def said(self, *parts: str) -> bool:
        """Tell whether any of these was said."""
        return any(part in line for line in list(self._lines) for part in parts)

    def _emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self._lines.append(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")


@contextmanager
def quiet_data(data: Any, heard: Heard) -> Iterator[None]:
    """Let Ray Data say nothing to the terminal."""
    context = data.DataContext.get_current()
    wanted = {"enable_progress_bars": False, "print_on_execution_start": False}
    before = {name: getattr(context, name) for name in wanted if hasattr(context, name)}
    logger = logging.getLogger("ray.data")
    handlers = list(logger.handlers)
    for name in before:
        setattr(context, name, wanted[name])
    logger.handlers = [each for each in handlers if not isinstance(each, logging.StreamHandler)]
    logger.addHandler(heard.handler)
    try:
        yield
    finally:
        logger.handlers = handlers
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def quiet_environment(*, own: bool) -> Iterator[None]:
    """Let Ray's processes inherit variables that keep it quiet, for the length of the block.

    Args:
        own: whether the cluster is started for the run alone.
    """
    added = {
        name: value for name, value in (_QUIET | (_OWN if own else {})).items() if name not in os.environ
    }
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what Ray's own threads write to stderr, past Python, for the length of the block."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def kept_signals() -> Iterator[None]:
    """Put back what happens on SIGTERM: Ray has it end the process with its own words."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
