"""Several files as one stream of lines, which can begin where an earlier run stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tagwright.errors import InputError, require
from tagwright.predict.lines import Line
from tagwright.predict.readers import format_of, read_file, read_lines

__all__ = ["STDIN", "Inputs", "Place"]

STDIN = Path("-")
"""The name that stands for standard input."""


class Place(NamedTuple):
    """A place between two lines of the input.

    Attributes:
        file: which file, from 0.
        line: how many of its lines (of Parquet, rows) lie before the place.
        offset: how many of its bytes, unpacked.
        counted: how many of its lines or rows; of CoNLL, of its sentences.
    """

    file: int = 0
    line: int = 0
    offset: int = 0
    counted: int = 0


_NO_TEXT = {
    b"\x1f\x8b": ("packed by gzip", "unpack it: gzip -cd FILE | tagwright predict BUNDLE"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "unpack it: zstd -cd FILE | tagwright predict BUNDLE"),
    b"PAR1": ("a Parquet table", "name the file"),
    b"\xff\xfe": ("UTF-16", "turn it into UTF-8 with iconv"),
    b"\xfe\xff": ("UTF-16", "turn it into UTF-8 with iconv"),
}


def _check_stream(stream: BinaryIO) -> None:
    """Refuse what a stream's first bytes tell to be no text, without taking them."""
    peek = getattr(stream, "peek", None)
    head = peek(4) if peek is not None else b""
    for begin, (what, mend) in _NO_TEXT.items():
        if head.startswith(begin):
            raise InputError(f"what comes is {what}", where="stdin", mend=mend)


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
        self._open: BinaryIO | None = None
        self._rows: int | None = None  # of the Parquet file that is being read

    def __iter__(self) -> Iterator[Line]:
        """Read on from `place`."""
        begin = self.place
        for number in range(begin.file, len(self.paths)):
            at = begin if number == begin.file else Place(number)
            for line in self._read(self.paths[number], at):
                self.place = Place(number, line.last, line.end, line.count)
                yield line

    @property
    def rereadable(self) -> bool:
        """Whether all are regular files, so that a run over them can be resumed."""
        return all(path != STDIN and path.is_file() for path in self.paths)

    @property
    def size(self) -> int | None:
        """The bytes of all files, as they lie on the disk; None where that cannot be known."""
        return sum(path.stat().st_size for path in self.paths) if self.rereadable else None

    def read_bytes(self) -> int:
        """Return how many bytes of `size` were read so far; a little more than lie before `place`."""
        if not self.rereadable:
            return 0
        before = sum(path.stat().st_size for path in self.paths[: self.place.file])
        size = self.paths[self.place.file].stat().st_size
        if self._rows is not None:
            return before + size * self.place.line // max(self._rows, 1)
        if self._open is None:
            return before
        return before + (size if self._open.closed else min(self._open.tell(), size))

    def _opened(self, file: BinaryIO) -> None:
        self._open = file

    def _read(self, path: Path, place: Place) -> Iterator[Line]:
        if path == STDIN:
            _check_stream(sys.stdin.buffer)
            return read_lines(sys.stdin.buffer, "stdin", self._source or "text", field=self._field)
        self._open, self._rows = None, None
        kind = self._source or format_of(path)
        if kind == "parquet":
            self._rows = require("pyarrow.parquet", "parquet").read_metadata(path).num_rows
        return read_file(
            path,
            kind,
            field=self._field,
            line=place.line,
            offset=place.offset,
            count=place.counted,
            opened=self._opened,
        )

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
