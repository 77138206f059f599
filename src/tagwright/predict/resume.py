"""Runs that can be stopped at any moment and continued: what was written, how far it reaches, what made it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tagwright.errors import InputError, RunError
from tagwright.predict.files import Summary
from tagwright.predict.inputs import Place
from tagwright.predict.journal import read_journal, refused, write_journal
from tagwright.predict.origin import difference
from tagwright.predict.parts import PartFile, part_of, real_path
from tagwright.predict.tagger import Tagger

__all__ = ["Run", "is_done"]

SECONDS = 1.0
"""At most so much work is done again after a kill or a loss of power."""


class Run:
    """The output files of a run and its journal, `FILE.part.json`.

    The journal is written at most once a second, after the files that it speaks of have reached the disk, and
    replaces the one before in one step. Whatever lies in the files behind what it says is thrown away on
    resuming, so that no line is lost and none is there twice.

    Attributes:
        out: the file of the answers.
        rejects: the file of bad lines, if there is one to be written.
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
        self._path = part_of(out).with_name(part_of(out).name + ".json")
        self._found: dict[str, Any] = {}
        self._begin = self._synced = time.monotonic()
        self._seconds = 0.0
        self._made: dict[str, Any] = {}
        self._begun = self._wrote = False
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
        except BaseException:
            if not self.out.size and not self._path.exists():
                self.out.remove()
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Note how far the files reach, and let go of them."""
        try:
            try:
                self._sync()
            finally:
                self._leave_nothing()
        except RunError:
            if error is None:
                raise  # else the first error is the one to be told
        finally:
            self.close()

    @property
    def seconds(self) -> float:
        """How long the run has taken, what was done before it was stopped included."""
        return self._seconds + time.monotonic() - self._begin

    @property
    def holds_answers(self) -> bool:
        """Whether anything was done, by this run or the one before it."""
        return self._wrote or self.summary is not None

    def begin(self, made: Mapping[str, Any], tagger: Tagger) -> None:
        """Start writing, from the beginning or where the journal says.

        Args:
            made: what the bytes depend on; see `tagwright.predict.origin.made_by`. Without it no journal is kept.
            tagger: what tags; gets the size of batches that the run had come down to.

        Raises:
            InputError: the run was begun with something else, or its files are not as it left them.
        """
        if self._found:
            self._check_same(made)
            self._check_parts()
            found = self._found
            tagger.batch_pieces = found["batch_pieces"]
            self.place = Place(**found["place"])
            self.out.keep(found["out"]["size"])
            if self.rejects is not None and found["rejects"] is not None:  # None: a device, as /dev/null
                self.rejects.keep(found["rejects"]["size"])
        else:
            with suppress(FileNotFoundError):
                self._path.unlink()
            for part in filter(None, (self.out, self.rejects)):
                part.keep(0)
        self._made = dict(made)
        self._begin = time.monotonic()
        self._begun = True
        self._note(self.summary or Summary(), self.place, tagger.batch_pieces)
        if not self._found:
            self._sync()

    def wrote(self, summary: Summary, place: Place, batch_pieces: int) -> None:
        """Take down what has been written; it reaches the disk now and then.

        Args:
            summary: all that was done so far.
            place: where the input of the next chunk begins.
            batch_pieces: the budget of batches at that place.
        """
        self._wrote = True
        self._note(summary, place, batch_pieces)
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
            self.rejects = None
        self.out.sync()
        self.out.finish(convert)
        self._path.unlink(missing_ok=True)
        self._wrote = True

    def close(self) -> None:
        """Let go of the files; what is in them stays."""
        for part in (self.out, self.rejects):
            if part is not None:
                part.close()

    def _note(self, summary: Summary, place: Place, batch_pieces: int) -> None:
        if self._made and self.out.is_file:
            self._state = {
                "place": place._asdict(),
                "batch_pieces": batch_pieces,
                "summary": asdict(summary),
                "sizes": [self.out.size, self.rejects.size if self.rejects else 0],
            }

    def _leave_nothing(self) -> None:
        """Remove what holds nothing."""
        if self.rejects is not None and not self._begun and not self.rejects.size:
            self.rejects.remove()
        if not self.holds_answers and (self._begun or not self.out.size):
            self.out.remove()
            if self.rejects is not None:
                self.rejects.remove()
            if self.out.is_file:
                self._path.unlink(missing_ok=True)

    def _sync(self) -> None:
        """Bring the files to the disk, and then the journal."""
        if not self._state:
            return
        parts = [self.out, self.rejects]
        for part in filter(None, parts):
            part.sync()
        ends = [
            {"size": size, "tail": part.tail(size)} if part is not None and part.is_file else None
            for part, size in zip(parts, self._state["sizes"], strict=True)
        ]
        write_journal(
            self._path,
            {
                "finished": self._state.get("finished", False),
                "seconds": round(self.seconds, 3),
                "place": self._state["place"],
                "batch_pieces": self._state["batch_pieces"],
                "out": ends[0],
                "rejects": ends[1],
                "summary": self._state["summary"],
                "made": self._made,
            },
        )
        self._synced = time.monotonic()

    def _read(self) -> dict[str, Any]:
        """Return the journal; an empty one where nothing was done yet."""
        found = read_journal(self._path)
        if found is None:
            if not self.out.size:
                return {}
            raise InputError(
                "there is no journal of the run that wrote it",
                where=str(self.out.path),
                mend="start again: --overwrite in place of --resume",
            )
        self.summary = Summary(**found["summary"]) if found["summary"]["lines"] else None
        self.finished = found["finished"]
        self._seconds = found["seconds"]
        return found

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
                raise refused(self._path, difference(name, before.get(name), made.get(name)))


def is_done(out: Path) -> bool:
    """Tell whether a file is there already, and nothing of it was left undone."""
    part = part_of(out)
    if part == out or part.exists() or not real_path(out).exists():
        return False
    journal = part.with_name(part.name + ".json")
    found = read_journal(journal)
    if found is not None and not found["finished"]:  # the part was lost, and the file is of an earlier run
        return False
    journal.unlink(missing_ok=True)  # the last step, where a run was cut off before it
    return True
