"""Conditions in SQL over rows, by DuckDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, require
from tagwright.scale.columns import schema_of

__all__ = ["Condition", "condition_of"]

_TABLE = "input"
_CHANGING = frozenset(
    (
        "CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP AGE CURRENT_LOCALTIME "
        "CURRENT_LOCALTIMESTAMP CURRVAL GEN_RANDOM_UUID GETENV GET_CURRENT_TIME GET_CURRENT_TIMESTAMP NEXTVAL NOW "
        "RANDOM SETSEED TODAY TRANSACTION_TIMESTAMP TXID_CURRENT UUID UUIDV4 UUIDV7"
    )
    .lower()
    .split()
)
"""Functions that answer otherwise the next time; `age` is one where it is given a single time."""


class Condition:
    """A condition over the columns of a table.

    >>> Condition("lang = 'en'", schema).keep(table)  # doctest: +SKIP
    (array([ True, False]), {})

    Attributes:
        names: the columns that it looks at.
    """

    def __init__(self, text: str, schema: Any) -> None:
        """Look whether the condition can be judged.

        Args:
            text: the condition, as behind SQL's WHERE.
            schema: the `pyarrow.Schema` of the tables.

        Raises:
            InputError: it is no condition, names a column that is not there, or asks for more than a row's own
                values: files, other tables, other rows, the time or chance.
            MissingExtraError: duckdb is not installed.
        """
        duckdb = require("duckdb", "scale")
        self._error: type[Exception] = duckdb.Error
        self._text = text
        self._columns = ", ".join(schema.names) or "none"
        self._query = f"SELECT (({text}\n)) IS TRUE AS keep FROM {_TABLE}"
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "enable_external_access": "false",
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
            },
        )
        self._connection.execute("SET TimeZone = 'UTC'")  # the same rows on every machine
        if not text.strip():
            raise InputError("the condition is empty", where="--where", mend="give one, or leave it out")
        tree = self._parsed(schema)
        self.names = _columns_in(tree, schema)
        self.schema = require("pyarrow", "scale").schema([schema.field(name) for name in self.names])
        self._check_types()
        try:
            [[kind]] = self._run(f"SELECT typeof(({text}\n)) FROM {_TABLE}", self._nothing(1)) or [("",)]
            if kind not in ("BOOLEAN", '"NULL"'):
                raise self._bad(f"it is neither true nor false, but {kind or 'nothing'}")
            self._judge(self._nothing(1))  # a condition over aggregates or windows is refused by WHERE alone
            self._run(f"SELECT 1 FROM {_TABLE} WHERE ({text}\n)", self._nothing(0))
        except self._error as error:
            raise self._refused(error) from None

    def keep(self, table: Any) -> tuple[NDArray[np.bool_], dict[int, str]]:
        """Judge rows.

        Args:
            table: a `pyarrow.Table` with the columns `names`, of the types that were told.

        Returns:
            bool, shape (rows,): for which it is true; and why it cannot be judged, by row.
        """
        if not table.num_rows:
            return np.zeros(0, dtype=bool), {}
        table = self._alone(table)
        try:
            return self._judge(table), {}
        except self._error:
            return self._each(table)

    def _each(self, table: Any) -> tuple[NDArray[np.bool_], dict[int, str]]:
        """Judge halves, down to the rows at which it fails."""
        if table.num_rows == 1:
            try:
                return self._judge(table), {}
            except self._error as error:
                return np.zeros(1, dtype=bool), {0: f"--where cannot be judged: {_first_line(error)}"}
        half = table.num_rows // 2
        parts = [self._judged(table.slice(0, half)), self._judged(table.slice(half))]
        errors = parts[0][1] | {row + half: error for row, error in parts[1][1].items()}
        return np.concatenate([parts[0][0], parts[1][0]]), errors

    def _judged(self, table: Any) -> tuple[NDArray[np.bool_], dict[int, str]]:
        try:
            return self._judge(table), {}
        except self._error:
            return self._each(table)

    def _judge(self, table: Any) -> NDArray[np.bool_]:
        found = self._run(self._query, table)
        result: NDArray[np.bool_] = np.fromiter((row[0] for row in found), dtype=bool, count=len(found))
        if len(result) != table.num_rows:
            raise self._error("the condition does not give one answer a row")
        return result

    def _run(self, query: str, table: Any) -> list[tuple[Any, ...]]:
        self._connection.register(_TABLE, table)
        try:
            return list(self._connection.execute(query).fetchall())
        finally:
            self._connection.unregister(_TABLE)

    def _alone(self, table: Any) -> Any:
        """Return the columns that are looked at, or one of nulls: a table without any has no rows in SQL."""
        pa = require("pyarrow", "scale")
        if not self.names:
            return pa.table({"": pa.nulls(table.num_rows, pa.int8())})
        return pa.Table.from_arrays(
            [table.column(table.schema.get_field_index(name)) for name in self.names], schema=self.schema
        )

    def _nothing(self, rows: int) -> Any:
        pa = require("pyarrow", "scale")
        fields = [field.with_nullable(True) for field in self.schema] or [pa.field("", pa.int8())]
        return pa.Table.from_arrays(
            [pa.nulls(rows, field.type) for field in fields], schema=pa.schema(fields)
        )

    def _parsed(self, schema: Any) -> Any:
        """Return the tree of the condition, after DuckDB's own account of it.

        Raises:
            InputError: it is no condition alone.
        """

        def tree(text: str) -> Any:
            query = f"SELECT 1 FROM {_TABLE} WHERE ({text}\n)"
            found = self._connection.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
            return json.loads(found[0][0])

        found = tree(self._text)
        if found.get("error"):
            raise self._bad(_first_line(found.get("error_message", "it cannot be read")))
        try:
            [statement] = found["statements"]
            condition = statement["node"].pop("where_clause")
            [plain] = tree("true")["statements"]
            plain["node"].pop("where_clause")
            alone = statement == plain and condition is not None
        except (ValueError, KeyError):
            alone = False
        if not alone:
            raise self._bad("it is more than a condition")
        for node in _nodes(condition):
            kind = node.get("class")
            if kind == "SUBQUERY":
                raise self._bad("a condition cannot ask of other tables or files, or of other rows (SELECT)")
            if kind == "WINDOW":
                raise self._bad("a condition cannot ask of other rows (OVER)")
            if kind == "PARAMETER":
                raise self._bad("there is nothing to stand for a parameter (? or $)")
            name = str(node.get("function_name", "")).lower()
            if len(parts := node.get("column_names", ())) == 1 and parts[0] not in schema.names:
                name = str(parts[0]).lower()  # as current_date, which SQL writes without brackets
            if name in _CHANGING and not (name == "age" and len(node.get("arguments", [])) > 1):
                raise self._bad(f"{name} answers otherwise each time, and a run could not be continued")
        return condition

    def _check_types(self) -> None:
        for field in self.schema:
            table = require("pyarrow", "scale").table(
                [require("pyarrow", "scale").nulls(1, field.type)], names=["x"]
            )
            try:
                self._run(f"SELECT x FROM {_TABLE}", table)
            except Exception as error:  # foreign code, which raises what it likes of types it does not know
                raise self._bad(
                    f"the column {field.name!r} holds {field.type}, of which DuckDB cannot judge "
                    f"({_first_line(error)})"
                ) from None

    def _refused(self, error: Exception) -> InputError:
        what = _first_line(error)
        for begin in ("Binder Error: ", "Parser Error: ", "Catalog Error: "):
            what = what.removeprefix(begin)
        return self._bad(what)

    def _bad(self, what: str) -> InputError:
        return InputError(
            f"the condition {self._text!r} cannot be used: {what.rstrip('.!')}",
            where="--where",
            mend=f"the columns are {self._columns}",
        )


@lru_cache(maxsize=4)
def condition_of(text: str, schema: bytes) -> Condition:
    """Return the condition over the tables of a serialized schema; made once in a process."""
    return Condition(text, schema_of(schema))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            yield node
            todo += node.values()
        elif isinstance(node, list):
            todo += node


def _columns_in(tree: Any, schema: Any) -> list[str]:
    """Return the columns that a condition may name, in their order; SQL does not tell case apart.

    Raises:
        InputError: it names one that two columns share but for their case.
    """
    wanted: set[str] = set()
    for node in _nodes(tree):
        if node.get("class") in ("STAR", "POSITIONAL_REFERENCE", "LAMBDA_REF") or node.get("type") == "STAR":
            wanted.update(name.lower() for name in schema.names)
        wanted.update(str(name).lower() for name in node.get("column_names", ()))
    names = [name for name in schema.names if name.lower() in wanted]
    lower = [name.lower() for name in names]
    if twice := next((name for name in names if lower.count(name.lower()) > 1), None):
        same = [name for name in names if name.lower() == twice.lower()]
        raise InputError(
            f"the columns {', '.join(map(repr, same))} differ in case alone, which SQL does not tell apart",
            where="--where",
            mend="rename one",
        )
    return names


def _first_line(error: Any) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
