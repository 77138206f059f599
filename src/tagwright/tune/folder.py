"""The folder of a search: what may be written there, and what lies in it in the end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tagwright.config import Recipe
from tagwright.errors import InputError, RunError
from tagwright.tune.storage import is_gone, own_name

__all__ = ["Folder"]

STUDY = "study.db"
TRIALS = "trials.json"
BEST = "best.toml"
REPORT = "report.html"
TRAINING = ".training-"
OURS = {STUDY, TRIALS, BEST, REPORT, *(f"{STUDY}-{end}" for end in ("journal", "wal", "shm"))}


class Folder:
    """A search on disk.

    Args:
        path: of the folder.
        shared: whether the study is in a storage elsewhere, which says what is done already.
    """

    def __init__(self, path: Path, *, shared: bool) -> None:
        self.path = path
        self.shared = shared

    @property
    def storage(self) -> str:
        """The address of the storage in the folder."""
        return f"sqlite:///{(self.path / STUDY).resolve()}"

    @property
    def training(self) -> Path:
        """Where this process trains; others that share the folder train elsewhere."""
        return self.path / f"{TRAINING}{quote(own_name(), safe='')}"

    @property
    def study(self) -> str | None:
        """The study whose results lie here, as far as they can be read."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads((self.path / TRIALS).read_text(encoding="utf-8"))["study"])
        return None

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse a folder that holds something that nobody asked to replace, or that cannot be written.

        Raises:
            InputError: there is a search, and neither `resume` nor `overwrite`; nothing to resume; something else.
        """
        where = str(self.path)
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other", mend="give one of them")
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                "this is a file, not a folder for a search", where=where, mend="name another --out"
            )
        try:
            held = {entry.name for entry in self.path.iterdir()} if self.path.exists() else set()
        except OSError as error:
            raise InputError(f"the folder cannot be read: {error.strerror}", where=where) from None
        if {name for name in held - OURS if not name.startswith((TRAINING, "."))}:
            raise InputError(
                "this folder holds something else than a search", where=where, mend="name another --out"
            )
        if not self.shared:
            if resume and STUDY not in held:
                raise InputError("there is no search here to resume", where=where, mend="leave --resume out")
            if STUDY in held and not resume and not overwrite:
                raise InputError(
                    "there is a search here already",
                    where=where,
                    mend="give --resume, --overwrite or another --out",
                )
        new = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
            if new:
                self.path.rmdir()
        except OSError as error:
            raise InputError(
                f"nothing can be written here: {error.strerror}", where=where, mend="name another --out"
            ) from None

    def begin(self, *, overwrite: bool) -> None:
        """Make the folder ready, and clear away what processes that ended left in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for name in OURS:
                (self.path / name).unlink(missing_ok=True)
        for left in self.path.glob(f"{TRAINING}*"):
            if is_gone(unquote(left.name.removeprefix(TRAINING))):
                shutil.rmtree(left, ignore_errors=True)

    def clear(self) -> None:
        """Remove what a training of this process left."""
        shutil.rmtree(self.training, ignore_errors=True)

    def discard(self) -> None:
        """Remove a search that came to nothing."""
        for name in OURS:
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()

    def write_best(self, recipe: Recipe, head: Sequence[str]) -> Path:
        """Write the best recipe with what is known of it, as comments above."""
        comment = "".join(f"# {' '.join(line.split())}\n" if line else "#\n" for line in head)
        self._write(BEST, f"{comment}\n{recipe.to_toml()}")
        return self.path / BEST

    def write_trials(self, found: Mapping[str, Any]) -> None:
        """Write everything that is known, as JSON."""
        self._write(TRIALS, json.dumps(found, ensure_ascii=False, indent=1) + "\n")

    def write_report(self, page: str) -> Path:
        """Write the page."""
        self._write(REPORT, page)
        return self.path / REPORT

    def _write(self, name: str, text: str) -> None:
        beside = self.path / f".{name}-{os.getpid()}"
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self.path / name)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise RunError(
                f"cannot be written: {error.strerror}",
                where=str(self.path / name),
                mend="make room; the trials are kept, so the same call with --resume writes it",
            ) from error
