"""One run at a time writes a folder: a lock of the file system's where there is one, else a lease."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from tagwright.errors import RunError, TagwrightError
from tagwright.scale.output import Output, writing

try:
    import fcntl
except ImportError:  # a system without it has leases
    fcntl = None  # type: ignore[assignment]

__all__ = ["BEAT", "STALE", "FileLock", "Lease", "Lock", "lease_token", "take_lock"]

BEAT = 10.0
"""Seconds between two signs of life of a lease's owner."""
STALE = 45.0
"""Seconds without a sign of life after which a lease is free."""
SETTLE = 1.0
"""Seconds after which the later of two leases written at once has reached the store."""


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
                    raise _taken(output, holder) from None
                except OSError:
                    os.close(self._fd)
                    self._path.unlink(missing_ok=True)
                    raise _NoLocksError from None
                with suppress(FileNotFoundError):  # the run before may have removed it in between
                    if os.path.samestat(os.fstat(self._fd), os.stat(self._path)):
                        break
                os.close(self._fd)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(_owner()).encode(), 0)

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


class Lease:
    """A file whose owner writes it again every few seconds: `_running/lease.json`.

    A lease is free when its owner is known to be dead, because it ran on this machine, or has given no sign of life
    for `STALE` seconds by this process's own clock: clocks of other machines are not read. A store has no step that
    writes only what nobody else has written: of two runs that begin within a second the one that wrote later goes
    on, and the other ends at its next sign of life. Until then both write, the same bytes if the call is the same.

    Attributes:
        token: names the run.
    """

    def __init__(
        self,
        output: Output,
        say: Callable[[str], None],
        *,
        beat: float = BEAT,
        stale: float = STALE,
        settle: float = SETTLE,
    ) -> None:
        """Take the lease.

        Args:
            output: the folder.
            say: is told when it has to be waited for.
            beat: seconds between two signs of life.
            stale: seconds without one after which a lease is free.
            settle: seconds to wait before looking whose lease was written last.

        Raises:
            RunError: another run holds it, or the folder cannot be written to.
        """
        self.token = uuid.uuid4().hex[:12]
        self._output = output
        self._place = output.running / "lease.json"
        self._beat, self._stale = beat, stale
        self._owner = _owner()
        self._beats = 0
        self._lost: str | None = None
        self._stopped = threading.Event()
        if output.place.is_local:
            with writing(output.running):
                output.running.local.mkdir(parents=True, exist_ok=True)
        found = _read(self._place)
        if found is not None and not _is_dead(found):
            self._watch(found, say)
        self._write()
        self._stopped.wait(settle)
        self.check()
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise when another run has taken the folder.

        Raises:
            RunError: it has.
        """
        if self._lost is None:
            found = _read(self._place)
            if (found or {}).get("token") != self.token:
                self._lost = _who(found) if found else "somebody who removed its lease"
        if self._lost is not None:
            raise RunError(
                f"the folder was taken over by {self._lost}, because this run gave no sign of life",
                where=str(self._output.place),
                mend="let that one end",
            )

    def rest(self) -> None:
        """Give no more signs of life."""
        self._stopped.set()
        self._thread.join(timeout=30)

    def release(self) -> None:
        """Let go of the folder."""
        self.rest()
        if self._lost is None:
            with suppress(TagwrightError, OSError):
                if (_read(self._place) or {}).get("token") == self.token:
                    self._place.fs.delete_file(self._place.path)
            if self._output.place.is_local:
                with suppress(OSError):
                    self._output.running.local.rmdir()  # where nothing else is in it

    def _watch(self, found: dict[str, Any], say: Callable[[str], None]) -> None:
        """Wait until the owner of a lease has given a sign of life, and raise; or until it is stale."""
        if not _is_other_machine(found):
            raise _taken(self._output, json.dumps(found).encode())
        say(f"waiting up to {self._stale:.0f} s to see whether {_who(found)} still writes the folder")
        begin = time.monotonic()
        while time.monotonic() - begin < self._stale:
            self._stopped.wait(min(1.0, self._stale / 10))
            now = _read(self._place)
            if now is None:  # it has ended
                return
            if now != found:
                raise _taken(self._output, json.dumps(now).encode())

    def _write(self) -> None:
        self._beats += 1
        self._output.put_json(self._place, {"token": self.token, "beat": self._beats, **self._owner})

    def _live(self) -> None:
        last = time.monotonic()
        while not self._stopped.wait(self._beat):
            try:
                self.check()
                self._write()
                last = time.monotonic()
            except TagwrightError:
                if self._lost is not None:
                    return
                if time.monotonic() - last > self._stale:  # others think so by now, too
                    self._lost = "nobody yet, but the store could not be reached"
                    return


def lease_token(output: Output) -> str | None:
    """Return the token of the run that holds the lease of a folder; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    found = _read(output.running / "lease.json")
    return None if found is None else str(found.get("token"))


def _read(place: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read_bytes() or b"null")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else None


def _owner() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "began": _began(os.getpid()),
    }


def _machine() -> str:
    """Return what two processes share that see each other by their ids; empty where that cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """Return when a process began, in ticks since the system did; empty where there is none of the id."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_other_machine(owner: dict[str, Any]) -> bool:
    return not owner.get("machine") or owner["machine"] != _machine()


def _is_dead(owner: dict[str, Any]) -> bool:
    if _is_other_machine(owner):
        return False
    return _began(int(owner.get("pid", 0))) != owner.get("began")


def _who(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')} (since {owner.get('since', '?')})"


def _taken(output: Output, holder: bytes) -> RunError:
    try:
        owner = json.loads(holder)
    except ValueError:  # it is just writing its name
        owner = {}
    by = f" by {_who(owner)}" if owner else ""
    return RunError(
        f"another run is writing it{by}",
        where=str(output.place),
        mend="let that one end, or name another folder",
    )
