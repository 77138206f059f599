"""Several files as one stream of lines, which can begin where an earlier run stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tagwright.errors import InputError
from tagwright.predict.lines import Line
from tagwright.predict.readers import read_file, read_lines

__all__ = ["STDIN", "Inputs", "Place"]

STDIN = Path("-")
"""The name that stands for standard input."""


class Place(NamedTuple):
    """A place between two lines of the input.

    Attributes:
        file: which file, from 0.
        line: how many of its lines (of Parquet, rows) lie before the place.
        offset: how many of its bytes, unpacked.
    """

    file: int = 0
    line: int = 0
    offset: int = 0


class Inputs:
    """The lines of files, one file after another.

    Attributes:
        paths: the files.
        place: where the last line that was handed out ends; set it to begin there.
    """

    def __init__(self, paths: Sequence[Path], *, source: str | None = None, field: str = "text") -> None:
        """Name the files; nothing is opened yet.

        Args:
            paths: the files; `-` is standard input.
            source: their format; by default each one's ending decides.
            field: the key of the text in JSON lines and Parquet.
        """
        self.paths = list(paths)
        self.place = Place()
        self._source = source
        self._field = field

    def __iter__(self) -> Iterator[Line]:
        """Read on from `place`."""
        begin = self.place
        for number in range(begin.file, len(self.paths)):
            at = begin if number == begin.file else Place(number)
            for line in self._read(self.paths[number], at):
                self.place = Place(number, line.last, line.end)
                yield line

    @property
    def rereadable(self) -> bool:
        """Whether all are regular files, so that a run over them can be resumed."""
        return all(path != STDIN and path.is_file() for path in self.paths)

    def _read(self, path: Path, place: Place) -> Iterator[Line]:
        if path == STDIN:
            return read_lines(sys.stdin.buffer, "stdin", self._source or "text", field=self._field)
        return read_file(path, self._source, field=self._field, line=place.line, offset=place.offset)

    def marks(self) -> list[dict[str, Any]]:
        """Return what tells each file from any other: its real path, size in bytes and time of change.

        Raises:
            InputError: one is no regular file, and cannot be read again.
        """
        if not self.rereadable:
            raise InputError(
                "stdin and pipes cannot be read a second time, so that a run over them cannot be resumed",
                mend="write the input to a file, and name that",
            )
        marks = []
        for path in self.paths:
            found = path.stat()
            marks.append(
                {"path": os.path.realpath(path), "size": found.st_size, "mtime_ns": found.st_mtime_ns}
            )
        return marks
