"""Data sets of the Hugging Face Hub: the address of their files, and the split that a file's name tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from tagwright.errors import InputError

__all__ = ["hub_address", "hub_splits"]

_SHARD = re.compile(r"(?P<split>\w+(\.\w+)*)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_CONVERTED = re.compile(
    r".*refs(/|%2F)convert(/|%2F)parquet/(.*/)?(partial-)?(?P<split>[^/]+)/\d{4}\.parquet"
)
_SPLITS = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}


def hub_address(spec: str) -> str:
    """Return the address of the files of a dataset on the Hugging Face Hub.

    >>> hub_address("hub:owner/name@v2")
    'hf://datasets/owner/name@v2'

    Raises:
        InputError: it is not `hub:owner/name[@revision]`.
    """
    found = re.fullmatch(r"hub:(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^\s@]+))?", spec)
    if not found:
        raise InputError(f"{spec!r} is no dataset of the Hub", mend="write it as hub:owner/name[@revision]")
    revision = found["revision"]
    return f"hf://datasets/{found['name']}" + (f"@{revision.replace('/', '%2F')}" if revision else "")


def hub_splits(paths: Sequence[str]) -> list[str] | None:
    """Return the split of each file of a dataset; None where the name of one does not tell.

    >>> hub_splits(["data/train-00000-of-00001.parquet", "test.parquet"])
    ['train', 'test']

    Args:
        paths: the files, in the ways that the Hub names them: `SPLIT-00000-of-00001.parquet`, as `push_to_hub` does;
            `SPLIT/0000.parquet`, as in the revision `refs/convert/parquet`; or `train.parquet`.
    """
    found = [_split(PurePosixPath(path)) for path in paths]
    named = [split for split in found if split is not None]
    return named if len(named) == len(found) else None


def _split(path: PurePosixPath) -> str | None:
    if shard := _SHARD.fullmatch(path.stem):
        return shard["split"]
    if converted := _CONVERTED.fullmatch(str(path)):
        return converted["split"]
    return _SPLITS.get(path.stem)
