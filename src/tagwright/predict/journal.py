"""The journal of a run, `FILE.part.json`: how far its files reach, and what made them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from tagwright.errors import InputError
from tagwright.predict.files import Summary
from tagwright.predict.inputs import Place
from tagwright.predict.parts import unwritable

__all__ = ["read_journal", "refused", "sync_folder", "write_journal"]

VERSION = 2
_BESIDE = ".new"


def write_journal(path: Path, record: dict[str, Any]) -> None:
    """Put a journal in the place of the one before, in one step that outlasts a loss of power.

    Raises:
        RunError: it cannot be written; the one before stays.
    """
    beside = path.with_name(path.name + _BESIDE)
    try:
        with beside.open("w", encoding="utf-8") as file:
            json.dump({"version": VERSION, **record}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise unwritable(path, error) from error
    sync_folder(path.parent)


def read_journal(path: Path) -> dict[str, Any] | None:
    """Return what `write_journal` wrote; None where there is no journal.

    Raises:
        InputError: it is damaged, or another version of Tagwright wrote it.
    """
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise refused(path, "the journal is damaged")
    if found.get("version") != VERSION:
        raise refused(path, "another version of Tagwright wrote the journal")
    if not _is_whole(found):
        raise refused(path, "the journal is damaged")
    return found


def refused(path: Path, what: str) -> InputError:
    """Return the error for a run that cannot be resumed, with its mend."""
    return InputError(
        what,
        where=str(path),
        mend="finish the run as it was begun, or start again: --overwrite in place of --resume",
    )


def _is_whole(found: dict[str, Any]) -> bool:
    place, counts, budget = found.get("place"), found.get("summary"), found.get("batch_pieces")
    return (
        isinstance(found.get("made"), dict)
        and isinstance(found.get("finished"), bool)
        and isinstance(found.get("seconds"), int | float)
        and _is_count(budget)
        and budget != 0
        and isinstance(place, dict)
        and set(place) == set(Place._fields)
        and all(map(_is_count, place.values()))
        and isinstance(counts, dict)
        and set(counts) == {field.name for field in fields(Summary)}
        and all(_is_count(value) for name, value in counts.items() if name != "first_bad")
        and _is_end(found.get("out"))
        and (found.get("rejects") is None or _is_end(found["rejects"]))
    )


def _is_end(value: Any) -> bool:
    return isinstance(value, dict) and _is_count(value.get("size")) and isinstance(value.get("tail"), str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def sync_folder(folder: Path) -> None:
    """Make a rename outlast a loss of power, where the system lets a folder be synced."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
