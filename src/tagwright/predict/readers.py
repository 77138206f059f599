"""Lines of files to what is to be tagged, one at a time; a line that cannot be read says why and is passed on."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tagwright.data.conll import is_comment
from tagwright.data.files import decode
from tagwright.errors import InputError
from tagwright.predict.compressed import open_unpacked, unpacked_name

__all__ = ["FORMATS", "Line", "check_file", "format_of", "read_lines"]

FORMATS = ("text", "jsonl", "conll")
ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".tsv": "conll",
}
BOM = b"\xef\xbb\xbf"
BLANK = " \t"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to be tagged.

    Attributes:
        source: the file's name.
        number: the line it stands on, from 1; of a CoNLL sentence, the first.
        raw: its bytes, without the line break.
        text: the running text; None when words are given or the line is bad.
        words: the words; None when text is given or the line is bad.
        id: the `id` of a JSON line, if it has one.
        error: what is wrong with the line.
    """

    source: str
    number: int
    raw: bytes
    text: str | None = None
    words: list[str] | None = None
    id: Any = None
    error: str | None = None


def format_of(path: str | Path) -> str:
    """Guess a file's format from its ending, `.gz` and `.zst` aside: `jsonl`, `conll`, or `text` for any other."""
    return ENDINGS.get(unpacked_name(path).suffix.lower(), "text")


def check_file(path: str | Path) -> None:
    """Refuse a file that cannot be read as text at all, before any work is done.

    Raises:
        InputError: it is missing, a folder, unreadable, binary, an archive or CoNLL-U.
        RunError: it is packed by gzip or zstd, and damaged.
    """
    if unpacked_name(path).suffix.lower() == ".conllu":
        raise InputError(
            "CoNLL-U has its words in the second column, after their numbers",
            where=str(path),
            mend="cut -f2 FILE | tagwright predict BUNDLE - --from conll",
        )
    try:
        if _is_pipe(Path(path)):  # what is read of it here would be gone
            return
        with open_unpacked(Path(path)) as file:
            head = file.read(8192)
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(path)) from None
    except IsADirectoryError:
        raise InputError("a folder stands where a file is wanted", where=str(path)) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from None
    if head[257:262] == b"ustar":
        raise InputError("the file is a tar archive", where=str(path), mend="unpack it first")
    try:
        decode(head, str(path))
    except InputError as error:
        if error.where == str(path):  # not text; a line that is not UTF-8 is that line's own affair
            raise


def _is_pipe(path: Path) -> bool:
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))


def read_lines(lines: Iterable[bytes], source: str, kind: str, *, field: str = "text") -> Iterator[Line]:
    """Read a stream of raw lines.

    Args:
        lines: the lines, with their line breaks (LF or CRLF).
        source: the file's name.
        kind: `text`: each line is a text; `jsonl`: each line is an object with a text or a list of words
            (`tokens` or `words`); `conll`: sentences of one word a line, first column, between blank lines.
        field: the key of the text in JSON lines.

    Yields:
        Every line (CoNLL: sentence), good or bad, in order; blank lines of `jsonl` hold nothing and are left out.
    """
    rows = ((number, _strip(raw, number)) for number, raw in enumerate(lines, 1))
    if kind == "conll":
        return _read_conll(rows, source)
    if kind == "jsonl":
        return _read_each(rows, source, lambda text: _parse_json(text, field))
    return _read_each(rows, source, lambda text: {"text": text})


def _strip(raw: bytes, number: int) -> bytes:
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    return raw.removeprefix(BOM) if number == 1 else raw


def _read_each(
    rows: Iterable[tuple[int, bytes]], source: str, parse: Callable[[str], dict[str, Any]]
) -> Iterator[Line]:
    for number, raw in rows:
        try:
            found = parse(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            found = {"error": _invalid_utf8(error)}
        if found:
            yield Line(source, number, raw, **found)


def _parse_json(text: str, field: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        record = json.loads(text, parse_constant=lambda _: None)  # NaN is no JSON, and must not go out again
    except json.JSONDecodeError as error:
        return {"error": f"not JSON: {error.msg} at column {error.colno}"}
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets within brackets
        return {"error": "not JSON that can be read"}
    if not isinstance(record, dict):
        return {"error": "not a JSON object"}
    known = {"id": record.get("id")}
    if isinstance(record.get(field), str):
        return {"text": record[field], **known}
    words = record.get("tokens", record.get("words"))
    if field not in record and isinstance(words, list) and all(isinstance(word, str) for word in words):
        return {"words": words, **known}
    if field in record:
        return {"error": f"{field!r} is not a string", **known}
    if words is not None:
        key = "tokens" if "tokens" in record else "words"
        return {"error": f"{key!r} is not a list of strings", **known}
    return {"error": f"there is no {field!r}; name the key of the text with --field", **known}


def _read_conll(rows: Iterator[tuple[int, bytes]], source: str) -> Iterator[Line]:
    ahead, columns = _look_ahead(rows)
    words: list[str] = []
    raws: list[bytes] = []
    begin, error = 0, None
    for number, raw in chain(ahead, rows, [(0, b"")]):
        try:
            line = raw.decode("utf-8").rstrip(BLANK)
        except UnicodeDecodeError as bad:
            line, error = "", error or f"line {number}: {_invalid_utf8(bad)}"
        if not line and raw.strip():  # it is bad, and ends no sentence
            raws.append(raw)
            begin = begin or number
            continue
        fields = line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]
        if not line:
            if raws:
                yield Line(source, begin, b"\n".join(raws), words=None if error else words, error=error)
            words, raws, begin, error = [], [], 0, None
        elif raws or not _is_aside(line, fields, columns):
            begin = begin or number
            raws.append(raw)
            words.append(fields[0].strip(BLANK))
            if "\r" in line:  # lines that end in CR alone would all be one, and its words lost
                error = error or f"line {number}: a carriage return stands within the line; end lines with LF"
            if not words[-1]:
                error = error or f"line {number}: the word is empty"


def _look_ahead(rows: Iterable[tuple[int, bytes]]) -> tuple[list[tuple[int, bytes]], int]:
    """Read up to the first line that is surely no comment; return what was read and how many columns it has."""
    ahead = []
    for number, raw in rows:
        ahead.append((number, raw))
        line = raw.strip(b" \t")
        if line and not line.startswith(b"#"):
            return ahead, 0 if b"\t" in line else len(line.split())
    return ahead, 0


def _is_aside(line: str, fields: list[str], columns: int) -> bool:
    """Tell comments and document marks from words; only asked before a sentence's first word."""
    if line == "#" and columns == 1:
        return False
    return fields[0] == "-DOCSTART-" or is_comment(line, fields, columns)


def _invalid_utf8(error: UnicodeDecodeError) -> str:
    return f"invalid UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}"
