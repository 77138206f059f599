"""Tables on disk, Parquet and Arrow, to a few rows at a time."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from tagwright.errors import InputError, RunError, require
from tagwright.predict.chunks import CHUNK_TEXTS
from tagwright.predict.parquet import open_parquet, parquet_batches
from tagwright.scale.fragment import Fragment
from tagwright.scale.places import Place

__all__ = ["read_batches", "survey_table"]


def survey_table(source: Place, path: str, kind: str) -> tuple[int, Any]:
    """Return how many rows a table has, and its `pyarrow.Schema`; of Parquet its end alone is read.

    Raises:
        InputError: it is no such table, or damaged.
        RunError: it cannot be read.
    """
    if kind == "arrow":
        with _open_arrow(source, path) as reader:
            return sum(batch.num_rows for batch in _arrow_batches(reader)), reader.schema
    with _open(source, path) as raw, open_parquet(raw, path) as file:
        return file.metadata.num_rows, file.schema_arrow


def read_batches(
    fragment: Fragment, source: Place, names: Collection[str]
) -> Generator[tuple[int, Any], None, None]:
    """Yield the rows of a fragment as record batches, each with the number of its first row in the file, from 1.

    Args:
        fragment: the fragment.
        source: the input.
        names: the columns to read, of those that there are.

    Raises:
        InputError: it is no such table any more.
        RunError: it is damaged from here on.
    """
    last = None if fragment.rows is None else fragment.first + fragment.rows
    if fragment.rows == 0:
        return
    read = _read_arrow if fragment.kind == "arrow" else _read_parquet
    for row, batch in read(source, fragment.path, names, fragment.first + 1):
        if last is not None and row + batch.num_rows > last:
            yield row, batch.slice(0, last - row + 1)
            return
        yield row, batch
    if last is not None:
        raise InputError(
            "the file has changed since the run was planned: rows are missing",
            where=fragment.path,
            mend="bring it back as it was, or begin again with --overwrite",
        )


def _read_parquet(
    source: Place, path: str, names: Collection[str], first_row: int
) -> Iterator[tuple[int, Any]]:
    with _open(source, path) as raw, open_parquet(raw, path) as file:
        there = [name for name in file.schema_arrow.names if name in names]
        yield from parquet_batches(file, path, there, first_row=first_row)


def _read_arrow(
    source: Place, path: str, names: Collection[str], first_row: int
) -> Iterator[tuple[int, Any]]:
    with _open_arrow(source, path) as reader:
        there = [name for name in reader.schema.names if name in names]
        row = 1
        for batch in _arrow_batches(reader):
            for begin in range(max(first_row - row, 0), batch.num_rows, CHUNK_TEXTS):
                yield row + begin, batch.slice(begin, CHUNK_TEXTS).select(there)
            row += batch.num_rows


@contextmanager
def _open(source: Place, path: str) -> Iterator[Any]:
    try:
        file = source.fs.open_input_file(path)
    except FileNotFoundError:
        raise InputError("there is no such file", where=path) from None
    except OSError as error:
        raise RunError(f"it cannot be opened: {error}", where=path) from error
    with file:
        yield file


@contextmanager
def _open_arrow(source: Place, path: str) -> Iterator[Any]:
    """Open what is either Arrow's format of files or its format of streams, as `datasets` writes it."""
    pa = require("pyarrow", "parquet")
    with pa.memory_map(path) if source.is_local else _open(source, path) as file:
        try:
            is_file = file.read(6) == b"ARROW1"
            file.seek(0)
            reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        except (pa.ArrowException, OSError) as error:
            what = (str(error) or "it is empty").splitlines()[0]
            raise InputError(f"no Arrow file that can be read: {what}", where=path) from None
        try:
            yield reader
        except (pa.ArrowException, OSError) as error:
            raise RunError(
                f"the Arrow file is damaged: {str(error).splitlines()[0]}",
                where=path,
                mend="copy it again, whole",
            ) from error


def _arrow_batches(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "num_record_batches"):
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader
