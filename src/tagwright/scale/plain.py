"""Tables to plain JSON values, a row at a time."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from math import isfinite
from typing import Any

from tagwright.errors import require

__all__ = ["plain_rows"]


def plain_rows(table: Any) -> Iterator[dict[str, Any]]:
    """Yield rows as JSON can have them."""
    columns = [_plain_column(column) for column in table.columns]
    names = table.column_names
    for values in zip(*columns, strict=True) if columns else [()] * table.num_rows:
        yield dict(zip(names, values, strict=True))


def _plain_column(column: Any) -> list[Any]:
    pa = require("pyarrow", "parquet")
    types = pa.types
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_timestamp(kind) or types.is_time(kind) or types.is_duration(kind) or types.is_date(kind):
        values = column.cast(pa.string()) if not types.is_duration(kind) else column.cast(pa.int64())
        return [_moment(value) if isinstance(value, str) else value for value in values.to_pylist()]
    values = column.to_pylist()
    if (
        types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    ):
        return list(values)
    return [_plain(value) for value in values]


def _moment(text: str) -> str:
    """Write what Arrow writes of a time as ISO 8601 has it.

    >>> _moment("2024-01-01 01:00:00.000+0100")
    '2024-01-01T01:00:00.000+01:00'
    """
    return _OFFSET.sub(r"\1:\2", text.replace(" ", "T", 1))


_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")

_PLAIN: dict[type, Callable[[Any], Any]] = {
    float: lambda value: value if isfinite(value) else None,
    bytes: lambda value: base64.b64encode(value).decode(),
    list: lambda value: [_plain(item) for item in value],
    tuple: lambda value: [_plain(item) for item in value],
    dict: lambda value: {str(key): _plain(item) for key, item in value.items()},
    Decimal: str,
    datetime.date: lambda value: value.isoformat(),
    datetime.time: lambda value: value.isoformat(),
}


def _plain(value: Any) -> Any:
    """Return a value as JSON can have it: dates and decimals as text, bytes in base64, no NaN."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, datetime.datetime):  # or what is made of one, with nanoseconds
        return value.isoformat()
    return _PLAIN.get(type(value), str)(value)
