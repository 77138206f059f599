"""Who holds a folder, and whether it lives."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagwright.errors import RunError
from tagwright.scale.output import Output

__all__ = ["is_dead", "is_other_machine", "owner", "taken", "who"]


def owner() -> dict[str, Any]:
    """Return what others need to know of this process."""
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


def is_other_machine(owner: dict[str, Any]) -> bool:
    """Tell whether an owner's process cannot be looked for here."""
    return not owner.get("machine") or owner["machine"] != _machine()


def is_dead(owner: dict[str, Any]) -> bool:
    """Tell whether an owner is known to be dead; False where that cannot be told."""
    if is_other_machine(owner):
        return False
    return _began(int(owner.get("pid", 0))) != owner.get("began")


def who(owner: dict[str, Any]) -> str:
    """Name an owner to a user."""
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')} (since {owner.get('since', '?')})"


def taken(output: Output, holder: bytes) -> RunError:
    """Return the error for a folder that another run holds, of which `holder` says who it is."""
    try:
        owner = json.loads(holder)
    except ValueError:  # it is just writing its name
        owner = {}
    by = f" by {who(owner)}" if owner else ""
    return RunError(
        f"another run is writing it{by}",
        where=str(output.place),
        mend="let that one end, or name another folder",
    )
