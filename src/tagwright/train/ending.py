"""How several processes end: together where they can, and with one message, from one of them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from tagwright.errors import RunError
from tagwright.train.callbacks import StopOnInterrupt
from tagwright.train.ranks import among_several, processes, rank

__all__ = ["EndTogether", "ProcessLostError", "is_lost", "leave_word", "may_say"]

SECONDS = 25.0
"""How long a process that was asked to end waits for a step that all end with; launchers kill it after 30."""

FAREWELL = 5.0
"""How long a process that has failed, and was asked to end, has for saying so."""

# What gloo says when the process at the other end is gone; its errors have no class of their own.
GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")


class ProcessLostError(RunError):
    """Another process of this run has ended."""


def is_lost(error: BaseException) -> bool:
    """Say whether an error comes from another process' end, and not from this one's work."""
    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in GONE)
    )


def may_say(error: BaseException) -> bool:
    """Say whether this process is the one to report an error.

    Of processes that fail for the same reason one reports it; that another process has ended is reported where none
    has told why it did. The processes ask the launcher's store; without one, each reports for itself.
    """
    if processes() == 1:
        return True
    try:
        store = _store()
        run = f"tagwright/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        said: int = store.add(run, 1)
        if isinstance(error, ProcessLostError):
            return said == 1
        return bool(store.add(f"{run}/{hashlib.sha256(str(error).encode()).hexdigest()}", 1) == 1)
    except (RuntimeError, ValueError, KeyError):  # no launcher, or it is gone as well
        return rank() == 0 or not isinstance(error, ProcessLostError)


def leave_word(error: BaseException) -> None:
    """Write an error where the launcher looks for it, so that its own report names it."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not file:
        return
    line = f"tagwright: error: {error}"
    found = {"message": line, "extraInfo": {"py_callstack": line, "timestamp": str(int(time.time()))}}
    with suppress(OSError):
        Path(file).write_text(json.dumps({"message": found}), encoding="utf-8")


def _store() -> Any:
    return torch.distributed.TCPStore(  # type: ignore[attr-defined]  # not exported by name
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
        timeout=timedelta(seconds=3),
    )


class EndTogether:
    """Among several processes, makes Ctrl-C and SIGTERM a question to all of them; alone, does nothing.

    A signal marks the run's `StopOnInterrupt`, of which the trainer tells the others after a batch. A process that
    waits for one that is gone would never come so far: it says its last word after some seconds, and ends.

    Args:
        interrupt: what stops the run at the end of a step.
        last_word: returns the error to end with when the others do not answer.
        seconds: how long to wait for them.
    """

    def __init__(
        self, interrupt: StopOnInterrupt, last_word: Callable[[], RunError], seconds: float = SECONDS
    ) -> None:
        self.interrupt = interrupt
        self.last_word = last_word
        self.seconds = seconds
        self._before: dict[int, Any] = {}
        self._done = threading.Event()
        self._failed = False

    def __enter__(self) -> EndTogether:
        if not among_several() or threading.current_thread() is not threading.main_thread():
            return self
        self._mouth, self._ear = socket.socketpair()
        self._mouth.setblocking(False)
        # Python's handlers wait until a collective returns; the byte that is written here does not.
        self._wakeup = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._before:
            return
        if kind is not None:  # the launcher's SIGTERM may come before this process has said what it ends with
            self._failed = True
            return
        self._done.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._mouth.send(b"\0")
        self._thread.join()
        self._mouth.close()
        self._ear.close()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.interrupt.asked = True

    def _wait(self) -> None:
        self._ear.recv(1)
        if not self._failed and self._done.wait(self.seconds):
            return
        if self._failed:
            time.sleep(FAREWELL)
            os._exit(1)
        error = self.last_word()
        leave_word(error)
        if may_say(error):
            sys.stderr.write(f"tagwright: error: {error}\n")
            sys.stderr.flush()
        os._exit(error.exit_code)
