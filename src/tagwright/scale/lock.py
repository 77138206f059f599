"""One run at a time writes a folder: a lock of the file system's where there is one, else a lease."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from tagwright.scale.lease import Lease
from tagwright.scale.output import Output, writing
from tagwright.scale.owner import owner, taken

try:
    import fcntl
except ImportError:  # a system without it has leases
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLock", "Lock", "take_lock"]


class Lock(Protocol):
    """What holds a folder for a run.

    Attributes:
        token: names the run.
    """

    token: str

    def check(self) -> None:
        """Raise `RunError` when another run has taken the folder."""
        ...

    def rest(self) -> None:
        """Give no more signs of life; what is still to be done takes a moment."""
        ...

    def release(self) -> None:
        """Let go of the folder."""
        ...


def take_lock(output: Output, say: Callable[[str], None]) -> Lock:
    """Take hold of a folder.

    Args:
        output: the folder; it is made if it is missing.
        say: is told why it takes a while.

    Raises:
        RunError: another run holds it; or it cannot be written to.
    """
    if output.place.is_local and fcntl is not None:
        try:
            return FileLock(output)
        except _NoLocksError:
            pass
    return Lease(output, say)


class _NoLocksError(Exception):
    """The file system has no locks."""


class FileLock:
    """A lock on `_running/lock`, which the system lifts when its process dies.

    Attributes:
        token: names the run.
    """

    def __init__(self, output: Output) -> None:
        """Take the lock.

        Raises:
            RunError: another run holds it, or the folder cannot be written to.
            _NoLocksError: there are no locks here.
        """
        self.token = uuid.uuid4().hex[:12]
        self._path = output.running.local / "lock"
        with writing(output.place):
            self._made = not output.place.local.exists()
            while True:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                except FileNotFoundError:  # the run before is just removing it
                    continue
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    holder = os.pread(self._fd, 4096, 0)
                    os.close(self._fd)
                    raise taken(output, holder) from None
                except OSError:
                    os.close(self._fd)
                    self._path.unlink(missing_ok=True)
                    raise _NoLocksError from None
                with suppress(FileNotFoundError):  # the run before may have removed it in between
                    if os.path.samestat(os.fstat(self._fd), os.stat(self._path)):
                        break
                os.close(self._fd)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(owner()).encode(), 0)

    def check(self) -> None:
        """Do nothing: the system keeps others away."""

    def rest(self) -> None:
        """Do nothing: there are no signs of life."""

    def release(self) -> None:
        """Let go, and leave nothing behind where nothing was begun."""
        if self._fd < 0:
            return
        running = self._path.parent
        with suppress(OSError):
            if os.listdir(running) == [self._path.name]:
                self._path.unlink()
                running.rmdir()
                if self._made:
                    running.parent.rmdir()
        os.close(self._fd)
        self._fd = -1
