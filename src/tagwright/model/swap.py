"""Replace the files of a folder so that a crash leaves the old ones or the new ones, whole.

The folder holds other things (checkpoints, a report) that must stay, so it cannot be renamed as one. Steps:

1. The new files are written to `.bundle-new` inside the folder and flushed to the disk.
2. `.bundle-new` is renamed to `.bundle-ready`: from here on the new files are what the folder holds.
3. `config.json` is removed, so that nobody who reads the folder without this module finds an old
   configuration beside new weights: a load between here and the end fails instead of answering wrongly.
4. The new files are moved into place, `config.json` last, and `.bundle-ready` is removed.

After a crash before step 2 the old files are untouched; after it, whoever opens the folder finishes the rest.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tagwright.errors import RunError

__all__ = ["finish_swap", "swap_files"]

NEW = ".bundle-new"
READY = ".bundle-ready"
RECORD = "tagwright.json"
LAST = (RECORD, "config.json")


def swap_files(folder: Path, write: Callable[[Path], None]) -> None:
    """Replace the folder's files by those that `write` puts into the empty folder it is given.

    Files that the earlier `tagwright.json` lists and the new one does not are removed; all others stay.

    Raises:
        OSError: the new files could not be written; the folder is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _flush_folder(folder.parent)
    with _locked(folder):
        _roll_forward(folder)
        new = folder / NEW
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir()
            write(new)
            for file in new.iterdir():
                _flush_file(file)
            _flush_folder(new)
            os.replace(new, folder / READY)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        _flush_folder(folder)
        _roll_forward(folder)


def finish_swap(folder: Path) -> None:
    """Finish a replacement that a crash cut off after its point of no return; do nothing otherwise.

    Raises:
        RunError: there is something to finish and the folder cannot be written to.
    """
    if not (folder / READY).is_dir():
        return
    try:
        with _locked(folder):
            _roll_forward(folder)
    except OSError as error:
        raise RunError(
            f"the last save was cut off and cannot be finished: {error.strerror}",
            where=str(folder),
            mend="open the folder once where it can be written to",
        ) from error


def _roll_forward(folder: Path) -> None:
    ready = folder / READY
    if not ready.is_dir():
        return
    files = {file.name for file in ready.iterdir()}
    if "config.json" in files:
        (folder / "config.json").unlink(missing_ok=True)
        _flush_folder(folder)
    if RECORD in files:
        for name in _recorded(folder) - _recorded(ready):
            (folder / name).unlink(missing_ok=True)
    for name in [*sorted(files.difference(LAST)), *(name for name in LAST if name in files)]:
        if name == "config.json":
            _flush_folder(folder)
        os.replace(ready / name, folder / name)
    ready.rmdir()
    _flush_folder(folder)


def _recorded(folder: Path) -> set[str]:
    """Return the files that a folder's record lists; only plain names, whatever the record says."""
    try:
        files = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return {name for name in files if name == Path(name).name and name not in ("", "..")}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from replacing files here; the lock dies with its process."""
    if os.name != "posix":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _flush_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name != "posix":
        return
    with suppress(OSError):  # a folder that may not be read, a file system that does not flush folders
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
