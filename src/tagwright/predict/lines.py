"""One thing to be tagged, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["WORDS", "Line", "invalid_utf8", "too_long"]

WORDS = ("tokens", "words")
"""Keys and columns under which words may stand; a list of strings under any other may be sentences."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to be tagged.

    Attributes:
        source: the file's name.
        number: the line it stands on, from 1; of a CoNLL sentence, the first; of Parquet, the row.
        raw: its bytes, without the line break; of a Parquet row, a JSON object of its id and its text or words.
        text: the running text; None when words are given or the line is bad.
        words: the words; None when text is given or the line is bad.
        id: the `id` of a JSON line or a Parquet row, if it has one.
        error: what is wrong with the line.
        last: the last line that was read for it, and `end`: the place just behind that line, in bytes of the
            unpacked file (of Parquet, both are the row). Reading on from there gives the next line; see
            `tagwright.predict.readers.read_file`.
        end: see `last`.
        cut: it is longer than is read; `raw` is its beginning.
        count: which of its file it is, from 1, as chunks count: the line, the row or, of CoNLL, the sentence.
        record: the object that a JSON line holds.
    """

    source: str
    number: int
    raw: bytes
    text: str | None = None
    words: list[str] | None = None
    id: Any = None
    error: str | None = None
    last: int = 0
    end: int = 0
    cut: bool = False
    count: int = 0
    record: dict[str, Any] | None = None


def invalid_utf8(error: UnicodeDecodeError) -> str:
    """Say which byte is not UTF-8."""
    return f"invalid UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}"


def too_long(what: str, longest: int) -> str:
    """Say that a line, sentence or text is too long: in MiB, or in bytes where that would be a fraction."""
    size = f"{longest >> 20} MiB" if longest >= 1 << 20 else f"{longest:,} bytes"
    return f"the {what} is longer than {size}"
