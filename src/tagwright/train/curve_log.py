"""The folder of a learning curve: one line for each trained point, so that a stopped curve goes on."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tagwright.errors import InputError
from tagwright.train.begun import first_change
from tagwright.train.curve_points import CurveRun

__all__ = ["CurveLog"]

LOG = "curve.jsonl"
OURS = {LOG, "curve.json", "curve.svg"}
TRAINING = ".training"
BESIDE = f"{TRAINING}.{LOG}"  # where the lines are written before they take the log's place
HEAD = ("recipe", "data", "split")


class CurveLog:
    """The points of a curve on disk: a line that says what is trained, then one for each point, as it comes.

    Args:
        folder: of the curve.

    Attributes:
        runs: the trained points, in the order in which they were trained.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: list[CurveRun] = []

    @property
    def training(self) -> Path:
        """The folder in which a point is trained; it is removed afterwards."""
        return self.folder / TRAINING

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse a folder that holds something that nobody asked to replace.

        Raises:
            InputError: there is a curve, and neither `resume` nor `overwrite`; nothing to resume; something else.
        """
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other", mend="give one of them")
        where = str(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                "this is a file, not a folder for a curve", where=where, mend="name another --out"
            )
        held = {entry.name for entry in self.folder.iterdir()} if self.folder.exists() else set()
        if held - OURS - {TRAINING, BESIDE}:
            raise InputError(
                "this folder holds something else than a curve", where=where, mend="name another --out"
            )
        if resume and LOG not in held:
            raise InputError("there is no curve here to resume", where=where, mend="leave --resume out")
        if held & OURS and not resume and not overwrite:
            raise InputError(
                "there is a curve here already",
                where=where,
                mend="give --resume, --overwrite or another --out",
            )

    def begin(self, head: dict[str, Any], *, resume: bool) -> None:
        """Write the first line, or read what is there.

        Args:
            head: what is trained: `recipe`, `data` and `split`.
            resume: keep the points that were trained.

        Raises:
            InputError: the curve was begun with another recipe, other data or another split; the field is named.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.clear()
        if not resume:
            for name in OURS:
                (self.folder / name).unlink(missing_ok=True)
            self._write([head])
            return
        before, self.runs = self._read()
        if before is not None:
            self._compare(before, head)
        self._write([before or head, *map(asdict, self.runs)])  # without a last line that was cut off

    def add(self, run: CurveRun) -> None:
        """Append a point, safe against a stop of the machine."""
        self.runs.append(run)
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(_line(asdict(run)))
            file.flush()
            os.fsync(file.fileno())

    def find(self, share: float, seed: int) -> CurveRun | None:
        """Return a trained point, if there is one."""
        return next((run for run in self.runs if (run.share, run.seed) == (share, seed)), None)

    def clear(self) -> None:
        """Remove what a training left."""
        shutil.rmtree(self.training, ignore_errors=True)

    def discard(self) -> None:
        """Remove a curve without points."""
        self.clear()
        (self.folder / LOG).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _write(self, lines: list[dict[str, Any]]) -> None:
        beside = self.folder / BESIDE
        beside.write_text("".join(map(_line, lines)), encoding="utf-8")
        beside.replace(self.folder / LOG)

    def _read(self) -> tuple[dict[str, Any] | None, list[CurveRun]]:
        path = self.folder / LOG
        head, runs = None, []
        # What follows the last line break was cut off. A byte that is no UTF-8 makes its line none of a curve.
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if head is None:
                    head = {key: dict(record[key]) if key != "split" else record[key] for key in HEAD}
                else:
                    runs.append(CurveRun.read(record))
            except (ValueError, TypeError, KeyError):
                raise InputError(
                    "this is no line of a curve", where=f"{path}:{number}", mend="begin anew with --overwrite"
                ) from None
        return head, runs

    def _compare(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        where = str(self.folder)
        if before["data"]["sha256"] != now["data"]["sha256"]:
            raise InputError(
                f"the curve was begun with other data ({before['data']['source']})",
                where=where,
                mend="give the same data, or --overwrite to begin anew",
            )
        mend = "give the same, or --overwrite to begin anew"
        if before["split"] != now["split"]:
            raise InputError(
                f"the curve was begun with --split {before['split']}, not {now['split']}",
                where=where,
                mend=mend,
            )
        if change := first_change(before["recipe"], now["recipe"]):
            field, old, new = change
            raise InputError(
                f"the curve was begun with {field} = {old!r}, not {new!r}", where=where, mend=mend
            )


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"
