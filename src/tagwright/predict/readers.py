"""Lines of files to what is to be tagged, one at a time; a line that cannot be read says why and is passed on."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from tagwright.data.files import decode
from tagwright.errors import InputError
from tagwright.predict.compressed import open_unpacked, unpacked_name
from tagwright.predict.conll_lines import conll_columns, read_sentences
from tagwright.predict.lines import WORDS, Line, invalid_utf8, too_long
from tagwright.predict.parquet import check_parquet, read_parquet
from tagwright.predict.rawlines import LONGEST, RawLine, raw_lines

__all__ = [
    "FORMATS",
    "Line",
    "check_file",
    "check_head",
    "format_of",
    "read_file",
    "read_lines",
    "read_parquet",
]

FORMATS = ("text", "jsonl", "conll", "parquet")
ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".iob": "conll",
    ".iob2": "conll",
    ".bio": "conll",
    ".tsv": "conll",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PARQUET = b"PAR1"


def format_of(path: str | Path) -> str:
    """Guess a file's format from its ending, `.gz` and `.zst` aside: `jsonl`, `conll`, or `text` for any other."""
    return ENDINGS.get(unpacked_name(path).suffix.lower(), "text")


def check_file(path: str | Path, kind: str | None = None, *, field: str = "text") -> None:
    """Refuse a file that cannot be read at all, before any work is done.

    Args:
        path: the file.
        kind: its format, one of `FORMATS`; None takes the one that its ending names.
        field: the column of the text in Parquet.

    Raises:
        InputError: it is missing, a folder, unreadable, binary, an archive or CoNLL-U; or Parquet that is
            damaged or has no such column.
        RunError: it is packed by gzip or zstd, and damaged.
        MissingExtraError: it is Parquet, and pyarrow is not installed.
    """
    name = str(path)
    if unpacked_name(path).suffix.lower() == ".conllu":
        raise InputError(
            "CoNLL-U has its words in the second column, after their numbers",
            where=name,
            mend="cut -f2 FILE | tagwright predict BUNDLE - --from conll",
        )
    kind = kind or format_of(path)
    try:
        pipe = _is_pipe(Path(path))  # what is read of it here would be gone
        head = b""
        if not pipe:
            with open_unpacked(Path(path)) as file:
                head = file.read(8192)
    except FileNotFoundError:
        raise InputError("there is no such file", where=name) from None
    except IsADirectoryError:
        raise InputError("a folder stands where a file is wanted", where=name) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror or error}", where=name) from None
    if kind == "parquet":
        if pipe:
            raise InputError(
                "Parquet is read from a file, not from a pipe", where=name, mend="write it to one"
            )
        check_parquet(path, field=field)
        return
    check_head(head, name, pipe=pipe)


def check_head(head: bytes, name: str, *, pipe: bool = False) -> None:
    """Refuse a file of lines whose first bytes, unpacked, tell that it is none.

    Args:
        head: its first 8,192 bytes; none where it is a pipe.
        name: the file.
        pipe: whether it is one.

    Raises:
        InputError: it is a Parquet table, an archive, binary or UTF-16.
    """
    if head.startswith(PARQUET):
        raise InputError("the file is a Parquet table", where=name, mend="read it with --from parquet")
    if head[257:262] == b"ustar":
        raise InputError("the file is a tar archive", where=name, mend="unpack it first")
    if pipe:
        return
    try:
        decode(head, name)
    except InputError as error:
        if error.where == name:  # not text; a line that is not UTF-8 is that line's own affair
            raise


def _is_pipe(path: Path) -> bool:
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))


def read_file(
    path: Path,
    kind: str | None = None,
    *,
    field: str = "text",
    line: int = 0,
    offset: int = 0,
    count: int = 0,
    opened: Callable[[BinaryIO], object] | None = None,
) -> Iterator[Line]:
    """Read a file, packed or not, from its beginning or on from a place where it was left.

    ```python
    for line in read_file(path):
        done = (line.last, line.end, line.count)
    rest = read_file(path, line=done[0], offset=done[1], count=done[2])
    ```

    Args:
        path: the file.
        kind: its format, one of `FORMATS`; None takes the one that its ending names.
        field: the key of the text in JSON lines, the column of the text in Parquet.
        line: how many lines (Parquet: rows) were read: the `last` of the last `Line`.
        offset: the `end` of that `Line`. A plain file is read on from there at once, a packed one is unpacked up
            to there.
        count: the `count` of that `Line`.
        opened: see `open_unpacked`; not called of Parquet.

    Yields:
        What `read_lines` or `read_parquet` does.

    Raises:
        InputError: Parquet that is damaged at its end or has no such column.
        RunError: while it is read: the file is damaged from here on.
        OSError: it cannot be opened or read.
    """
    kind = kind or format_of(path)
    if kind == "parquet":
        yield from read_parquet(path, field=field, first_row=line + 1)
        return
    columns = None
    if line and kind == "conll":
        with open_unpacked(path) as file:
            columns = conll_columns(file)
    with open_unpacked(path, opened=opened) as file:
        if offset:
            _skip(file, offset)
        yield from read_lines(
            file,
            str(path),
            kind,
            field=field,
            first_line=line + 1,
            offset=offset,
            count=count,
            columns=columns,
        )


def _skip(file: BinaryIO, offset: int) -> None:
    """Go to a place; a packed file is unpacked up to there."""
    file.seek(offset)


def read_lines(
    lines: Iterable[bytes],
    source: str,
    kind: str,
    *,
    field: str = "text",
    first_line: int = 1,
    offset: int = 0,
    count: int = 0,
    columns: int | None = None,
    longest: int = LONGEST,
) -> Iterator[Line]:
    """Read a stream: a binary file, or raw lines. A line is passed on as soon as its line break is there.

    Args:
        lines: the lines, with their line breaks (LF or CRLF).
        source: the file's name.
        kind: `text`: each line is a text; `jsonl`: each line is an object with a text or a list of words
            (`tokens` or `words`); `conll`: sentences of one word a line, first column, between blank lines.
        field: the key of the text in JSON lines.
        first_line: the number of the first line that comes.
        offset: where it begins in the file, in bytes.
        count: of CoNLL, how many sentences stand before it.
        columns: of CoNLL that does not come from the beginning of the file: what
            `tagwright.predict.conll_lines.conll_columns` says of that.
        longest: bytes of the longest line (CoNLL: sentence, too); a longer one is bad, and is not held.

    Yields:
        Every line (CoNLL: sentence), good or bad, in order; blank lines of `jsonl` hold nothing and are left out.

    Raises:
        InputError: `kind` is `parquet`, which cannot be read from a stream.
    """
    if kind == "parquet":
        raise InputError("Parquet is read from a file, not from a stream", where=source, mend="name the file")
    rows = raw_lines(lines, first_line=first_line, offset=offset, longest=longest)
    if kind == "conll":
        return read_sentences(rows, source, count=count, columns=columns, longest=longest)
    return parse_lines(rows, source, kind, field=field, longest=longest)


def parse_lines(
    rows: Iterable[RawLine], source: str, kind: str, *, field: str = "text", longest: int = LONGEST
) -> Iterator[Line]:
    """Read lines that are cut already; see `read_lines`.

    Args:
        rows: what `tagwright.predict.rawlines.raw_lines` yields.
        source: the file's name.
        kind: `text` or `jsonl`.
        field: the key of the text in JSON lines.
        longest: bytes of the longest line.
    """
    parse = partial(_parse_json, field=field) if kind == "jsonl" else _as_text
    for number, raw, end, cut in rows:
        if cut:
            found: dict[str, Any] = {"error": too_long("line", longest)}
        else:
            try:
                found = parse(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                found = {"error": invalid_utf8(error)}
        if found:
            yield Line(source, number, raw, last=number, end=end, cut=cut, count=number, **found)


def _as_text(text: str) -> dict[str, Any]:
    return {"text": text}


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if isfinite(number) else None


# NaN is no JSON, nor is the infinity that 1e999 becomes: neither must go out again.
_JSON = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite)


def json_record(text: str) -> dict[str, Any] | str | None:
    """Return the object that a line holds, or what is wrong with it; None where the line is blank."""
    if not text.strip():
        return None
    try:
        record = _JSON.decode(text)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at column {error.colno}"
    except (ValueError, RecursionError):  # a number of thousands of digits, brackets within brackets
        return "not JSON that can be read"
    return record if isinstance(record, dict) else "not a JSON object"


def _parse_json(text: str, field: str) -> dict[str, Any]:
    record = json_record(text)
    if record is None:
        return {}
    if isinstance(record, str):
        return {"error": record}
    known = {"id": record.get("id"), "record": record}
    if isinstance(record.get(field), str):
        return {"text": record[field], **known}
    key = field if field in record else "tokens" if "tokens" in record else "words"
    words = record.get(key)
    if key in WORDS and isinstance(words, list) and all(isinstance(word, str) for word in words):
        return {"words": words, **known}
    if field in record:
        return {"error": f"{field!r} is not a string", **known}
    if words is not None:
        return {"error": f"{key!r} is not a list of strings", **known}
    return {"error": f"there is no {field!r}; name the key of the text with --field", **known}
