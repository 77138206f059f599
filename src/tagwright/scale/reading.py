"""Fragments to chunks of what is to be tagged, with the columns that are written beside it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from tagwright.errors import RunError, require
from tagwright.predict.chunks import CHUNK_TEXTS, Border
from tagwright.predict.lines import Line
from tagwright.predict.parquet import lines_of, text_column
from tagwright.predict.readers import parse_lines
from tagwright.scale.columns import conformed, kept, schema_of, some_rows
from tagwright.scale.fragment import Counts, Fragment, Job
from tagwright.scale.jsonkinds import table_of
from tagwright.scale.lines import read_raw
from tagwright.scale.places import Place
from tagwright.scale.sentences import TAGS, read_fragment, with_columns
from tagwright.scale.tables import read_batches
from tagwright.scale.where import Condition, condition_of

__all__ = ["Rows", "columns_of_lines", "read_chunks", "select"]


@dataclass(slots=True)
class Rows:
    """Rows of a chunk.

    Attributes:
        lines: what is to be tagged, a row each.
        table: the columns of the rows, in the input's types; None for lines, which hold theirs.
    """

    lines: list[Line]
    table: Any = None

    def taken(self, positions: list[int]) -> Rows:
        """Return some of the rows."""
        if len(positions) == len(self.lines):
            return self
        table = None if self.table is None else some_rows(self.table, positions)
        return Rows([self.lines[position] for position in positions], table)


def read_chunks(fragment: Fragment, job: Job, source: Place) -> Generator[Rows, None, None]:
    """Read a fragment, in the chunks in which `predict` reads the whole file; of its columns those that are needed.

    Raises:
        InputError: the file is not what it was when the run was planned.
        RunError: it is damaged, or cannot be read; what stands before has been yielded.
    """
    if fragment.kind in ("parquet", "arrow"):
        return _table_chunks(fragment, job, source)
    if fragment.kind == "conll":
        return _sentence_chunks(fragment, job, source)
    return _line_chunks(fragment, job, source)


def _line_chunks(fragment: Fragment, job: Job, source: Place) -> Generator[Rows, None, None]:
    with closing(read_raw(fragment, source)) as rows:
        for group in _chunks(parse_lines(rows, fragment.path, fragment.kind, field=job.field)):
            yield Rows(group)


def _sentence_chunks(fragment: Fragment, job: Job, source: Place) -> Generator[Rows, None, None]:
    tags = bool(job.schema) and TAGS in _needed(job)
    with closing(read_fragment(fragment, source)) as sentences:
        for group in _chunks(with_columns(sentences, tags=tags)):
            yield Rows(group)


def _needed(job: Job) -> set[str]:
    """Return the columns that are kept or looked at by the condition."""
    condition = None if job.where is None else condition_of(job.where, job.schema)
    return {*kept(job, schema_of(job.schema)).names, *(condition.names if condition else ())}


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    group: list[Line] = []
    border = Border(CHUNK_TEXTS)
    broken = None
    try:
        for line in lines:
            if border.before(line.count, line.source) and group:
                yield group
                group = []
            group.append(line)
            if border.behind(len(line.raw)):
                yield group
                group = []
    except RunError as error:  # what came before is tagged, and told of as far as it went
        broken = error
    if group:
        yield group
    if broken is not None:
        raise broken


def _table_chunks(fragment: Fragment, job: Job, source: Place) -> Generator[Rows, None, None]:
    pa = require("pyarrow", "parquet")
    schema = schema_of(job.schema)
    column = text_column(schema, fragment.path, job.field)
    wanted = {column, *_needed(job)}
    needed = pa.schema([field for field in schema if field.name in wanted])
    held: list[Any] = []  # the columns of rows of which no chunk was made yet

    def lines() -> Iterator[Line]:
        for first, batch in read_batches(fragment, source, {*wanted, "id"}):
            held.append(pa.Table.from_batches([_with_added(pa, batch, fragment, needed)]))
            yield from lines_of(batch, column, fragment.path, first_row=first)

    for group in _chunks(lines()):
        table = held[0] if len(held) == 1 else pa.concat_tables(held)
        held[:] = [table.slice(len(group))] if table.num_rows > len(group) else []
        yield Rows(group, table.slice(0, len(group)))


def _with_added(pa: Any, batch: Any, fragment: Fragment, needed: Any) -> Any:
    for name, value in fragment.added:
        position = needed.get_field_index(name)
        if position >= 0 and batch.schema.get_field_index(name) < 0:
            scalar = pa.scalar(value, pa.string()).cast(needed.field(position).type)
            batch = batch.append_column(name, pa.repeat(scalar, batch.num_rows))
    return conformed(batch, needed, fragment.path)


def select(
    chunks: Iterable[Rows], fragment: Fragment, job: Job, counts: Counts
) -> Generator[Rows, None, None]:
    """Leave out the rows for which `Job.where` is not true, and end where a limit is reached.

    Args:
        chunks: what `read_chunks` yields.
        fragment: the fragment.
        job: what is done.
        counts: gets the rows that were read, and those that were left out.

    Yields:
        Of each chunk the rows that are left. One that cannot be read is left, and so is one of which the condition
        cannot be judged, which is bad then.
    """
    condition = None if job.where is None else condition_of(job.where, job.schema)
    take = fragment.take
    for rows in chunks:
        read = len(rows.lines)
        positions = list(range(read)) if condition is None else _judge(rows, condition)
        if take is not None:
            if len(positions) >= take:
                positions = positions[:take]
                read = positions[-1] + 1 if positions else 0
            take -= len(positions)
        counts.rows += read
        counts.left_out += read - len(positions)
        yield rows.taken(positions)
        if take == 0:
            return


def _judge(rows: Rows, condition: Condition) -> list[int]:
    """Return the rows that are left; those of which the condition cannot be judged are made bad."""
    table, known = rows.table, list(range(len(rows.lines)))
    errors: dict[int, str] = {}
    if table is None:
        known = [
            row for row in known if rows.lines[row].record is not None or rows.lines[row].text is not None
        ]
        table, errors = columns_of_lines([rows.lines[row] for row in known], condition.schema)
    keep, more = condition.keep(table)
    left = set(range(len(rows.lines))).difference(known)
    for row, is_kept, number in zip(known, keep.tolist(), range(len(known)), strict=True):
        error = errors.get(number) or more.get(number)
        if error is not None:
            rows.lines[row] = replace(rows.lines[row], text=None, words=None, error=error)
        if is_kept or error is not None:
            left.add(row)
    return sorted(left)


def columns_of_lines(lines: Sequence[Line], schema: Any) -> tuple[Any, dict[int, str]]:
    """Make a table of lines: of JSON lines, their keys; of text and CoNLL, the columns that those become.

    Args:
        lines: those that could be read.
        schema: the columns.

    Returns:
        See `tagwright.scale.jsonkinds.table_of`.
    """
    return table_of(
        [{"line": line.number, "text": line.text} if line.record is None else line.record for line in lines],
        schema,
    )
