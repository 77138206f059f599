"""Which format a file has: by its name or, where that does not tell, by its beginning; and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tagwright.errors import InputError
from tagwright.predict.compressed import unpacked_name
from tagwright.predict.readers import format_of
from tagwright.scale.lines import open_lines
from tagwright.scale.places import Place, telling

__all__ = ["HEAD_BYTES", "check_like_others", "ending_of", "find_format", "is_told"]

HEAD_BYTES = 1 << 16
"""What is looked at of a file."""

_OTHERS = {
    ".csv": "CSV; make it Parquet: duckdb -c \"COPY (FROM 'FILE.csv') TO 'FILE.parquet'\"",
    ".json": "JSON that is one document; write one object a line: jq -c '.[]' FILE.json > FILE.jsonl",
    ".conllu": "CoNLL-U, with the words in its second column; make it CoNLL: cut -f2 FILE.conllu > FILE.conll",
    ".orc": "ORC; make it Parquet",
    ".avro": "Avro; make it Parquet",
    ".xlsx": "a spreadsheet; save it as CSV and make that Parquet",
    ".pdf": "PDF; take its text out first",
    ".zip": "a zip archive; unpack it first",
    ".tar": "a tar archive; unpack it first",
    ".bz2": "packed by bzip2; unpack it, or pack it by gzip or zstd",
    ".xz": "packed by xz; unpack it, or pack it by gzip or zstd",
}
_TABLE = (
    "a table of values between tabs; make it Parquet: "
    "duckdb -c \"COPY (FROM read_csv('FILE.tsv')) TO 'FILE.parquet'\", or call it FILE.conll if it is CoNLL"
)
_TAG = re.compile(r"O|[BIESLUM]-\S+")
_FEWEST = 2
"""Lines that must end in a tag: a sentence in prose may end with an O."""


def ending_of(path: str) -> str:
    """Return the ending of a file's name, `.gz` and `.zst` aside; none where it is but a number.

    >>> ending_of("posts.JSONL.gz"), ending_of("part.00017")
    ('.jsonl', '')
    """
    ending = unpacked_name(path).suffix.lower()
    return "" if ending[1:].isdecimal() else ending


def is_told(path: str) -> bool:
    """Tell whether a file's name alone says which format it has."""
    return ending_of(path) in (".arrow", ".feather") or format_of(path) != "text"


def find_format(source: Place, path: str) -> str:
    """Return `parquet`, `arrow`, `jsonl`, `conll` or `text`, which is what cannot be told to be anything else.

    Raises:
        InputError: it is of a format that is not read, with the mend.
        RunError: it cannot be looked at.
    """
    ending = ending_of(path)
    if ending in (".arrow", ".feather"):
        return "arrow"
    kind = format_of(path)
    if kind != "text" and ending != ".tsv":
        return kind
    if ending in _OTHERS and ending != ".json":
        raise _refused(_OTHERS[ending], path)
    head, whole = _head(source, path)
    if ending == ".json":
        if not head.strip() or _is_jsonl(head, whole):
            return "jsonl"
        raise _refused(_OTHERS[ending], path)
    if ending == ".tsv":
        if head.strip() and not _is_words(head, whole):
            raise _refused(_TABLE, path)
        return "conll"
    return _told_by(head, whole)


def check_like_others(head: bytes, path: str, kind: str, *, whole: bool) -> None:
    """Refuse a file of which another one of its ending told the format wrongly.

    Words among lines of text would be tagged each with its tag, and of text among CoNLL the first word of each line
    alone.

    Args:
        head: its beginning.
        path: the file.
        kind: the format.
        whole: whether `head` is all of it.

    Raises:
        InputError: it is CoNLL and the others are text, or the other way round.
    """
    if kind not in ("text", "conll") or is_told(path) or not head.strip():
        return
    found = _told_by(head, whole)
    if "conll" in (kind, found) and found != kind:
        names = {"conll": "CoNLL", "jsonl": "JSON lines"}
        raise InputError(
            f"by its lines the file is {names.get(found, found)}, and others of its ending are "
            f"{names.get(kind, kind)}",
            where=path,
            mend="annotate it by itself, or call it FILE.conll if it is CoNLL",
        )


def _refused(text: str, path: str) -> InputError:
    what, _, mend = text.partition("; ")
    return InputError(f"the file is {what}", where=path, mend=mend)


def _head(source: Place, path: str) -> tuple[bytes, bool]:
    """Return the beginning of a file, unpacked, and whether it is all of it."""
    with telling(path), open_lines(source, path) as file:
        head = bytes(file.read(HEAD_BYTES))
        return head, len(head) < HEAD_BYTES


def _told_by(head: bytes, whole: bool) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    if _is_jsonl(head, whole):
        return "jsonl"
    return "conll" if _is_tagged(_lines(head, whole)) else "text"


def _lines(head: bytes, whole: bool) -> list[str]:
    """Return the lines that are whole, without blanks at their ends."""
    lines = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n")
    return [line.rstrip(" \t\r") for line in (lines if whole else lines[:-1])]


def _is_jsonl(head: bytes, whole: bool) -> bool:
    """Tell whether the first line is a JSON object, or begins like one and goes on beyond the beginning."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line, ended, _ = start.partition(b"\n")
    if not ended and not whole:
        return line.startswith(b'{"')
    try:
        return line.startswith(b"{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_tagged(lines: Sequence[str]) -> bool:
    """Tell whether each line is a word and a tag, but for comments and marks of documents."""
    found = 0
    for line in lines:
        fields = line.split("\t") if "\t" in line else line.split(" ")
        if len(fields) > 1 and _TAG.fullmatch(fields[-1].strip()):
            found += 1
        elif line and not line.startswith(("#", "-DOCSTART-")):
            return False
    return found >= _FEWEST


def _is_words(head: bytes, whole: bool) -> bool:
    """Tell whether what stands between tabs are words and tags, or words alone."""
    lines = _lines(head, whole)
    return _is_tagged(lines) or not any("\t" in line for line in lines) or _has_sentences(lines)


def _has_sentences(lines: Sequence[str]) -> bool:
    """Tell whether a line between others is blank."""
    filled = [number for number, line in enumerate(lines) if line]
    return bool(filled) and filled[-1] - filled[0] >= len(filled)
