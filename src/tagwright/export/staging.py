"""A folder that appears whole or not at all: it is written beside its place, tried, and then moved there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagwright.errors import InputError, RunError
from tagwright.model.meta import read_record
from tagwright.model.swap import RECORD, swap_files

__all__ = ["check_place", "publish", "staged"]


def check_place(bundle: Path, out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that an export must not be written to.

    Raises:
        InputError: it is the bundle or lies in it, is a file or a link to nothing, or holds something that is no
            export or that `overwrite` does not give up.
    """
    if out.resolve().is_relative_to(bundle.resolve()):
        raise InputError(
            "an export cannot be written into the bundle that it is made from",
            where=str(out),
            mend="name another folder",
        )
    if bundle.resolve().is_relative_to(out.resolve()) and out.exists():
        raise InputError("the bundle lies in this folder", where=str(out), mend="name another folder")
    if out.exists() and not out.is_dir():
        raise InputError("is a file", where=str(out), mend="name a folder")
    if out.is_symlink() and not out.exists():
        raise InputError("is a link to nothing", where=str(out), mend="remove it, or name another folder")
    if not out.is_dir() or not any(name != _name(out, inside=True) for name in os.listdir(out)):
        return
    if not overwrite:
        raise InputError(
            "there is something in it already",
            where=str(out),
            mend="give --overwrite, or name another folder",
        )
    if not (out / RECORD).exists() or not read_record(out).export:
        raise InputError(
            "it holds something that is no export, which --overwrite leaves alone",
            where=str(out),
            mend="name another folder, or remove it yourself",
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """Give an empty folder on the file system of `out`; it is gone afterwards, and what a killed call left is too.

    Raises:
        RunError: another process is exporting to the same place, or the folder cannot be made.
    """
    part = out / _name(out, inside=True) if out.is_dir() else out.parent / _name(out, inside=False)
    new = [folder for folder in part.parents if not folder.exists()]
    try:
        part.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, out) from error
    lock = _lock(part, out)
    try:
        _empty(part)
        yield part
    finally:
        if part.exists():  # it was not published, or only what it holds was
            shutil.rmtree(part, ignore_errors=True)
        for folder in new:
            with suppress(OSError):  # it holds the export, or something else by now
                folder.rmdir()
        if lock is not None:
            os.close(lock)


def publish(part: Path, out: Path) -> None:
    """Put a staged folder in its place; a crash leaves what was there before, or the new one, whole.

    Raises:
        OSError: it cannot be moved.
    """
    if not out.exists():
        for file in part.iterdir():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())
        os.replace(part, out)
        return

    def move(new: Path) -> None:
        for file in part.iterdir():
            os.replace(file, new / file.name)

    swap_files(out, move)


def disk_error(error: OSError, out: Path) -> RunError:
    """Say why an export could not be written."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "make room and run it again" if full else "name a folder that you may write to"
    if error.errno == errno.EFBIG:
        mend = "lift the limit on the size of files (ulimit -f)"
    return RunError(
        f"the export cannot be written: {'the disk is full' if full else error.strerror or error}",
        where=str(out),
        mend=mend,
    )


def _name(out: Path, *, inside: bool) -> str:
    return ".export.part" if inside else f".{out.name}.part"


def _empty(part: Path) -> None:
    for left in part.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _lock(part: Path, out: Path) -> int | None:
    """Keep a second export from the same place; the lock dies with its process."""
    if os.name != "posix":
        return None
    import fcntl

    handle = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RunError(
            "another process is exporting to it", where=str(out), mend="wait for that one"
        ) from None
    except OSError:  # a file system without locks
        with suppress(OSError):
            os.close(handle)
        return None
    return handle
