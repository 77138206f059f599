"""Any labelled data to a corpus: a catalogue name, the Hub, a folder, a file, a `DatasetDict`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tagwright.config import DataSettings
from tagwright.data.build import build_corpus
from tagwright.data.catalog import CATALOG, fetch
from tagwright.data.corpus import Corpus
from tagwright.data.folder import find_splits, is_saved_dataset, read_rows, split_of
from tagwright.data.hub import parse_hub, read_hub, read_splits
from tagwright.data.offsets import SplitText
from tagwright.data.rows import Rows
from tagwright.errors import InputError, require

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["load_data", "read_corpus"]

_log = logging.getLogger("tagwright")


def read_corpus(
    source: str | Path | DatasetDict | Dataset,
    *,
    settings: DataSettings | None = None,
    data_dir: str | Path | None = None,
    split: SplitText | None = None,
) -> Corpus:
    """Read labelled data.

    Args:
        source: a catalogue name (`wnut17`, `sample`), `hub:owner/name[:config][@revision]`, a folder of
            CoNLL, JSONL or Parquet files named for their splits, a folder saved by `datasets`, one file, or
            a `DatasetDict` or `Dataset`.
        settings: columns, scheme, conversion, repair, misfits and overlaps; None takes the defaults.
        data_dir: where the files of a catalogue name lie; None takes `TAGWRIGHT_DATA` or downloads them.
        split: cuts running text into words; None takes `tagwright.data.offsets.split_plain`.

    Returns:
        The corpus; one file that no split's name occurs in is its train split.

    Raises:
        InputError: the source is missing or wrong; `file:line` and the mend are named.
        RunError: a download failed.
    """
    settings = settings or DataSettings()
    notices: list[str] = []
    licence = None
    if not isinstance(source, str | Path):
        name, parts = _read_object(source, settings, split)
    elif str(source).startswith("hub:"):
        name = str(source)
        parts, licence = read_hub(*parse_hub(name), settings=settings, split=split)
    elif isinstance(source, str) and source in CATALOG:
        name = source
        found = fetch(source, data_dir=data_dir)
        notices += found.notices
        licence = found.licence
        parts = {
            part: read_rows([path], settings=settings, split=split) for part, path in found.files.items()
        }
    elif str(source) == "":
        raise InputError("no data is named", mend="give a file, a folder, hub:owner/name or a catalogue name")
    else:
        name = str(source)
        parts = _read_path(Path(source), settings, split, notices)
    return build_corpus(parts, source=name, settings=settings, licence=licence, notices=notices)


def load_data(
    source: str | Path | DatasetDict | Dataset,
    *,
    data_dir: str | Path | None = None,
    split: SplitText | None = None,
    **settings: Any,
) -> DatasetDict:
    """Read labelled data and return its splits; `settings` are the fields of `DataSettings`.

    What there is to tell is logged to `tagwright`: the licence at INFO; at WARNING what was left out, widened,
    converted or is wrong. `read_corpus` returns it as `Corpus.notices`.

    >>> data = load_data("sample")
    >>> data["train"].features["ner_tags"].feature.names[:3]
    ['O', 'B-corporation', 'I-corporation']
    """
    try:
        chosen = DataSettings(**settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            known = ", ".join(DataSettings.model_fields)
            raise InputError(f"load_data has no setting {field!r}", mend=f"it has {known}") from None
        raise InputError(f"{field} = {first['input']!r}: {first['msg']}") from None
    corpus = read_corpus(source, settings=chosen, data_dir=data_dir, split=split)
    for notice in corpus.notices:
        _log.log(logging.INFO if notice in _credits(corpus) else logging.WARNING, "%s", notice)
    if corpus.licence and not _credits(corpus):
        _log.info("%s: licence %s", corpus.source, corpus.licence)
    return corpus.splits


def _credits(corpus: Corpus) -> list[str]:
    """Return the notices that name the licence."""
    ending = f"licence {corpus.licence}"
    return [notice for notice in corpus.notices if corpus.licence and notice.endswith(ending)]


def _read_object(source: Any, settings: DataSettings, split: SplitText | None) -> tuple[str, dict[str, Rows]]:
    datasets = require("datasets", "train")
    if isinstance(source, datasets.Dataset):
        source = {str(source.split or "train"): source}
    elif not isinstance(source, datasets.DatasetDict):
        raise InputError(
            f"labelled data cannot be read from a {type(source).__name__}",
            mend="give a name, a path, a DatasetDict or a Dataset",
        )
    return "DatasetDict", read_splits(source, "DatasetDict", settings=settings, split=split)


def _read_path(
    path: Path, settings: DataSettings, split: SplitText | None, notices: list[str]
) -> dict[str, Rows]:
    if path.is_dir() and is_saved_dataset(path):
        datasets = require("datasets", "train")
        try:
            saved = datasets.load_from_disk(str(path))
        except Exception as error:  # foreign code: whatever it raises becomes one line
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"the saved dataset cannot be read: {reason}", where=str(path)) from None
        if isinstance(saved, datasets.Dataset):
            saved = {str(saved.split or "train"): saved}
        return read_splits(saved, str(path), settings=settings, split=split)
    if path.is_dir():
        files, others = find_splits(path)
        if others:
            notices.append(f"{path}: left out: {', '.join(others)}; only files named for a split are read")
        return {name: read_rows(paths, settings=settings, split=split) for name, paths in files.items()}
    if not path.exists():
        raise _no_such(path)
    return {split_of(path.name) or "train": read_rows([path], settings=settings, split=split)}


def _no_such(path: Path) -> InputError:
    named = str(path)
    if named.count("/") == 1 and not path.suffix and not path.is_absolute():
        mend = f"for a dataset of the Hub write hub:{named}"
    else:
        mend = f"give a file, a folder, hub:owner/name or a name of the catalogue ({', '.join(CATALOG)})"
    return InputError("there is no such file or folder", where=named, mend=mend)
