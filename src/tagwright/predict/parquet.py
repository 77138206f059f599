"""Rows of Parquet files to what is to be tagged, a few at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from tagwright.errors import InputError, RunError, require
from tagwright.predict.lines import WORDS, Line, invalid_utf8, too_long
from tagwright.predict.rawlines import KEPT_BYTES, LONGEST

__all__ = [
    "check_parquet",
    "is_words",
    "lines_of",
    "open_parquet",
    "parquet_batches",
    "read_parquet",
    "text_column",
]

BATCH_BYTES = 4 << 20
BATCH_ROWS = 1024


def check_parquet(path: str | Path, *, field: str = "text") -> None:
    """Refuse a file that is no Parquet, or has neither the column of the text nor one of words.

    Raises:
        InputError: with the names of the columns that it has.
        MissingExtraError: pyarrow is not installed.
    """
    with open_parquet(path, str(path)) as file:
        text_column(file.schema_arrow, str(path), field)


def read_parquet(
    path: str | Path, *, field: str = "text", first_row: int = 1, longest: int = LONGEST
) -> Iterator[Line]:
    """Read the rows of a Parquet file.

    Args:
        path: the file.
        field: the column of the text; where there is none of that name, a column `tokens` or `words` of lists
            of strings is read. A column `id` is kept.
        first_row: the row to begin with, from 1.
        longest: bytes of the longest text; a longer one is bad.

    Yields:
        Every row, good or bad, in order. Null, in place of the text or of a word, and bytes that are not UTF-8
        are bad.

    Raises:
        InputError: the file is no Parquet or has no such column.
        RunError: while it is read: it is damaged from here on.
        MissingExtraError: pyarrow is not installed.
    """
    source = str(path)
    with open_parquet(path, source) as file:
        column = text_column(file.schema_arrow, source, field)
        names = [column, *(["id"] if column != "id" and "id" in file.schema_arrow.names else [])]
        for row, batch in parquet_batches(file, source, names, first_row=first_row):
            yield from lines_of(batch, column, source, first_row=row, longest=longest)


@contextmanager
def open_parquet(file: Any, name: str) -> Iterator[Any]:
    """Open a file as a `pyarrow.parquet.ParquetFile`; its columns are read through a buffer, and none held whole.

    Args:
        file: its path, or what is open.
        name: what to call it in an error.

    Raises:
        InputError: there is none, or it is no Parquet.
    """
    pa = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    try:
        opened = parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError("there is no such file", where=name) from None
        reason = _first_line(error)
        if "magic bytes" in reason or "smaller than" in reason or "size is 0" in reason:
            reason = "it is of another format, or ends early"
        raise InputError(f"no Parquet file that can be read: {reason}", where=name) from None
    with opened:
        yield opened


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def text_column(schema: Any, source: str, field: str) -> str:
    """Return the column to be tagged: `field` if there is one, else one of words.

    Lists of strings under any other name may be sentences.

    Args:
        schema: the `pyarrow.Schema` of a table.
        source: its file, for messages.
        field: the column of the text.

    Raises:
        InputError: there is none, or it holds something else.
    """
    types = require("pyarrow.types", "parquet")
    column = next((name for name in (field, *WORDS) if name in schema.names), None)
    if column is None:
        raise InputError(
            f"there is no column {field!r}; the columns are {', '.join(schema.names) or 'none'}",
            where=source,
            mend="name the one of the text with --field",
        )
    if schema.names.count(column) > 1:
        raise InputError(f"two columns are called {column!r}", where=source)
    kind = schema.field(column).type
    if not ((column in WORDS and is_words(types, kind)) or (column == field and _is_string(types, kind))):
        wanted = "strings" if column == field else "lists of strings"
        raise InputError(
            f"the column {column!r} holds {kind}, not {wanted}",
            where=source,
            mend=f"name the one of the text with --field; the columns are {', '.join(schema.names)}",
        )
    return column


def _is_string(types: Any, kind: Any) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)  # how writers of old mark strings
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_null(kind)
    )


def is_words(types: Any, kind: Any) -> bool:
    """Tell whether an Arrow type is one of lists of strings; `types` is `pyarrow.types`."""
    lists = (types.is_list, types.is_large_list, types.is_list_view, types.is_large_list_view)
    is_list = any(is_one(kind) for is_one in lists) or types.is_fixed_size_list(kind)
    return is_list and _is_string(types, kind.value_type)


def parquet_batches(
    file: Any, source: str, names: list[str], *, first_row: int = 1
) -> Iterator[tuple[int, Any]]:
    """Yield rows a few at a time, each time with the number of the first of them.

    Args:
        file: what `open_parquet` opened.
        source: the file's name.
        names: the columns to read.
        first_row: the row to begin with, from 1.

    Raises:
        RunError: the file is damaged from here on.
    """
    pa = require("pyarrow", "parquet")
    row = 1
    try:
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if row + metadata.num_rows <= first_row:
                row += metadata.num_rows
                continue
            size = max(metadata.total_byte_size // max(metadata.num_rows, 1), 1)
            rows = min(max(BATCH_BYTES // size, 1), BATCH_ROWS)
            for batch in file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                skipped = max(first_row - row, 0)
                if skipped < batch.num_rows:
                    yield row + skipped, batch.slice(skipped)
                row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise RunError(
            f"the Parquet file is damaged: {_first_line(error)}",
            where=source,
            mend="copy it again, whole",
        ) from error


def lines_of(
    batch: Any, column: str, source: str, *, first_row: int = 1, longest: int = LONGEST
) -> Iterator[Line]:
    """Make what is to be tagged out of some rows of a table.

    Args:
        batch: a `pyarrow.RecordBatch` with the column, and perhaps one that is called `id`.
        column: the column of the text or words, as `text_column` finds it.
        source: the file's name.
        first_row: the number of the first row, from 1.
        longest: bytes of the longest text; a longer one is bad.

    Yields:
        What `read_parquet` does.
    """
    pa = require("pyarrow", "parquet")
    values = batch.column(batch.schema.get_field_index(column))
    parse = _parse_words if is_words(pa.types, values.type) else _parse_text
    names = [None] * batch.num_rows
    if column != "id" and "id" in batch.schema.names:
        names = _ids(batch.column(batch.schema.get_field_index("id")))
    for row, (value, name) in enumerate(zip(_as_bytes(values), names, strict=True), first_row):
        found, raw = parse(value, column, name)
        if len(raw) > longest:
            found, raw = {"error": too_long("row", longest)}, raw[:KEPT_BYTES]
            found["cut"] = True
        yield Line(source, row, raw, id=name, last=row, end=row, count=row, **found)


def _as_bytes(column: Any) -> list[Any]:
    """Return strings, or lists of them, as bytes: what is not UTF-8 is that row's own affair."""
    pa = require("pyarrow", "parquet")
    if pa.types.is_nested(column.type):
        return list(column.cast(pa.large_list(pa.large_binary())).to_pylist())
    return list(column.cast(pa.large_binary()).to_pylist())


def _ids(column: Any) -> list[Any]:
    """Return ids as JSON has them; dates, decimals and the like as strings."""
    pa = require("pyarrow", "parquet")
    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_string(types, column.type):
        return [value and value.decode("utf-8", "backslashreplace") for value in _as_bytes(column)]
    values = column.to_pylist()
    if types.is_integer(column.type) or types.is_boolean(column.type):
        return list(values)
    if types.is_floating(column.type):
        return [value if value is not None and isfinite(value) else None for value in values]
    return [None if value is None else str(value) for value in values]


def _parse_text(value: bytes | None, column: str, name: Any) -> tuple[dict[str, Any], bytes]:
    if value is None:
        return {"error": f"{column!r} is null"}, _raw(column, None, name)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        text = value.decode("utf-8", "backslashreplace")
        return {"error": invalid_utf8(error)}, _raw(column, text, name)
    return {"text": text}, _raw(column, text, name)


def _parse_words(value: list[bytes | None] | None, column: str, name: Any) -> tuple[dict[str, Any], bytes]:
    if value is None:
        return {"error": f"{column!r} is null"}, _raw(column, None, name)
    words: list[str | None] = []
    error = None
    for position, word in enumerate(value, 1):
        try:
            words.append(None if word is None else word.decode("utf-8"))
        except UnicodeDecodeError as bad:
            words.append(bad.object.decode("utf-8", "backslashreplace"))
            error = error or f"word {position} of {column!r}: {invalid_utf8(bad)}"
        if word is None:
            error = error or f"word {position} of {column!r} is null"
    return {"error": error} if error else {"words": words}, _raw(column, words, name)


def _raw(column: str, value: Any, name: Any) -> bytes:
    record = {column: value} if name is None else {"id": name, column: value}
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass")
