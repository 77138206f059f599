"""A bundle on machines that do not have its folder: its files come through Ray, once per machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagwright.errors import InputError, RunError

try:
    import fcntl
except ImportError:  # a system without it may unpack a bundle twice
    fcntl = None  # type: ignore[assignment]

__all__ = ["Shipment", "local_bundle", "pack"]


@dataclass(frozen=True)
class Shipment:
    """The files of a bundle.

    Attributes:
        files: what stands for the bytes of each file, by its name.
        fetch: gives the bytes for what stands for them.
    """

    files: Mapping[str, Any]
    fetch: Callable[[Any], bytes]


def pack(bundle: Path, keep: Callable[[bytes], Any], fetch: Callable[[Any], bytes]) -> Shipment:
    """Hand the files of a bundle over.

    Args:
        bundle: the folder; what lies deeper, such as checkpoints, is left out.
        keep: takes bytes and returns what stands for them.
        fetch: gives them back.
    """
    files = [path for path in sorted(bundle.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return Shipment({path.name: keep(path.read_bytes()) for path in files}, fetch)


def local_bundle(bundle: Path, fingerprint: Mapping[str, str], shipment: Shipment | None) -> Path:
    """Return a folder of this machine with a bundle's files.

    Args:
        bundle: where it lies on the machine that began the run.
        fingerprint: what it holds; see `tagwright.predict.origin.fingerprint`.
        shipment: its files, for a machine where that folder is missing or holds something else.

    Raises:
        InputError: it is not there, and there is no shipment; or it has changed since the run was begun.
        RunError: it cannot be unpacked.
    """
    from tagwright.predict.origin import difference
    from tagwright.predict.origin import fingerprint as found_in

    if bundle.is_dir():
        found = found_in(bundle)
        if found == dict(fingerprint):
            return bundle
        if shipment is None:
            raise InputError(
                difference("the bundle", dict(fingerprint), found),
                where=str(bundle),
                mend="give the same call again",
            )
    elif shipment is None:
        raise InputError("the bundle is not there any more", where=str(bundle), mend="bring it back")
    return _unpacked(bundle.name, fingerprint, shipment)


def _unpacked(name: str, fingerprint: Mapping[str, str], shipment: Shipment) -> Path:
    """Return the temporary folder of a bundle, in which whoever comes first unpacks it."""
    from tagwright.predict.origin import fingerprint as found_in

    sha = hashlib.sha256(json.dumps(dict(fingerprint), sort_keys=True).encode()).hexdigest()[:16]
    above = Path(tempfile.gettempdir(), f"tagwright-{os.getuid() if hasattr(os, 'getuid') else 'bundles'}")
    folder = above / sha / name  # the name is written beside answers in some formats
    try:
        above.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and above.stat().st_uid != os.getuid():
            raise RunError("it is somebody else's", where=str(above), mend="set TMPDIR on that machine")
        folder.parent.mkdir(exist_ok=True)
        with (folder.parent / "lock").open("w") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir() and found_in(folder) != dict(fingerprint):  # whatever has happened to it
                shutil.rmtree(folder)
            if not folder.is_dir():
                _unpack(folder, shipment)
    except OSError as error:
        raise RunError(
            f"the bundle cannot be unpacked: {os.strerror(error.errno or 0).lower()}",
            where=str(folder),
            mend="free some space on that machine, or set TMPDIR there",
        ) from error
    if found_in(folder) != dict(fingerprint):
        raise RunError("the bundle changed while it was read", where=str(folder), mend="give the call again")
    return folder


def _unpack(folder: Path, shipment: Shipment) -> None:
    new = folder.with_name(f"new-{uuid.uuid4().hex[:8]}")
    try:
        new.mkdir()
        for name, kept in shipment.files.items():
            (new / name).write_bytes(shipment.fetch(kept))
        os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
