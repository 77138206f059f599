"""Runs that can be stopped at any moment and continued: what was written, how far it reaches, what made it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tagwright
from tagwright.errors import InputError, RunError
from tagwright.predict.files import Summary
from tagwright.predict.inputs import Place
from tagwright.predict.parts import PartFile, part_of, real_path
from tagwright.predict.tagger import Tagger

__all__ = ["Run", "is_done", "made_by"]

VERSION = 1
SECONDS = 1.0
"""At most so much work is done again after a kill or a loss of power."""

_PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
_MODEL_FILES = (".json", ".safetensors", ".bin", ".onnx", ".data", ".xml", ".txt", ".model")
_BLOCK = 1 << 20


class Run:
    """The output files of a run and its journal, `FILE.part.json`.

    The journal is written at most once a second, after the files that it speaks of have reached the disk, and
    replaces the one before in one step. Whatever lies in the files behind what it says is thrown away on
    resuming, so that no line is lost and none is there twice.

    Attributes:
        out: the file of the answers.
        rejects: the file of bad lines, if there is one to be written.
        rejects_path: its place.
        summary: what was done before, to be counted on; None for a run from the start.
        place: where to read on.
        finished: all is written, and only has to be moved to its place.
    """

    def __init__(
        self, out: Path, rejects: Path | None, *, resume: bool = False, overwrite: bool = False
    ) -> None:
        """Take hold of the files.

        Args:
            out: where the answers go.
            rejects: where bad lines go.
            resume: go on where an earlier run stopped.
            overwrite: throw away what an earlier run left behind.

        Raises:
            InputError: an earlier run left something behind, and neither was asked for; or what it left cannot
                be continued.
            RunError: a file cannot be written to, or another run is writing it.
        """
        self.summary: Summary | None = None
        self.place = Place()
        self.finished = False
        self.rejects_path = real_path(rejects) if rejects is not None else None
        self._path = part_of(out).with_name(part_of(out).name + ".json")
        self._found: dict[str, Any] = {}
        self._begin = self._synced = time.monotonic()
        self._seconds = 0.0
        self._made: dict[str, Any] = {}
        self._state: dict[str, Any] = {}
        self.out = PartFile(out)
        self.rejects: PartFile | None = None
        try:
            if resume and not self.out.is_file:
                raise InputError(
                    "--resume needs a file that can be read again", where=str(out), mend="name a file with -o"
                )
            if resume:
                self._found = self._read()
            elif self.out.size and not overwrite:
                raise InputError(
                    f"it holds {self.out.size:,} bytes of a run that was stopped",
                    where=str(self.out.path),
                    mend="go on with --resume, or throw it away with --overwrite",
                )
            if rejects is not None and not (self._found.get("finished") and not part_of(rejects).exists()):
                self.rejects = PartFile(rejects)
            if self._found:
                self._check_parts()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note how far the files reach, and let go of them."""
        try:
            if self._state:
                self._sync()
        except RunError:
            if error is None:
                raise  # else the first error is the one to be told
        finally:
            if not self._found and not self._state and not self.out.size:
                self.out.remove()  # nothing was done
            self.close()

    @property
    def seconds(self) -> float:
        """How long the run has taken, what was done before it was stopped included."""
        return self._seconds + time.monotonic() - self._begin

    def begin(self, made: Mapping[str, Any], tagger: Tagger) -> None:
        """Start writing, from the beginning or where the journal says.

        Args:
            made: what the bytes depend on; see `made_by`. Without it no journal is kept.
            tagger: what tags; gets the size of batches that the run had come down to.

        Raises:
            InputError: the run was begun with something else.
        """
        if self._found:
            self._check_same(made)
            found = self._found
            tagger.batch_pieces = found["batch_pieces"]
            self.place = Place(**found["place"])
            self.out.keep(found["out"]["size"])
            if self.rejects is not None:
                self.rejects.keep(found["rejects"]["size"])
        else:
            with suppress(FileNotFoundError):
                self._path.unlink()
            for part in filter(None, (self.out, self.rejects)):
                part.keep(0)
        self._made = dict(made)
        self._begin = time.monotonic()

    def wrote(self, summary: Summary, place: Place, batch_pieces: int) -> None:
        """Take down what has been written; it reaches the disk now and then.

        Args:
            summary: all that was done so far.
            place: where the input of the next chunk begins.
            batch_pieces: the budget of batches at that place.
        """
        if not self._made or not self.out.is_file:
            return
        self._state = {
            "place": place._asdict(),
            "batch_pieces": batch_pieces,
            "summary": asdict(summary),
            "sizes": [self.out.size, self.rejects.size if self.rejects else 0],
        }
        if time.monotonic() - self._synced >= SECONDS:
            self._sync()

    def finish(self, convert: Callable[[Path, Path], object] | None = None) -> None:
        """Move the files to their places.

        Args:
            convert: makes the file out of its part, for formats that are not written from their beginning to
                their end.
        """
        if self._state:
            self._state["sizes"] = [self.out.size, self.rejects.size if self.rejects else 0]
            self._state["finished"] = True
            self._sync()
        self._state = {}
        if self.rejects is not None:
            self.rejects.sync()
            self.rejects.finish()
        self.out.sync()
        self.out.finish(convert)
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files; what is in them stays."""
        for part in (self.out, self.rejects):
            if part is not None:
                part.close()

    def _sync(self) -> None:
        """Bring the files to the disk, and then the journal."""
        parts = [self.out, self.rejects]
        for part in filter(None, parts):
            part.sync()
        ends = [
            {"size": size, "tail": part.tail(size)} if part is not None and part.is_file else None
            for part, size in zip(parts, self._state["sizes"], strict=True)
        ]
        record = {
            "version": VERSION,
            "finished": self._state.get("finished", False),
            "seconds": round(self.seconds, 3),
            "place": self._state["place"],
            "batch_pieces": self._state["batch_pieces"],
            "out": ends[0],
            "rejects": ends[1],
            "summary": self._state["summary"],
            "made": self._made,
        }
        beside = self._path.with_name(self._path.name + ".new")
        try:
            with beside.open("w", encoding="utf-8") as file:
                json.dump(record, file, ensure_ascii=True, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise RunError(f"cannot be written: {error.strerror or error}", where=str(self._path)) from error
        self._synced = time.monotonic()

    def _read(self) -> dict[str, Any]:
        """Return the journal, checked; an empty one where nothing was done yet."""
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            if not self.out.size:
                return {}
            raise InputError(
                "there is no journal of the run that wrote it",
                where=str(self.out.path),
                mend="start again: --overwrite in place of --resume",
            ) from None
        except ValueError:
            raise self._damaged() from None
        try:
            if found["version"] != VERSION:
                raise self._refused(f"another version of Tagwright wrote it ({found['version']})")
            names = {field.name for field in fields(Summary)}
            Place(**found["place"])
            whole = (
                isinstance(found["made"], dict)
                and type(found["batch_pieces"]) is int
                and found["batch_pieces"] > 0
                and all(type(count) is int and count >= 0 for count in found["place"].values())
                and set(found["summary"]) == names
                and all(_is_end(found[name]) for name in ("out", "rejects"))
                and found["out"] is not None
            )
            self._seconds = float(found["seconds"])
        except (KeyError, TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise self._damaged()
        self.summary = Summary(**found["summary"])
        self.finished = found["finished"] is True
        result: dict[str, Any] = found
        return result

    def _check_parts(self) -> None:
        """Refuse parts that are not those of which the journal speaks."""
        for name, part in (("out", self.out), ("rejects", self.rejects)):
            end = self._found[name]
            if part is None or end is None:
                continue
            if part.size < end["size"]:
                raise InputError(
                    f"it holds {part.size:,} bytes, and the run had written {end['size']:,}",
                    where=str(part.path),
                    mend="bring the file back, or start again: --overwrite in place of --resume",
                )
            if part.tail(end["size"]) != end["tail"]:
                raise InputError(
                    "it is not what the run had written",
                    where=str(part.path),
                    mend="bring the file back, or start again: --overwrite in place of --resume",
                )

    def _check_same(self, made: Mapping[str, Any]) -> None:
        before = self._found["made"]
        for name in {**before, **made}:
            if before.get(name) != made.get(name):
                raise self._refused(_difference(name, before.get(name), made.get(name)))

    def _damaged(self) -> InputError:
        return self._refused("the journal is damaged")

    def _refused(self, what: str) -> InputError:
        return InputError(
            what,
            where=str(self._path),
            mend="finish the run as it was begun, or start again: --overwrite in place of --resume",
        )


def is_done(out: Path) -> bool:
    """Tell whether a file is there already, and nothing of it was left undone."""
    part = part_of(out)
    if part == out or part.exists() or not real_path(out).exists():
        return False
    part.with_name(part.name + ".json").unlink(
        missing_ok=True
    )  # the last step, where a run was cut off before it
    return True


def made_by(bundle: str | Path, tagger: Tagger, **settings: Any) -> dict[str, Any]:
    """Return what the bytes of a run depend on, as JSON would give it back.

    Args:
        bundle: the bundle's folder.
        tagger: the tagger of it.
        **settings: what else there is, by the name under which a difference is told.
    """
    runtime = tagger.runtime
    package = _PACKAGES.get(runtime.name, runtime.name)
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = ""
    made = {
        "Tagwright": tagwright.__version__,
        "the bundle": _fingerprint(Path(bundle)),
        "the runtime": f"{runtime.name} ({package} {version})" if version else runtime.name,
        "the precision": runtime.precision,
        "the device": runtime.device,
        "the budget of a batch": tagger.batch_pieces,
        "the least scores": tagger.thresholds,
        **settings,
    }
    result: dict[str, Any] = json.loads(json.dumps(made))
    return result


def _difference(name: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict) and name == "the bundle":
        file = next(file for file in sorted({**before, **now}) if before.get(file) != now.get(file))
        return f"{file} of the bundle is not the one that the run was begun with"
    if name == "the input":
        return _input_difference(before or [], now or [])
    shown = [json.dumps(value, ensure_ascii=False) for value in (before, now)]
    return f"{name} was {shown[0]} when the run was begun, and is {shown[1]}"


def _input_difference(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    paths = [[mark["path"] for mark in marks] for marks in (before, now)]
    if paths[0] != paths[1]:
        return f"the run was begun on {', '.join(paths[0])}, and now it is {', '.join(paths[1])}"
    changed = next(new["path"] for old, new in zip(before, now, strict=True) if old != new)
    return f"{changed} has changed since the run was begun"


def _is_end(value: Any) -> bool:
    return value is None or (
        isinstance(value, dict)
        and type(value.get("size")) is int
        and value["size"] >= 0
        and isinstance(value.get("tail"), str)
    )


def _fingerprint(bundle: Path) -> dict[str, str]:
    """Return the size and a hash of each file that a bundle's answers depend on.

    Of large files the beginning, the end and blocks between are read: training changes weights everywhere.
    """
    found = {}
    for path in sorted(bundle.iterdir()):
        if path.suffix in _MODEL_FILES and path.is_file():
            size = path.stat().st_size
            sha = hashlib.sha256()
            with path.open("rb") as file:
                for place in range(0, size, max(_BLOCK, size // 16)):
                    file.seek(place)
                    sha.update(file.read(_BLOCK))
                file.seek(max(0, size - _BLOCK))
                sha.update(file.read())
            found[path.name] = f"{size} {sha.hexdigest()[:32]}"
    return found


def _sync_folder(folder: Path) -> None:
    """Make a rename outlast a loss of power, where the system lets a folder be synced."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
