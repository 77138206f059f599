"""The kinds of the values under the keys of JSON lines: found in a pass over them, and made columns of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tagwright.errors import InputError, require

__all__ = ["add_record", "columns_of", "merged", "table_of"]

Kind = str | list[Any] | dict[str, Any]
"""`null`, `bool`, `int`, `long`, `float`, `string` or `mixed`; a list of the one kind of a list's elements; or the
kind of each key of an object."""

EXACT = 1 << 53
"""Whole numbers up to here are floats without loss; those beyond are `long`."""
MOST_KEYS = 1000
"""An object with more different keys is a mapping rather than a record."""
MOST_COLUMNS = 10_000
DEEPEST = 20
MARK = {b"tagwright": b"json"}
"""Marks the fields that hold JSON as text."""

_FLAT: dict[type, str] = {str: "string", float: "float", bool: "bool", type(None): "null"}


def add_record(kinds: dict[str, Any], record: Mapping[str, Any]) -> None:
    """Take account of the values of an object.

    Args:
        kinds: the kind of each key so far; it is changed.
        record: the object.

    Raises:
        InputError: there are too many different keys.
    """
    for key, value in record.items():
        kind: Kind = _FLAT.get(type(value)) or _kind(value, 1)
        before = kinds.get(key)
        if before is not kind:
            if before is None and len(kinds) >= MOST_COLUMNS:
                raise InputError(
                    f"there are more than {MOST_COLUMNS:,} different keys",
                    mend="keep what varies in one key, as an object",
                )
            kinds[key] = kind if before is None else _both(before, kind)


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the kinds of parts of the input that follow one another."""
    kinds: dict[str, Any] = {}
    for part in parts:
        for key, kind in part.items():
            kinds[key] = _both(kinds[key], kind) if key in kinds else kind
    return kinds


def _kind(value: Any, depth: int) -> Kind:
    flat = _FLAT.get(type(value))
    if flat is not None:
        return flat
    if isinstance(value, int):
        return "int" if -EXACT <= value <= EXACT else "long" if -(1 << 63) <= value < 1 << 63 else "mixed"
    if depth >= DEEPEST:
        return "mixed"
    if isinstance(value, list):
        kind: Kind = "null"
        for element in value:
            other = _FLAT.get(type(element)) or _kind(element, depth + 1)
            if other is not kind:
                kind = _both(kind, other)
        return "mixed" if kind == "mixed" else [kind]
    if len(value) > MOST_KEYS or not all(map(_is_name, value)):
        return "mixed"
    return {key: _kind(element, depth + 1) for key, element in value.items()}


def _is_name(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _both(one: Kind, other: Kind) -> Kind:
    """Return the kind of what is of either kind; without loss of anything."""
    if one == other or other == "null":
        return one
    if one == "null":
        return other
    if isinstance(one, list) and isinstance(other, list):
        inner = _both(one[0], other[0])
        return "mixed" if inner == "mixed" else [inner]
    if isinstance(one, dict) and isinstance(other, dict):
        joined = dict(one)
        for key, kind in other.items():
            joined[key] = _both(joined[key], kind) if key in joined else kind
        return "mixed" if len(joined) > MOST_KEYS else joined
    if isinstance(one, str) and isinstance(other, str):
        return {frozenset(("int", "float")): "float", frozenset(("int", "long")): "long"}.get(
            frozenset((one, other)), "mixed"
        )
    return "mixed"


def columns_of(kinds: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Return the Arrow schema of such objects, and the keys that become JSON as text."""
    pa = require("pyarrow", "parquet")
    mixed: list[str] = []
    fields = [_field(pa, key, kind, key, mixed) for key, kind in kinds.items() if _is_name(key)]
    return pa.schema(fields), mixed


def _field(pa: Any, name: str, kind: Kind, path: str, mixed: list[str]) -> Any:
    if isinstance(kind, list):
        return pa.field(name, pa.list_(_field(pa, "element", kind[0], f"{path}[]", mixed)))
    if isinstance(kind, dict) and kind:
        fields = [_field(pa, key, inner, f"{path}.{key}", mixed) for key, inner in kind.items()]
        return pa.field(name, pa.struct(fields))
    if kind == "mixed" or isinstance(kind, dict):  # Parquet has no struct without a field
        mixed.append(path)
        return pa.field(name, pa.string(), metadata=MARK)
    flat = {"bool": pa.bool_(), "int": pa.int64(), "long": pa.int64(), "float": pa.float64()}
    return pa.field(name, flat.get(kind, pa.string()))


def table_of(records: Sequence[Mapping[str, Any]], schema: Any) -> tuple[Any, dict[int, str]]:
    """Make a table of objects.

    Args:
        records: the objects; a key that one lacks is null.
        schema: what `columns_of` returned, or some of its fields.

    Returns:
        The `pyarrow.Table`, in which the rows of objects that cannot be held are null; and what is wrong with
        those, by row.
    """
    try:
        return _arrays(records, schema), {}
    except ValueError:
        pass
    bad: dict[int, str] = {}
    for row, record in enumerate(records):
        try:
            _arrays([record], schema)
        except ValueError as error:
            bad[row] = str(error)
    return _arrays([{} if row in bad else record for row, record in enumerate(records)], schema), bad


def _arrays(records: Sequence[Mapping[str, Any]], schema: Any) -> Any:
    pa = require("pyarrow", "parquet")
    columns = []
    for column in schema:
        values = [record.get(column.name) for record in records]
        write = _writer(pa, column)
        try:
            columns.append(pa.array(values if write is None else list(map(write, values)), column.type))
        except UnicodeEncodeError:
            raise ValueError(f"Parquet cannot hold half a surrogate pair, as in {column.name!r}") from None
        except (pa.ArrowException, TypeError, AttributeError) as error:
            raise ValueError(
                f"{column.name!r} is not what it was when the run was planned: {str(error).splitlines()[0]}"
            ) from None
    if not columns:
        return pa.table({"": pa.nulls(len(records))}).select([])
    return pa.Table.from_arrays(columns, schema=schema)


def _writer(pa: Any, field: Any) -> Callable[[Any], Any] | None:
    """Return what turns values into those of a field that holds JSON as text somewhere; None where none does."""
    if field.metadata and field.metadata.get(b"tagwright") == b"json":
        return _as_json
    if pa.types.is_list(field.type):
        inner = _writer(pa, field.type.value_field)
        if inner is None:
            return None
        return lambda value: None if value is None else list(map(inner, value))
    if pa.types.is_struct(field.type):
        writers = {part.name: _writer(pa, part) for part in field.type}
        wanted = {name: write for name, write in writers.items() if write is not None}
        if not wanted:
            return None

        def write(value: Any) -> Any:
            if value is None:
                return None
            return {key: wanted[key](item) if key in wanted else item for key, item in value.items()}

        return write
    return None


def _as_json(value: Any) -> str | None:
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False)
    return text if _is_name(text) else json.dumps(value)
