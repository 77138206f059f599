"""JSON lines of answers to one Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tagwright.errors import RunError, require
from tagwright.predict.parts import unwritable

__all__ = ["ENTITY_FIELDS", "entities_type", "finish_parquet"]

GROUP_ROWS = 65_536
GROUP_BYTES = 32 << 20
BATCH_ROWS = 1024
BATCH_BYTES = 1 << 20
ENTITY_FIELDS = ("label", "start", "end", "word_start", "word_end", "text", "score")


def finish_parquet(part: Path, out: Path) -> int:
    """Make a Parquet file of the answers that were written as JSON lines; return how many rows it has.

    The columns: `file` (only if the answers name it), `line`, `id`, `text`, `entities`, `lost_words`, `error`.
    An `id` that is no string is written as JSON. In the row of a bad line all but its place, `id` and `error` is
    null. Row groups end at 65,536 rows or 32 MiB. The same answers give the same bytes, with one version of
    pyarrow.

    The file is written beside its place and moved there when it is whole; `part` is left as it is, so that it
    can be made again.

    Args:
        part: the JSON lines.
        out: where the file goes.

    Raises:
        RunError: a line of `part` is none that was written, or the file cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    pa = require("pyarrow", "parquet")
    parquet = require("pyarrow.parquet", "parquet")
    regular = out.is_file() or not out.exists()
    new = out.with_name(out.name + ".new") if regular else out
    rows = 0
    try:
        with part.open("rb") as lines, new.open("wb") as file:
            schema = _schema(pa, several=_names_file(lines))
            options = {"compression": "zstd", "use_dictionary": ["file", "entities.list.element.label"]}
            with parquet.ParquetWriter(file, schema, **options) as writer:
                for group in _groups(_batches(pa, schema, lines, part)):
                    table = pa.Table.from_batches(group, schema)
                    writer.write_table(table, row_group_size=table.num_rows)
                    rows += table.num_rows
            file.flush()
            if regular:
                os.fsync(file.fileno())
        if regular:
            os.replace(new, out)
    except OSError as error:
        raise unwritable(new, error) from error
    finally:
        if regular:
            new.unlink(missing_ok=True)
    return rows


def entities_type() -> Any:
    """Return the Arrow type of the entities of a text: a list of structs, with an entry for each field."""
    pa = require("pyarrow", "parquet")
    text, number = pa.string(), pa.int64()
    kinds = (text, number, number, number, number, text, pa.float64())
    entity = pa.struct([pa.field(*item, nullable=False) for item in zip(ENTITY_FIELDS, kinds, strict=True)])
    return pa.list_(pa.field("element", entity, nullable=False))


def _schema(pa: Any, *, several: bool) -> Any:
    def sure(name: str, kind: Any) -> Any:
        return pa.field(name, kind, nullable=False)

    text, number = pa.string(), pa.int64()
    columns = [
        sure("line", number),
        pa.field("id", text),
        pa.field("text", text),
        pa.field("entities", entities_type()),
        pa.field("lost_words", number),
        pa.field("error", text),
    ]
    return pa.schema([sure("file", text), *columns] if several else columns)


def _names_file(lines: BinaryIO) -> bool:
    """Tell from the first answer whether there were several files."""
    first = lines.readline()
    lines.seek(0)
    return first.startswith(b'{"file": ')


def _batches(pa: Any, schema: Any, lines: Iterable[bytes], part: Path) -> Iterator[tuple[Any, int]]:
    """Yield tables of a few rows and how many bytes of JSON they were."""
    rows: list[dict[str, Any]] = []
    size = 0
    for number, line in enumerate(lines, 1):
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RunError("not an answer that was written", where=f"{part}:{number}") from None
        size += len(line)
        if len(rows) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(rows, schema), size
            rows, size = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema), size


def _groups(batches: Iterable[tuple[Any, int]]) -> Iterator[list[Any]]:
    """Yield the tables of one row group after another."""
    group: list[Any] = []
    rows = size = 0
    for batch, bytes_ in batches:
        group.append(batch)
        rows, size = rows + batch.num_rows, size + bytes_
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _row(record: dict[str, Any]) -> dict[str, Any]:
    name, error = record.get("id"), record.get("error")
    return {
        "file": _storable(record.get("file")),
        "line": record["line"],
        "id": _storable(name if name is None or isinstance(name, str) else json.dumps(name)),
        "text": record.get("text"),
        "entities": record.get("entities"),
        "lost_words": record.get("lost_words", 0) if error is None else None,
        "error": _storable(error),
    }


def _storable(text: str | None) -> str | None:
    """Write half a surrogate pair, as of a file's name that is not UTF-8, as an escape."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
