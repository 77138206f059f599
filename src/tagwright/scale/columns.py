"""The columns of the input: one schema for all files, and which of its columns are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagwright.errors import InputError, require
from tagwright.scale.fragment import Job

__all__ = [
    "checked_schema",
    "conformed",
    "kept",
    "lost_words_name",
    "one_schema",
    "schema_bytes",
    "schema_of",
]

_DESCRIBING = (b"pandas", b"huggingface", b"ARROW:schema", b"parquet.avro.schema", b"iceberg.schema")
"""Metadata that speaks of the columns, and would be wrong with others beside them; as what `_SPARK` begins."""
_SPARK = b"org.apache.spark."


def schema_bytes(schema: Any) -> bytes:
    """Return a schema as bytes."""
    return bytes(schema.serialize())


def schema_of(data: bytes) -> Any:
    """Return the `pyarrow.Schema` that `schema_bytes` made bytes of."""
    pa = require("pyarrow", "parquet")
    return pa.ipc.read_schema(pa.py_buffer(data))


def checked_schema(schema: Any, name: str) -> Any:
    """Return the schema of a file without the metadata that would no longer be true.

    Raises:
        InputError: two columns have one name.
    """
    seen: set[str] = set()
    for column in schema.names:
        if column in seen:
            raise InputError(f"two columns are called {column!r}", where=name, mend="rename one")
        seen.add(column)
    metadata = {
        key: value
        for key, value in (schema.metadata or {}).items()
        if key not in _DESCRIBING and not key.startswith(_SPARK)
    }
    return schema.with_metadata(metadata or None)


def one_schema(schemas: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the schema that holds the rows of all files.

    Columns may be in another order, be missing or hold nothing but nulls in some files, and be narrower or whole
    numbers where others have wider numbers or floats.

    Args:
        schemas: a `pyarrow.Schema` by the name of the first file that has it.

    Returns:
        The schema, in the order of the first file; and the columns that some file lacks, each with a file.

    Raises:
        InputError: two files disagree; both are named, and the column.
    """
    pa = require("pyarrow", "parquet")
    names = list(schemas)
    whole = schemas[names[0]]
    for name in names[1:]:
        try:
            whole = pa.unify_schemas([whole, schemas[name]], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            raise _disagreement(pa, whole, schemas, name) from None
        if odd := _odd_column(pa, whole, schemas, name):
            raise odd
    lacking = [
        f"{column!r} (as in {name})"
        for column in whole.names
        for name in [next((name for name in names if column not in schemas[name].names), None)]
        if name is not None
    ]
    return whole, lacking


def _odd_column(pa: Any, whole: Any, schemas: Mapping[str, Any], name: str) -> InputError | None:
    """Refuse what Arrow would promote and people would not: bytes that are text elsewhere, dates that are times."""
    for column in schemas[name]:
        kind = whole.field(column.name).type
        for other in schemas.values():
            position = other.get_field_index(column.name)
            if position >= 0 and not _agree(pa, other.field(position).type, kind):
                return _disagreement(pa, whole, schemas, name, column.name)
    return None


def _agree(pa: Any, one: Any, whole: Any) -> bool:
    types = pa.types
    if types.is_null(one):
        return True

    def is_bytes(kind: Any) -> bool:
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    return bool(is_bytes(one) == is_bytes(whole) and types.is_date(one) == types.is_date(whole))


def _disagreement(
    pa: Any, whole: Any, schemas: Mapping[str, Any], name: str, column: str | None = None
) -> InputError:
    for found in schemas[name]:
        for other, schema in schemas.items():
            position = schema.get_field_index(found.name)
            if other == name or position < 0 or column not in (None, found.name):
                continue
            pair = [pa.schema([schema.field(position)]), pa.schema([found])]
            try:
                pa.unify_schemas(pair, promote_options="permissive")
                if column is None or schema.field(position).type == found.type:
                    continue
            except pa.ArrowException:
                pass
            return InputError(
                f"the column {found.name!r} holds {found.type}, and in {other} {schema.field(position).type}",
                where=name,
                mend="make them one type, or annotate the files into two folders",
            )
    return InputError("its columns do not go together with those of the files before", where=name)


def kept(job: Job, schema: Any) -> Any:
    """Return the schema of the columns that are written beside the entities.

    Raises:
        InputError: a column to be kept is not there, none is named as asked, or one is called as `Job.into`.
    """
    pa = require("pyarrow", "parquet")
    names = schema.names
    if job.columns is not None:
        for name in job.columns:
            if name not in names:
                raise InputError(
                    f"there is no column {name!r}; the columns are {', '.join(names) or 'none'}",
                    where=job.source,
                    mend="correct --columns",
                )
        names = [name for name in names if name in job.columns]
    if taken := next((name for name in names if name.casefold() == job.into.casefold()), None):
        raise InputError(
            f"the input has a column {taken!r} already",
            where=job.source,
            mend="name another one for the entities with --into NAME, or leave it out with --columns",
        )
    return pa.schema([schema.field(name) for name in names], metadata=schema.metadata)


def lost_words_name(job: Job, names: Sequence[str]) -> str:
    """Return the name of the column that says how many words of a row were cut, beside the others."""
    taken = {name.casefold() for name in (*names, job.into)}
    name = "lost_words"
    while name in taken:
        name = f"{job.into}_{name}"
    return name


def conformed(table: Any, schema: Any, name: str) -> Any:
    """Return a table with the columns of a schema, those that it lacks null.

    Args:
        table: a `pyarrow.Table` or `RecordBatch`.
        schema: the columns, and their types in the whole input.
        name: the file, for messages.

    Raises:
        InputError: a value does not fit the type without loss.
    """
    pa = require("pyarrow", "parquet")
    columns = []
    for column in schema:
        position = table.schema.get_field_index(column.name)
        if position < 0:
            columns.append(pa.nulls(table.num_rows, column.type))
            continue
        values = table.column(position)
        if values.type != column.type:
            try:
                values = values.cast(column.type)
            except pa.ArrowException as error:
                raise InputError(
                    f"the column {column.name!r} cannot be made {column.type}, which it is in other files: "
                    f"{str(error).splitlines()[0]}",
                    where=name,
                    mend="make the files' types one",
                ) from None
        columns.append(values)
    if not columns:
        return table.select([])
    return type(table).from_arrays(columns, schema=schema)


def some_rows(table: Any, positions: Sequence[int]) -> Any:
    """Return some rows of a table, by their positions, which rise."""
    pa = require("pyarrow", "parquet")
    if len(positions) == table.num_rows:
        return table
    try:
        return table.take(pa.array(positions, pa.int64()))
    except pa.ArrowNotImplementedError:  # a type that Arrow cannot take from, such as string_view
        keep = set(positions)
        runs = [table.slice(row, 1) for row in range(table.num_rows) if row in keep]
        return pa.concat_tables(runs) if runs else table.slice(0, 0)


def invalid_rows(table: Any) -> dict[int, str]:
    """Return what is wrong with rows that hold strings which are not UTF-8, by row."""
    pa = require("pyarrow", "parquet")
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return {row: error for row in range(table.num_rows) if (error := _invalid(pa, table.slice(row, 1)))}
    return {}


def _invalid(pa: Any, row: Any) -> str | None:
    for name, column in zip(row.column_names, row.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            what = "invalid UTF-8" if "UTF8" in str(error) else str(error).splitlines()[0]
            return f"{what} in the column {name!r}"
    return None
