"""A file that is written beside its place, `FILE.part`, and moved there when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tagwright.errors import RunError

try:
    import fcntl
except ImportError:  # where there is none, two runs at once are the user's own affair
    fcntl = None  # type: ignore[assignment]

__all__ = ["PartFile", "part_of", "real_path", "unwritable", "working_files"]

TAIL = 1 << 16
"""Bytes before a place that tell whether a file is the one that was written."""


def real_path(path: Path) -> Path:
    """Return the path that links lead to."""
    return Path(os.path.realpath(path))  # Path.resolve raises where links go round in a circle


def part_of(path: Path) -> Path:
    """Return where a file is written until it is whole; the same path for a device or a named pipe."""
    if path.exists() and not path.is_file():
        return path
    return real_path(path).with_name(path.name + ".part")


def working_files(path: Path) -> list[Path]:
    """Return the files that a run makes on its way to one: its part, the journal, and what replaces either."""
    part = part_of(path)
    if part == path:
        return []
    journal = part.with_name(part.name + ".json")
    target = real_path(path)
    return [part, journal, journal.with_name(journal.name + ".new"), target.with_name(target.name + ".new")]


class PartFile:
    """The part of a file that is written so far; one process at a time may hold it.

    Attributes:
        target: the file that it becomes.
        path: where it lies until then.
        size: bytes written, and kept.
    """

    def __init__(self, target: Path) -> None:
        """Open the part, or make an empty one; what is in it stays until `keep` or `write`.

        Raises:
            RunError: it cannot be written to, or another run writes it.
        """
        self.target = real_path(target)
        self.path = part_of(target)
        self.is_file = self.path != target
        self._fd = self._open()
        self.size = os.fstat(self._fd).st_size if self.is_file else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        if not self.is_file:
            special: int = self._try(lambda: os.open(self.path, os.O_WRONLY))
            return special
        while True:
            fd: int = self._try(lambda: os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
            try:
                if fcntl is not None:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise RunError(
                    "another run is writing it",
                    where=str(self.path),
                    mend="let that one end, or name another file",
                ) from None
            except OSError:  # a file system without locks
                return fd
            # Between opening and locking it, the other run may have moved it to its place.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), os.stat(self.path)):
                    return fd
            os.close(fd)

    def write(self, data: bytes) -> None:
        """Append bytes: all of them or, after an error, none."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            if self.is_file:
                with suppress(OSError):
                    os.ftruncate(self._fd, self.size)
            raise self._failed(error) from error
        self.size += len(data)

    def flush(self) -> None:
        """Do nothing: what is written has left this process."""

    def keep(self, size: int) -> None:
        """Throw away what lies behind a number of bytes, and write on from there."""
        if self.is_file:
            self._try(lambda: os.ftruncate(self._fd, size))
            os.lseek(self._fd, size, os.SEEK_SET)
            self.size = size

    def tail(self, size: int) -> str:
        """Return the SHA-256 of the last 64 KiB before a number of bytes."""
        begin = max(0, size - TAIL)
        data: bytes = self._try(lambda: os.pread(self._fd, size - begin, begin))
        return hashlib.sha256(data).hexdigest()

    def sync(self) -> None:
        """Wait until what was written would outlast a loss of power."""
        if self.is_file:
            self._try(lambda: os.fsync(self._fd))

    def finish(self, convert: Callable[[Path, Path], object] | None = None) -> None:
        """Move the file to its place; it replaces what stands there.

        Args:
            convert: writes the file from its part, in one step; the part is thrown away then.
        """
        if self.is_file and convert is not None:
            convert(self.path, self.target)
            self.remove()
        elif self.is_file:
            self._try(lambda: os.replace(self.path, self.target))
        self.close()

    def remove(self) -> None:
        """Remove the part, if it is one and still held."""
        if self.is_file and self._fd >= 0:
            self._try(lambda: self.path.unlink(missing_ok=True))

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _try(self, act: Any) -> Any:
        try:
            return act()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the call is wrong, not the disk
                raise
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> RunError:
        return unwritable(self.path, error)


def unwritable(path: Path, error: OSError) -> RunError:
    """Return the error for a file that the system did not let be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "free some space, or name a file on another disk" if full else None
    return RunError(f"cannot be written: {error.strerror or error}", where=str(path), mend=mend)
