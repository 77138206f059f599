"""A pass over files before they are tagged: how many rows, where fragments begin, which columns."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from tagwright.errors import InputError, RunError
from tagwright.predict.compressed import is_packed
from tagwright.predict.conll_lines import conll_columns
from tagwright.predict.readers import check_head, json_record
from tagwright.scale.columns import schema_bytes
from tagwright.scale.formats import check_like_others
from tagwright.scale.fragment import Counts, Fragment, Job
from tagwright.scale.inputs import InputFile, Survey
from tagwright.scale.jsonkinds import add_record
from tagwright.scale.lines import open_lines, read_raw
from tagwright.scale.places import Place
from tagwright.scale.reading import read_chunks, select
from tagwright.scale.sentences import find_sentences, has_tags
from tagwright.scale.tables import survey_table

__all__ = ["Scan", "count_kept", "find_kinds", "survey_files"]

_BLOCK = 1 << 22
_REMOTE = 16
"""Files of a store that are looked at at once."""


@dataclass(frozen=True, slots=True)
class Scan:
    """How files are looked at; what a function that may run elsewhere needs to know.

    Attributes:
        source: the input.
        job: what is done.
        fragment_rows: rows of a fragment.
        most: a file of lines need not be looked at beyond so many; None for all.
    """

    source: Place
    job: Job
    fragment_rows: int
    most: int | None = None

    def survey(self, files: Sequence[InputFile]) -> list[Survey]:
        """Look at files."""
        return survey_files(files, self)

    def kinds(self, fragments: Sequence[Fragment]) -> tuple[dict[str, Any], list[int]]:
        """Look at the keys of JSON lines."""
        return find_kinds(fragments, self)

    def count(self, fragment: Fragment) -> int:
        """Count the rows that are kept of a fragment."""
        return count_kept(fragment, self)


def survey_files(files: Sequence[InputFile], scan: Scan) -> list[Survey]:
    """Find how many rows files have, and where the fragments of lines and sentences begin.

    Raises:
        InputError: a file is not of its format, or damaged.
        RunError: it cannot be read.
    """
    if scan.source.is_local or len(files) == 1:
        return [_survey(file, scan) for file in files]
    with ThreadPoolExecutor(_REMOTE) as pool:
        return list(pool.map(lambda file: _survey(file, scan), files))


def _survey(file: InputFile, scan: Scan) -> Survey:
    if file.kind in ("parquet", "arrow"):
        rows, schema = survey_table(scan.source, file.path, file.kind)
        return Survey(rows, schema=schema_bytes(schema))
    try:
        with open_lines(scan.source, file.path) as lines:
            head = lines.read(8192)
            check_head(head, file.path)
            check_like_others(head, file.path, file.kind, whole=len(head) < 8192)
            if file.kind == "conll":
                return _sentences(lines, file, scan)
        with scan.source.fs.open_input_stream(file.path, compression=None) as raw:
            first = raw.read(4)
            if is_packed(first):
                return Survey(None)
            return _borders(raw, first, scan.fragment_rows, scan.most)
    except FileNotFoundError:
        raise InputError("there is no such file", where=file.path) from None
    except OSError as error:
        raise RunError(f"it cannot be read: {error}", where=file.path) from error


def _sentences(lines: BinaryIO, file: InputFile, scan: Scan) -> Survey:
    lines.seek(0)
    tagged = has_tags(lines, file.path)
    if not isinstance(lines, io.BufferedReader):  # what unpacks it
        return Survey(None, tagged=tagged)
    lines.seek(0)
    columns = conll_columns(lines)
    lines.seek(0)
    found = find_sentences(lines, columns, scan.fragment_rows, most=scan.most)
    return replace(found, tagged=tagged)


def _borders(file: BinaryIO, first: bytes, step: int, most: int | None) -> Survey:
    """Find where every `step`-th line begins."""
    begins = [0]
    lines = offset = 0
    last = b"\n"
    block = first + file.read(_BLOCK)
    while block:
        breaks = block.count(b"\n")
        if (lines + breaks) // step > lines // step:
            places = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10)
            firsts = range(step - lines % step - 1, breaks, step)
            begins += [offset + int(places[position]) + 1 for position in firsts]
        lines += breaks
        offset += len(block)
        last = block[-1:]
        if most is not None and lines >= most:
            return Survey(lines, begins, None, whole=False)
        block = file.read(_BLOCK)
    return Survey(lines + (last != b"\n"), begins, offset)


def find_kinds(fragments: Sequence[Fragment], scan: Scan) -> tuple[dict[str, Any], list[int]]:
    """Return the kinds of the values of JSON lines by their keys, and how many lines of each fragment are not blank.

    Raises:
        InputError: there are too many keys.
        RunError: a file cannot be read.
    """
    kinds: dict[str, Any] = {}
    rows: list[int] = []
    for fragment in fragments:
        rows.append(0)
        for number, raw, _, cut in read_raw(fragment, scan.source):
            try:
                record = "too long" if cut else json_record(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                record = str(error)  # a reject, which tells more when it is read again
            rows[-1] += record is not None
            if isinstance(record, dict):
                try:
                    add_record(kinds, record)
                except InputError as error:
                    raise InputError(error.what, where=f"{fragment.path}:{number}", mend=error.mend) from None
    return kinds, rows


def count_kept(fragment: Fragment, scan: Scan) -> int:
    """Count the rows of a fragment that `Job.where` does not leave out."""
    counts = Counts()
    for _ in select(read_chunks(fragment, scan.job, scan.source), fragment, scan.job, counts):
        pass
    return counts.rows - counts.left_out
