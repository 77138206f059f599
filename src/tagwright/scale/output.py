"""What lies where in the folder of an annotated corpus, and how files come there whole."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import uuid
from contextlib import suppress
from typing import Any, BinaryIO

from tagwright.errors import InputError, RunError
from tagwright.predict.journal import sync_folder
from tagwright.scale.places import Place, telling

__all__ = ["Output", "OutputError", "writing"]

_PART = re.compile(r"part-\d{6,}\.(parquet|jsonl)")
_BLOCK = 8 << 20


class OutputError(RunError):
    """The output cannot be written; no other fragment would fare better."""


class Output:
    """The folder that a corpus is annotated into.

    On the way everything but whole fragments lies in `_running`, and goes at the end: the call and the plan, a
    record of each fragment that is done, and a folder named for the run alone, in which its workers write. They
    move what they wrote out of it, never make it, and can write nothing once it is gone: so that a worker that
    outlives its run changes nothing. A store has no such folder: there a worker asks whose run it is, and then
    puts whole files.

    Attributes:
        place: the folder.
        form: `parquet` or `jsonl`.
    """

    def __init__(self, place: Place, form: str) -> None:
        self.place = place
        self.form = form
        self.manifest = place / "_manifest.json"
        self.rejects = place / "_rejects"
        self.running = place / "_running"
        self.plan = self.running / "plan.json"
        self.done = self.running / "done"

    def part(self, number: int) -> Place:
        """Return where a fragment is written."""
        return self.place / f"part-{number:06d}.{self.form}"

    def reject(self, number: int) -> Place:
        """Return where the rejects of a fragment are written."""
        return self.rejects / f"part-{number:06d}.jsonl"

    def record(self, number: int) -> Place:
        """Return where the record of a fragment that is done is written."""
        return self.done / f"{number:06d}.json"

    def stage(self, token: str) -> Place:
        """Return the folder in which the workers of a run write."""
        return self.running / f"run-{token}"

    def open(self, token: str) -> None:
        """Make the folders of a run, and take the ground from under earlier ones.

        Raises:
            OutputError: a folder cannot be made or removed.
        """
        if not self.place.is_local:
            return
        with writing(self.running):
            self.done.local.mkdir(parents=True, exist_ok=True)
            for info in self.running.files():
                if info.base_name.startswith(("run-", "gone-")):
                    gone = self.running.local / f"gone-{uuid.uuid4().hex[:12]}"
                    os.replace(info.path, gone)  # in one step, whatever a worker does there at this moment
                    shutil.rmtree(gone, ignore_errors=True)
            self.stage(token).local.mkdir()

    def close(self) -> None:
        """Remove what lies in `_running`.

        Raises:
            OutputError: it cannot be removed.
        """
        with writing(self.running):
            if self.place.is_local:
                for info in self.running.files():
                    if info.base_name.startswith("run-"):
                        os.replace(info.path, self.running.local / f"gone-{uuid.uuid4().hex[:12]}")
                for _ in range(3):  # a worker that is not told yet may write into what is removed
                    shutil.rmtree(self.running.local, ignore_errors=True)
                with suppress(OSError):
                    self.rejects.local.rmdir()  # where it is empty
                sync_folder(self.place.local)
            elif self.running.kind is not None:
                self.place.fs.delete_dir(self.running.path)

    def clear(self) -> None:
        """Throw away what an earlier run wrote, the manifest first.

        Raises:
            OutputError: it cannot be removed.
        """
        with writing(self.place):
            if self.manifest.kind is not None:
                self.place.fs.delete_file(self.manifest.path)
            for folder in (self.done, self.rejects):
                if folder.kind is not None:
                    self.place.fs.delete_dir(folder.path)
            if self.plan.kind is not None:
                self.place.fs.delete_file(self.plan.path)
            for info in self.place.files():
                if _PART.fullmatch(info.base_name):
                    self.place.fs.delete_file(info.path)

    def parts(self) -> dict[str, int]:
        """Return the size of each file of a fragment that lies there, by its name."""
        return {info.base_name: info.size for info in self.place.files() if _PART.fullmatch(info.base_name)}

    def reject_sizes(self) -> dict[str, int]:
        """Return the size of each file of rejects that lies there, by its name."""
        return {info.base_name: info.size for info in self.rejects.files()}

    def check_own(self) -> None:
        """Refuse a folder that holds something that no run of ours wrote, and none of what one wrote.

        Raises:
            InputError: it is a file, or holds something else.
        """
        kind = self.place.kind
        if kind == "file":
            raise InputError("is a file", where=str(self.place), mend="name a folder for the output")
        names = [info.base_name for info in self.place.files()]
        if {"_running", "_manifest.json"}.isdisjoint(names):
            other = next((name for name in names if not name.startswith(".")), None)
            if other is not None:
                raise InputError(
                    f"the folder holds something else ({other})",
                    where=str(self.place),
                    mend="name a folder that is empty or not there yet",
                )

    def put(self, place: Place, data: bytes) -> None:
        """Put a small file in its place, in one step; it replaces the one before.

        Raises:
            OutputError: it cannot be written.
        """
        with writing(place):
            if not place.is_local:
                with place.fs.open_output_stream(place.path) as file:
                    file.write(data)
                return
            beside = place.local.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}")
            try:
                with beside.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(beside, place.local)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
            sync_folder(place.local.parent)

    def put_json(self, place: Place, value: Any) -> None:
        """Put a JSON object in its place, a key or an item of a list a line; see `put`."""
        lines = [f"{json.dumps(name)}: {_written(each)}" for name, each in value.items()]
        self.put(place, ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "surrogatepass"))

    def upload(self, place: Place, file: BinaryIO) -> None:
        """Copy a file to a store, where it appears whole.

        Raises:
            OutputError: it cannot be written.
        """
        with writing(place), place.fs.open_output_stream(place.path) as stream:
            shutil.copyfileobj(file, stream, _BLOCK)


def _written(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n " + ",\n ".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"
    return json.dumps(value, ensure_ascii=False)


class writing(telling):  # noqa: N801 - a context manager, used like a function
    """Turn what a file system raises in the block into an `OutputError` that names the place."""

    error = OutputError

    def reason(self, error: OSError) -> tuple[str, str | None]:
        """Say what went wrong, and the mend."""
        what, mend = super().reason(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            mend = "free some space and give the same call again"
        return f"cannot be written: {what}", mend
