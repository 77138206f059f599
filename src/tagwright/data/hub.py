"""Datasets of the Hugging Face Hub, and whatever else `datasets.load_dataset` can load."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tagwright.config import DataSettings
from tagwright.data.corpus import SPLITS
from tagwright.data.offsets import SplitText
from tagwright.data.reach import hub_reachable
from tagwright.data.rows import Rows
from tagwright.data.table import rows_of_dataset
from tagwright.errors import InputError, RunError, require

__all__ = ["parse_hub", "read_hub", "read_splits"]

_NAME = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(:(?P<config>[\w.-]+))?(@(?P<revision>[^\s@]+))?")
_OFFLINE = {
    "ConnectError",
    "ConnectTimeout",
    "ConnectionError",
    "LocalEntryNotFoundError",
    "OfflineModeIsEnabled",
    "ProxyError",
    "ReadTimeout",
}
_OTHER_NAMES = {"dev": "validation", "valid": "validation", "val": "validation", "training": "train"}


def parse_hub(spec: str) -> tuple[str, str | None, str | None]:
    """Split `hub:owner/name[:config][@revision]` into name, config and revision.

    Raises:
        InputError: it is not of that form.

    >>> parse_hub("hub:owner/name@v2")
    ('owner/name', None, 'v2')
    """
    found = _NAME.fullmatch(spec.removeprefix("hub:"))
    if not found:
        raise InputError(f"{spec!r} is no dataset of the Hub", mend="write it as hub:owner/name[@revision]")
    return found["name"], found["config"], found["revision"]


def read_hub(
    name: str,
    config: str | None = None,
    revision: str | None = None,
    *,
    settings: DataSettings | None = None,
    split: SplitText | None = None,
    cache_dir: str | Path | None = None,
) -> tuple[dict[str, Rows], str | None]:
    """Load a dataset with `datasets.load_dataset`.

    Args:
        name: `owner/name` on the Hub, or a folder that `load_dataset` understands.
        config: its configuration, where it has several.
        revision: a branch, tag or commit.
        settings: what to do with misfits and overlaps.
        split: cuts text into words.
        cache_dir: where `datasets` keeps what it loads; None is its own cache.

    Returns:
        The rows of each split, and the licence that the dataset names.

    Raises:
        RunError: the Hub cannot be reached, and the dataset is not in the cache.
        InputError: there is no such dataset, or it cannot be read.
    """
    datasets = require("datasets", "train")
    spec = f"hub:{name}" + (f":{config}" if config else "") + (f"@{revision}" if revision else "")
    cache = str(cache_dir or datasets.config.HF_DATASETS_CACHE)
    cached = (Path(cache) / name.replace("/", "___")).exists()
    if not (cached or Path(name).exists() or hub_reachable()):
        raise _unreachable(spec)
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel("ERROR")  # it tells of each retry at length
    try:
        loaded = datasets.load_dataset(name, config, revision=revision, cache_dir=cache)
    except Exception as error:  # foreign code: whatever it raises becomes one line
        raise _explain(error, spec) from None
    finally:
        logger.setLevel(level)
    licence = next((part.info.license for part in loaded.values() if part.info.license), None)
    return read_splits(loaded, spec, settings=settings or DataSettings(), split=split), licence


def read_splits(
    splits: Mapping[str, Any], source: str, *, settings: DataSettings, split: SplitText | None = None
) -> dict[str, Rows]:
    """Read the splits of a `DatasetDict`; `dev`, `valid` and `val` count as validation.

    Raises:
        InputError: no split has a name that is known.
    """
    named = {_OTHER_NAMES.get(str(name).lower(), str(name).lower()): part for name, part in splits.items()}
    known = [name for name in SPLITS if name in named]
    if not known:
        raise InputError(
            f"no split is called train, validation or test, only {', '.join(map(str, splits))}",
            where=source,
        )
    parts = {
        name: rows_of_dataset(named[name], f"{source}:{name}", settings=settings, split=split)
        for name in known
    }
    if left := [name for name in named if name not in known]:
        parts[known[0]].notices.append(f"{source}: splits left out: {', '.join(left)}")
    return parts


def _unreachable(spec: str) -> RunError:
    return RunError(
        "the Hub cannot be reached, and the dataset is not in the local cache",
        where=spec,
        mend="offline, give a folder or a file, or load it once with a network and set HF_HUB_OFFLINE=1",
    )


def _explain(error: Exception, spec: str) -> InputError | RunError:
    text = " ".join(str(error).split())
    kind = type(error).__name__
    chain = {kind, type(error.__cause__).__name__, type(error.__context__).__name__}
    if _OFFLINE & chain or "Couldn't reach" in text:
        return _unreachable(spec)
    if "script" in text:
        return InputError(
            "the dataset is a script, which datasets >= 4 does not run",
            where=spec,
            mend=f"try {spec.partition('@')[0]}@refs/convert/parquet, or give the files as a folder",
        )
    if "Config name is missing" in text or "BuilderConfig" in text:
        return InputError(text[:300], where=spec, mend="write it as hub:owner/name:config")
    if kind in ("DatasetNotFoundError", "RepositoryNotFoundError", "RevisionNotFoundError"):
        return InputError(text[:300], where=spec, mend="check the name, the revision and your access to it")
    return InputError(f"the dataset cannot be loaded: {kind}: {text[:300]}", where=spec)
