"""Checkpoints that a crash cannot spoil: written beside, sealed with their sums, renamed into place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagwright.errors import RunError
from tagwright.train.failures import is_disk_error, reason_of
from tagwright.train.ranks import first_ones, rank, wait

__all__ = [
    "check_whole",
    "clear_staging",
    "discard",
    "is_whole",
    "newest",
    "rotate",
    "seal",
    "step_of",
    "writing",
]

SEAL = "sealed.json"
PREFIX = "checkpoint-"
STAGING = ".writing"
"""The folder beside the checkpoints in which the next one is written."""


@contextmanager
def writing(folder: Path, step: int, *, best: int | None) -> Iterator[Path]:
    """Give a place to write a checkpoint to; when the block ends it is sealed, and older ones go.

    Among several processes all enter the block; the first one clears, seals and removes.

    Args:
        folder: where the checkpoints lie.
        step: the step.
        best: the step of the best checkpoint so far, which stays beside this one.

    Raises:
        RunError: it could not be written, such as on a full disk; the one before is still there.
    """
    target = folder / f"{PREFIX}{step}"
    first = rank() == 0
    try:
        if first:
            clear_staging(folder)
        wait()
        yield folder / STAGING / target.name
        wait()
        if first:
            seal(folder / STAGING / target.name, target)
    except Exception as error:
        if first:
            clear_staging(folder)  # on a full disk it would be in the way of what is written next
        if not is_disk_error(error):
            raise
        last = newest(folder)
        kept = f"; the one of step {step_of(last)} is whole" if last else ""
        raise RunError(
            f"the checkpoint of step {step} could not be saved: {reason_of(error)}{kept}",
            where=str(folder),
            mend="make room and go on with --resume",
        ) from error
    if first:
        rotate(folder, {step, best or step})
    wait()


def clear_staging(folder: Path) -> None:
    """Remove what is left of a checkpoint that was being written."""
    shutil.rmtree(folder / STAGING, ignore_errors=True)


def seal(written: Path, target: Path) -> None:
    """Bring a written checkpoint to disk, list its files with their sums, and rename it into place."""
    files = sorted(file for file in written.rglob("*") if file.is_file())
    sums = {str(file.relative_to(written)): _sum(file) for file in files}
    (written / SEAL).write_text(json.dumps(sums, indent=1), encoding="utf-8")
    for file in [*files, written / SEAL, written]:
        _sync(file)
    if target.exists():  # written by a run that died before its next step
        shutil.rmtree(target)
    written.rename(target)
    _sync(target.parent)
    clear_staging(target.parent)


def newest(folder: Path) -> Path | None:
    """Return the checkpoint of the highest step whose files are all there and unchanged."""
    found = sorted(folder.glob(PREFIX + "*"), key=step_of, reverse=True) if folder.is_dir() else []
    return next((checkpoint for checkpoint in found if is_whole(checkpoint)), None)


def is_whole(checkpoint: Path) -> bool:
    """Say whether all files of a checkpoint are there and unchanged."""
    try:
        sums = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        return bool(sums) and all(_sum(checkpoint / name) == value for name, value in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def check_whole(checkpoint: Path) -> None:
    """Refuse a checkpoint that is not whole; the first process looks, and all refuse alike.

    Raises:
        RunError: it is damaged.
    """
    if not first_ones(rank() == 0 and is_whole(checkpoint)):
        raise RunError("the checkpoint is damaged", where=str(checkpoint), mend="train anew with --overwrite")


def rotate(folder: Path, keep: set[int]) -> None:
    """Remove the checkpoints of all other steps."""
    for checkpoint in folder.glob(PREFIX + "*"):
        if step_of(checkpoint) not in keep:
            shutil.rmtree(checkpoint, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove the run's record, all checkpoints and what was being written; other things in the folder stay."""
    for record in folder.glob("*.json"):  # first: what a removal that is cut off leaves is no run
        record.unlink()
    clear_staging(folder)
    rotate(folder, set())
    with suppress(OSError):
        folder.rmdir()


def step_of(checkpoint: Path) -> int:
    """Return the step at which a checkpoint was written; -1 for other folders."""
    number = checkpoint.name.removeprefix(PREFIX)
    return int(number) if number.isdecimal() else -1


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
