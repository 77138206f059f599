"""A lease: what holds a folder where there are no locks."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tagwright.errors import RunError, TagwrightError
from tagwright.scale.output import Output, writing
from tagwright.scale.owner import is_dead, is_other_machine, owner, taken, who

__all__ = ["BEAT", "STALE", "Lease", "lease_token"]

BEAT = 10.0
"""Seconds between two signs of life of a lease's owner."""
STALE = 45.0
"""Seconds without a sign of life after which a lease is free."""
SETTLE = 1.0
"""Seconds after which the later of two leases written at once has reached the store."""


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
        self._owner = owner()
        self._beats = 0
        self._lost: str | None = None
        self._stopped = threading.Event()
        if output.place.is_local:
            with writing(output.running):
                output.running.local.mkdir(parents=True, exist_ok=True)
        found = _read(self._place)
        if found is not None and not is_dead(found):
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
                self._lost = who(found) if found else "somebody who removed its lease"
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
        if not is_other_machine(found):
            raise taken(self._output, json.dumps(found).encode())
        say(f"waiting up to {self._stale:.0f} s to see whether {who(found)} still writes the folder")
        begin = time.monotonic()
        while time.monotonic() - begin < self._stale:
            self._stopped.wait(min(1.0, self._stale / 10))
            now = _read(self._place)
            if now is None:  # it has ended
                return
            if now != found:
                raise taken(self._output, json.dumps(now).encode())

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
