"""Bytes to lines, of which none is held that is longer than a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

__all__ = ["KEPT_BYTES", "LONGEST", "RawLine", "raw_lines"]

LONGEST = 64 << 20
"""Bytes of the longest line that is read."""
KEPT_BYTES = 4096
"""Bytes that are kept of a longer one."""
BOM = b"\xef\xbb\xbf"


class RawLine(NamedTuple):
    """A line of a file.

    Attributes:
        number: from 1.
        data: its bytes without the line break (LF or CRLF); of a line that is too long, the first.
        end: where the next line begins: bytes from the beginning of the file.
        too_long: it is longer than the bound.
    """

    number: int
    data: bytes
    end: int
    too_long: bool


def raw_lines(
    lines: Iterable[bytes], *, first_line: int = 1, offset: int = 0, longest: int = LONGEST
) -> Iterator[RawLine]:
    """Cut a stream into lines; each is passed on as soon as its line break is there.

    A byte order mark before line 1 is left out.

    Args:
        lines: a binary file, or lines with their line breaks.
        first_line: the number of the first line that comes.
        offset: where it begins in the file, in bytes.
        longest: bytes of the longest line that is kept whole; a longer one of a binary file is read piece by
            piece, and never held.
    """
    readline: Callable[[int], bytes] | None = getattr(lines, "readline", None)
    pieces = _pieces(readline, longest + 2) if readline is not None else ((line, len(line)) for line in lines)
    for number, (data, size) in enumerate(pieces, first_line):
        offset += size
        data = data.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1:
            data = data.removeprefix(BOM)
        if len(data) > longest:
            yield RawLine(number, data[: min(KEPT_BYTES, longest)], offset, True)
        else:
            yield RawLine(number, data, offset, False)


def _pieces(readline: Callable[[int], bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """Yield each line, cut at `size` bytes, and how long it is."""
    while data := readline(size):
        length = len(data)
        if length == size and not data.endswith(b"\n"):
            while rest := readline(1 << 20):
                length += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield data, length
