"""Bytes to lines, of which none is held that is longer than a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

__all__ = ["BOM", "KEPT_BYTES", "LONGEST", "RawLine", "raw_lines", "skip_line"]

LONGEST = 64 << 20
"""Bytes of the longest line that is read."""
KEPT_BYTES = 4096
"""Bytes that are kept of a longer one."""
BOM = b"\xef\xbb\xbf"


RawLine = tuple[int, bytes, int, bool]
"""A line of a file: its number from 1; its bytes without the line break (LF or CRLF); where the next one begins, in
bytes from the beginning of the file; and whether it is too long, so that its bytes are but the first."""


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
    found: Callable[[int], bytes] | None = getattr(lines, "readline", None)
    readline = found or _reader(iter(lines))
    size = longest + 2  # with its line break
    number = first_line
    while data := readline(size):
        offset += len(data)
        if len(data) == size and found and not data.endswith(b"\n"):
            offset += skip_line(readline)
        data = data.removesuffix(b"\n").removesuffix(b"\r")
        if number == 1:
            data = data.removeprefix(BOM)
        if len(data) > longest:
            yield number, data[: min(KEPT_BYTES, longest)], offset, True
        else:
            yield number, data, offset, False
        number += 1


def _reader(lines: Iterator[bytes]) -> Callable[[int], bytes]:
    """Return what reads lines that are there already; none of them is empty."""
    return lambda size: next(lines, b"")


def skip_line(readline: Callable[[int], bytes]) -> int:
    """Read on to the end of a line, and return how many bytes that was."""
    length = 0
    while rest := readline(1 << 20):
        length += len(rest)
        if rest.endswith(b"\n"):
            break
    return length
