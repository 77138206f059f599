"""Structured logs: one JSON object a line on stderr, written beside the requests, never in their way."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

__all__ = ["JsonHandler", "JsonLog"]

_PAUSE = 0.05
_CAPACITY = 10_000
_MOST_TEXT = 16 << 20  # bytes of texts that wait to be written, where texts are logged
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode  # ASCII: any stderr takes it


class JsonLog:
    """Writes log lines from a thread of its own.

    A pipe that nobody reads, a full disk or a closed stderr costs lines, which are counted, and no request.

    Args:
        descriptor: of the file to write to; 2 is stderr.
    """

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._lines: deque[dict[str, Any]] = deque()
        self._waiting = threading.Event()
        self._written = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._text = 0
        self.lost = 0
        """Lines that were not written."""

    def write(self, level: str, event: str, **values: Any) -> None:
        """Take a line; values that are None are left out, and `asked` counts as `bytes`."""
        text = values.get("bytes") or 0 if values.get("asked") is not None else 0
        if len(self._lines) >= _CAPACITY or self._closing or (self._lines and self._text + text > _MOST_TEXT):
            self.lost += 1
            return
        self._text += text
        self._lines.append({"time": time.time(), "level": level, "event": event, **values})
        if not self._waiting.is_set():
            self._written.clear()
            self._waiting.set()
            if self._thread is None:
                self._begin()

    def flush(self, timeout: float = 1.0) -> bool:
        """Wait until what was taken is written, `timeout` seconds at most; return whether it is."""
        end = time.monotonic() + timeout
        while self._lines or (self._thread is not None and not self._written.is_set()):
            if not self._written.wait(0.01) and time.monotonic() > end:
                return False
        return True

    def close(self) -> None:
        """Write what was taken, as far as that is possible within a second, and end the thread."""
        self.flush()
        self._closing = True
        self._waiting.set()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._written.clear()
                # A daemon: a stderr that blocks must not keep the process.
                self._thread = threading.Thread(target=self._run, name="tagwright-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closing:
            self._waiting.wait()
            if len(self._lines) < _CAPACITY // 2 and not self._closing:
                time.sleep(_PAUSE)  # gathers lines, so that a busy service wakes this thread seldom
            self._waiting.clear()
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            self._text = 0
            if batch:
                self._put(batch)
            if not self._lines:
                self._written.set()

    def _put(self, batch: list[dict[str, Any]]) -> None:
        lost, self.lost = self.lost, 0
        if lost:
            batch.append({"time": time.time(), "level": "warning", "event": "log_lines_lost", "lines": lost})
        data = memoryview("".join(_line(record) for record in batch).encode())
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            self.lost += lost + data.tobytes().count(b"\n")


def _line(record: dict[str, Any]) -> str:
    record["time"] = datetime.fromtimestamp(record["time"], UTC).isoformat(timespec="milliseconds")
    kept = {key: value for key, value in record.items() if value is not None}
    try:
        return _encode(kept) + "\n"
    except (ValueError, TypeError, RecursionError):  # a value that JSON cannot say
        return _encode({key: str(value)[:1000] for key, value in kept.items()}) + "\n"


class JsonHandler(logging.Handler):
    """Sends what libraries log by the standard way through a `JsonLog`."""

    def __init__(self, log: JsonLog) -> None:
        super().__init__()
        self._log = log
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, with the last line of its exception and where that was raised."""
        with contextlib.suppress(Exception):  # a logging failure never breaks a request
            error = place = None
            if record.exc_info and record.exc_info[1] is not None:
                error, place = describe(record.exc_info[1])
            self._log.write(
                record.levelname.lower(),
                "message",
                logger=record.name,
                message=record.getMessage().strip(),
                error=error,
                place=place,
            )


def describe(error: BaseException) -> tuple[str, str | None]:
    """Return an exception's type, and the file's name and line of its last frames.

    Its message stays out: it may hold a piece of somebody's text.
    """
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    return type(error).__name__, " > ".join(frames[-6:]) or None
