"""Parquet files: the columns of JSON Lines; a label list that `datasets` stored in the file is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tagwright.config import DataSettings
from tagwright.data.files import read_bytes
from tagwright.data.offsets import SplitText
from tagwright.data.rows import Rows
from tagwright.data.table import rows_of_dataset
from tagwright.errors import InputError, require

__all__ = ["read_parquet"]


def read_parquet(
    paths: str | Path | Sequence[str | Path],
    *,
    settings: DataSettings | None = None,
    split: SplitText | None = None,
) -> Rows:
    """Read a Parquet file, or the parts of one in order; the columns are those of `read_jsonl`.

    Raises:
        InputError: a file is missing, empty, not Parquet, or has other columns.
    """
    datasets = require("datasets", "train")
    pa = require("pyarrow", "train")
    parquet = require("pyarrow.parquet", "train")
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    tables = []
    for path in files:
        data = read_bytes(path)
        try:
            tables.append(parquet.read_table(pa.BufferReader(data)))
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"the Parquet file cannot be read: {reason}", where=str(path)) from None
    source = str(files[0])
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowException:
        raise InputError("the parts of the split have different columns", where=source) from None
    dataset = datasets.Dataset(datasets.table.InMemoryTable(table))
    rows = rows_of_dataset(dataset, source, settings=settings or DataSettings(), split=split)
    if not len(rows):
        raise InputError("the file holds no sentence", where=source)
    return rows
