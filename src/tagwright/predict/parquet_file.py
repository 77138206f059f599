"""JSON lines of answers to one Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tagwright.errors import RunError, require

__all__ = ["finish_parquet"]

GROUP_ROWS = 65_536
GROUP_BYTES = 32 << 20


def finish_parquet(part: Path, out: Path, *, made: Mapping[str, str] | None = None) -> int:
    """Make a Parquet file of the answers that were written as JSON lines; return how many rows it has.

    The columns: `file` (only if the answers name it), `line`, `id`, `text`, `entities`, `lost_words`, `error`.
    An `id` that is no string is written as JSON. In the row of a bad line all but its place and `error` is null.
    The same answers give the same bytes, with one version of pyarrow.

    The file is written beside its place and moved there when it is whole; `part` is left as it is, so that it
    can be made again.

    Args:
        part: the JSON lines.
        out: where the file goes.
        made: what is said in its metadata of how it was made.

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
            groups = _groups(lines, part)
            first = next(groups, [])
            several = bool(first) and "file" in first[0]
            schema = _schema(pa, several).with_metadata(dict(made or {}))
            options = {"compression": "zstd", "use_dictionary": ["file", "entities.list.element.label"]}
            with parquet.ParquetWriter(file, schema, store_schema=True, **options) as writer:
                group = first
                while group:
                    writer.write_table(_table(pa, schema, group), row_group_size=len(group))
                    rows += len(group)
                    group = next(groups, [])
            file.flush()
            if regular:
                os.fsync(file.fileno())
        if regular:
            os.replace(new, out)
    except OSError as error:
        if regular:
            new.unlink(missing_ok=True)
        raise RunError(f"cannot be written: {error.strerror or error}", where=str(new)) from error
    return rows


def _schema(pa: Any, several: bool) -> Any:
    entity = pa.struct(
        [
            pa.field("label", pa.string(), nullable=False),
            *(
                pa.field(name, pa.int64(), nullable=False)
                for name in ("start", "end", "word_start", "word_end")
            ),
            pa.field("text", pa.string(), nullable=False),
            pa.field("score", pa.float64(), nullable=False),
        ]
    )
    return pa.schema(
        [
            *([pa.field("file", pa.string(), nullable=False)] if several else []),
            pa.field("line", pa.int64(), nullable=False),
            pa.field("id", pa.string()),
            pa.field("text", pa.string()),
            pa.field("entities", pa.list_(pa.field("element", entity, nullable=False))),
            pa.field("lost_words", pa.int64()),
            pa.field("error", pa.string()),
        ]
    )


def _groups(lines: Any, part: Path) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of one row group after another."""
    group: list[dict[str, Any]] = []
    size = 0
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            place = record["line"]
        except (ValueError, KeyError, TypeError):
            raise RunError("not an answer that was written", where=f"{part}:{number}") from None
        good = "error" not in record
        row = {"line": place, "id": _identity(record.get("id")), "error": _safe(record.get("error"))}
        row |= {"text": record.get("text"), "entities": record.get("entities")}
        row["lost_words"] = record.get("lost_words", 0) if good else None
        if "file" in record:
            row["file"] = _safe(record["file"])
        group.append(row)
        size += len(line)
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _identity(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return _safe(value)
    return json.dumps(value)


def _safe(value: str | None) -> str | None:
    """Write half a surrogate pair, as of a file's name that is not UTF-8, as an escape."""
    return None if value is None else value.encode("utf-8", "backslashreplace").decode()


def _table(pa: Any, schema: Any, group: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(group, schema=schema)
