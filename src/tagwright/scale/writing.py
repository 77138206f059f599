"""Answers to Parquet or JSON lines, beside the columns of the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Protocol

from tagwright.errors import InputError, require
from tagwright.predict.lines import Line
from tagwright.predict.parquet_file import GROUP_BYTES, GROUP_ROWS, entities_type
from tagwright.predict.predictions import Found
from tagwright.predict.writers import check_storable, json_line
from tagwright.records import SCORE_DIGITS, Entity
from tagwright.scale.columns import invalid_rows, kept, lost_words_name, schema_of, some_rows
from tagwright.scale.fragment import Job
from tagwright.scale.plain import plain_rows
from tagwright.scale.reading import Rows, columns_of_lines

__all__ = ["Sink", "check_writable", "open_sink"]

Answer = tuple[str, Found]
"""The text of a row, and what was found in it."""


class Sink(Protocol):
    """Where rows go with their entities."""

    def write(self, rows: Rows, answers: Sequence[Answer | str]) -> list[str | None]:
        """Write those rows of a chunk that were tagged and can be written.

        Args:
            rows: the rows.
            answers: what was found in each, or why nothing was.

        Returns:
            Of each row, why it was not written; None where it was.
        """


@contextmanager
def open_sink(job: Job, out: BinaryIO, *, truncates: bool) -> Iterator[Sink]:
    """Begin a file of a fragment, and end it.

    Args:
        job: what is done.
        out: where its bytes go.
        truncates: whether words may have been cut; then a column says how many.
    """
    if job.form == "jsonl":
        yield _JsonLines(job, out, truncates)
        return
    sink = _Parquet(job, out, truncates)
    try:
        yield sink
        sink.finish()
    finally:
        sink.close()


def check_writable(schema: Any, where: str) -> None:
    """Refuse columns of types that Parquet does not have.

    Raises:
        InputError: with the column.
    """
    pa = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    for field in schema:
        try:
            parquet.write_table(pa.schema([field]).empty_table(), pa.BufferOutputStream())
        except pa.ArrowException as error:
            raise InputError(
                f"the column {field.name!r} cannot be written to Parquet: {str(error).splitlines()[0]}",
                where=where,
                mend="leave it out with --columns",
            ) from None


class _Parquet:
    """Parquet whose row groups are bounded in rows and bytes."""

    def __init__(self, job: Job, out: BinaryIO, truncates: bool) -> None:
        self._pa = pa = require("pyarrow", "parquet")
        self._columns = kept(job, schema_of(job.schema))
        self._names = set(self._columns.names) if job.columns is None else None
        self._truncates = truncates
        schema = self._columns.append(pa.field(job.into, entities_type()))
        if truncates:
            schema = schema.append(pa.field(lost_words_name(job, schema.names), pa.int64()))
        self._schema = schema
        parquet = require("pyarrow.parquet", "parquet")
        self._writer = parquet.ParquetWriter(out, schema, compression="zstd")
        self._group: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, rows: Rows, answers: Sequence[Answer | str]) -> list[str | None]:
        errors = [answer if isinstance(answer, str) else _unstorable(answer[0]) for answer in answers]
        if rows.table is None:
            good = [row for row, error in enumerate(errors) if error is None]
            table, bad = columns_of_lines([rows.lines[row] for row in good], self._columns)
            for position, error in bad.items():
                errors[good[position]] = error
            for row in good:
                errors[row] = errors[row] or self._lost_key(rows.lines[row].record)
            left = [position for position, row in enumerate(good) if errors[row] is None]
        else:
            table = rows.table.select(self._columns.names)
            for row, error in invalid_rows(table).items():
                errors[row] = errors[row] or error
            left = [row for row, error in enumerate(errors) if error is None]
        found = [
            answer[1]
            for answer, error in zip(answers, errors, strict=True)
            if error is None and not isinstance(answer, str)
        ]
        self._add(some_rows(table, left), found)
        return errors

    def _lost_key(self, record: Mapping[str, Any] | None) -> str | None:
        """Refuse an object with a key that no column stands for."""
        if self._names is None or record is None or record.keys() <= self._names:
            return None
        key = next(key for key in record if key not in self._names)
        return f"Parquet cannot hold the key {key!r}"

    def _add(self, table: Any, found: Sequence[Found]) -> None:
        pa = self._pa
        columns = [*table.columns, _entities(pa, found)]
        if self._truncates:
            columns.append(pa.array([one.lost_words for one in found], pa.int64()))
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._group.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._end_group()

    def _end_group(self) -> None:
        if self._rows:
            table = self._pa.concat_tables(self._group)
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._group, self._rows, self._bytes = [], 0, 0

    def finish(self) -> None:
        """Write what is left."""
        self._end_group()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


def _unstorable(text: str) -> str | None:
    try:
        check_storable(text)
    except InputError as error:
        return error.what
    return None


def _entities(pa: Any, found: Sequence[Found]) -> Any:
    """Return the entities of rows as an Arrow array, column by column."""
    offsets = [0]
    flat: list[Entity] = []
    for one in found:
        flat += one.entities
        offsets.append(len(flat))
    kind = entities_type()
    fields = list(kind.value_type)
    columns = [
        pa.array([getattr(entity, field.name) for entity in flat], field.type) for field in fields[:-1]
    ]
    columns.append(pa.array([round(entity.score, SCORE_DIGITS) for entity in flat], pa.float64()))
    structs = pa.StructArray.from_arrays(columns, fields=fields)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=kind)


class _JsonLines:
    """JSON lines: the columns as JSON has them, and the entities."""

    def __init__(self, job: Job, out: BinaryIO, truncates: bool) -> None:
        self._job = job
        self._out = out
        schema = schema_of(job.schema)
        self._columns = kept(job, schema)
        self._all = job.columns is None
        self._lost_words = lost_words_name(job, schema.names)

    def write(self, rows: Rows, answers: Sequence[Answer | str]) -> list[str | None]:
        errors: list[str | None] = []
        lines: list[str] = []
        table = None if rows.table is None else rows.table.select(self._columns.names)
        invalid: dict[int, str] = {}
        if table is None:
            records = self._records(rows.lines)
        else:
            invalid = invalid_rows(table)
            records = plain_rows(
                some_rows(table, [row for row in range(table.num_rows) if row not in invalid])
            )
        for row, answer in enumerate(answers):
            record = {} if row in invalid else next(records)
            if isinstance(answer, str) or row in invalid:
                errors.append(answer if isinstance(answer, str) else invalid[row])
                continue
            errors.append(None)
            found = answer[1]
            record[self._job.into] = [entity.to_dict(SCORE_DIGITS) for entity in found.entities]
            if found.lost_words:
                record[self._lost_words] = found.lost_words
            lines.append(json_line(record))
        self._out.write("".join(lines).encode())
        return errors

    def _records(self, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
        names = self._columns.names
        for line in lines:
            if line.record is None:
                whole = {"line": line.number, "text": line.text}
                yield {name: whole[name] for name in names if name in whole}
            elif self._all:
                yield dict(line.record)
            else:
                yield {name: line.record[name] for name in names if name in line.record}
