"""CoNLL files: where their sentences begin, and the sentences of a fragment with their columns."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from io import BufferedReader
from itertools import islice
from typing import Any

from tagwright.predict.conll_lines import BLANK, conll_columns, is_aside, read_sentences
from tagwright.predict.lines import Line
from tagwright.predict.rawlines import BOM, LONGEST, RawLine, raw_lines, skip_line
from tagwright.scale.fragment import Fragment
from tagwright.scale.inputs import Survey
from tagwright.scale.lines import changed, open_lines, telling_of_changes
from tagwright.scale.places import Place

__all__ = ["TAGS", "find_sentences", "has_tags", "read_fragment", "with_columns"]

TAGS = "tags"
"""The column of the tags that a file has already."""

_BLOCK = 1 << 22
_LOOKED_AT = 100
"""Sentences at the beginning of a file that tell whether it has tags."""
_BLANK_LINE = re.compile(rb"\n[ \t]*\r?\n")
_BLANK_LINES = re.compile(rb"(?:[ \t]*\r?\n)*")
_DOUBTFUL = frozenset(b"#- ")
"""What comments and the marks of documents begin with."""


def find_sentences(
    file: BufferedReader,
    columns: int,
    step: int,
    *,
    most: int | None = None,
    longest: int = LONGEST,
    block: int = _BLOCK,
) -> Survey:
    """Count the sentences of a file as `read_sentences` does, and find where every `step`-th begins.

    Words are not looked at: what is searched for is the next line that is blank, and the next that is not.

    Args:
        file: at its beginning, not packed.
        columns: what `conll_columns` says of it.
        step: sentences of a fragment.
        most: the file need not be looked at beyond so many sentences.
        longest: bytes of the longest line that is read; as `read_sentences` has it.
        block: bytes to look at together; no more than `longest`.
    """
    begins, firsts = [0], [1]
    begun = file.read(len(BOM))
    offset = len(BOM) if begun == BOM else 0
    count, number, within = 0, 1, False
    for lines, size in _blocks(file, b"" if offset else begun, longest, block):
        text = b"\n" + lines  # so that each line stands behind a break
        place = counted = 1
        while True:
            if within:
                found = _BLANK_LINE.search(text, place - 1)
                if found is None:
                    break
                place, within = found.end(), False
            skipped = _BLANK_LINES.match(text, place)
            place = skipped.end() if skipped else place
            if place == len(text):
                break
            if text[place] in _DOUBTFUL and _is_aside(text[place : text.index(b"\n", place)], columns):
                place = text.index(b"\n", place) + 1
                continue
            if count and count % step == 0:
                number += text.count(b"\n", counted, place)
                counted = place
                begins.append(offset + place - 1)
                firsts.append(number)
            count, within = count + 1, True
        number += text.count(b"\n", counted)
        offset += size
        if most is not None and count >= most:
            return Survey(count, begins, firsts=firsts, whole=False)
    return Survey(count, begins, offset, firsts=firsts)


def _blocks(file: BufferedReader, begun: bytes, longest: int, block: int) -> Iterator[tuple[bytes, int]]:
    """Yield whole lines, and how many bytes of the file they are; a line that is too long is held as a short one."""
    while lines := begun + file.read(block):
        begun, size = b"", len(lines)
        if not lines.endswith(b"\n"):
            lines += file.readline(longest + 2)
            size = len(lines)
            if not lines.endswith(b"\n"):
                size += skip_line(file.readline)
            last = lines.rfind(b"\n", 0, -1) + 1
            if len(lines[last:].removesuffix(b"\n").removesuffix(b"\r")) > longest:
                lines = lines[:last] + b"x"
            if not lines.endswith(b"\n"):
                lines += b"\n"
        yield lines, size


def _is_aside(line: bytes, columns: int) -> bool:
    try:
        return is_aside(line.removesuffix(b"\r").decode("utf-8").rstrip(BLANK), columns)
    except UnicodeDecodeError:
        return False


def read_fragment(fragment: Fragment, source: Place) -> Generator[Line, None, None]:
    """Read the sentences of a fragment; see `tagwright.scale.reading.read_chunks`."""
    if fragment.rows == 0:
        return
    with telling_of_changes(fragment.path):
        columns = None
        if fragment.begin:  # what a comment is depends on the beginning of the file
            with open_lines(source, fragment.path) as file:
                columns = conll_columns(file)
        with open_lines(source, fragment.path, begin=fragment.begin) as file:
            rows = raw_lines(file, first_line=fragment.line, offset=fragment.begin)
            count = 0
            for line in read_sentences(
                _up_to(rows, fragment), fragment.path, count=fragment.first, columns=columns
            ):
                count += 1
                if fragment.rows is not None and count > fragment.rows:
                    raise changed(fragment.path)
                yield line
                if count == fragment.rows and fragment.end is None:
                    return
            if fragment.rows is not None and count < fragment.rows:
                raise changed(fragment.path)


def _up_to(rows: Iterable[RawLine], fragment: Fragment) -> Iterator[RawLine]:
    """Pass lines on up to the end of the fragment."""
    for row in rows:
        if fragment.end is not None and row[2] > fragment.end:
            raise changed(fragment.path)
        yield row
        if row[2] == fragment.end:
            return
    if fragment.end is not None:
        raise changed(fragment.path)


def with_columns(lines: Iterable[Line], *, tags: bool) -> Iterator[Line]:
    """Give each sentence its columns, as the object that a JSON line would hold; a bad one has none.

    Args:
        lines: what `read_fragment` yields.
        tags: whether the tags are wanted.
    """
    for line in lines:
        if line.words is None:
            yield line
            continue
        record: dict[str, Any] = {"line": line.number, "tokens": line.words}
        yield replace(line, record=record | {TAGS: _tags(line)} if tags else record)


def has_tags(file: Iterable[bytes], path: str) -> bool:
    """Tell whether a file has tags: whether each word has one in some sentence at its beginning."""
    first = islice(read_sentences(raw_lines(file), path), _LOOKED_AT)
    return any(line.words is not None and _tags(line) is not None for line in first)


def _tags(line: Line) -> list[str] | None:
    """Return the last column of a sentence; None where a word has no other than its own."""
    tags = []
    for row in line.raw.decode("utf-8").split("\n"):
        row = row.strip(BLANK)
        _, blank, tag = row.rpartition("\t" if "\t" in row else " ")
        if not blank:
            return None
        tags.append(tag.strip(BLANK))
    return tags
