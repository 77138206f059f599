"""Files on disk: which split each belongs to, and which format it has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tagwright.config import DataSettings
from tagwright.data.conll import read_conll
from tagwright.data.corpus import SPLITS
from tagwright.data.files import read_bytes
from tagwright.data.jsonl import read_jsonl
from tagwright.data.offsets import SplitText
from tagwright.data.parquet import read_parquet
from tagwright.data.rows import Rows
from tagwright.errors import InputError

__all__ = ["find_format", "find_splits", "is_saved_dataset", "read_rows", "split_of"]

_SPLIT_NAMES = {"train": "train", "dev": "validation", "valid": "validation", "test": "test"}
_SHARD = re.compile(r"-\d+-of-\d+$")
_NOT_DATA = re.compile(
    r"\..*|(readme|licen[cs]e|changelog|notice|citation|authors)(\..*)?|.*(sha256|md5)sums?.*|labels\.txt"
    r"|.*\.(md|rst|html?|pdf|py|ipynb|sh|toml|ya?ml|cfg|ini|bib|log|png|jpe?g|svg|sha256|md5)",
    re.IGNORECASE,
)


def split_of(name: str) -> str | None:
    """Return the split that a file's name names: train; dev, valid or validation; test. None if none does.

    Raises:
        InputError: it names several.
    """
    found = {split for word, split in _SPLIT_NAMES.items() if word in name.lower()}
    if len(found) > 1:
        raise InputError(
            f"the name of {name} names several splits: {', '.join(sorted(found))}", mend="rename or move it"
        )
    return found.pop() if found else None


def find_splits(folder: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Find the data files of a folder.

    Returns:
        The files of each split, in the order of the splits, several only where they are numbered parts
        (`train-00000-of-00002.parquet`); and the names of other files, which are left out.

    Raises:
        InputError: no file is named for a split, or two claim the same one.
    """
    try:
        held = sorted(path for path in folder.iterdir() if not _NOT_DATA.fullmatch(path.name))
    except OSError as error:
        raise InputError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from None
    found: dict[str, list[Path]] = {}
    others = []
    for path in held:
        if path.is_dir() or path.is_fifo() or path.is_socket():
            if any(word in path.name.lower() for word in _SPLIT_NAMES):
                others.append(f"{path.name}{'/' if path.is_dir() else ''}")
        elif split := split_of(path.name):  # a link that leads nowhere as well: reading it says so
            found.setdefault(split, []).append(path)
        else:
            others.append(path.name)
    if not found:
        rest = f"; it holds {', '.join(others[:5])}{', …' if len(others) > 5 else ''}" if others else ""
        raise InputError(
            f"no file in the folder is named for a split{rest}",
            where=str(folder),
            mend="name the files train, dev (or validation) and test, such as train.conll, or give one file",
        )
    for split, paths in found.items():
        stems = {_SHARD.sub("", path.name.removesuffix(path.suffix)) for path in paths}
        parts = all(_SHARD.search(path.stem) for path in paths)
        if len(paths) > 1 and not (parts and len(stems) == 1):
            raise InputError(
                f"several files claim the {split} split: {', '.join(path.name for path in paths)}",
                where=str(folder),
                mend="leave one of them in the folder",
            )
    return {split: found[split] for split in SPLITS if split in found}, others


def is_saved_dataset(folder: Path) -> bool:
    """Tell whether a folder was written by `save_to_disk` of the library `datasets`."""
    return (folder / "dataset_dict.json").is_file() or (
        (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()
    )


def find_format(path: Path) -> str:
    """Return `conll`, `jsonl` or `parquet`, by the ending or, where that does not tell, by the content."""
    ending = path.suffix.lower()
    known = {".conll": "conll", ".iob": "conll", ".iob2": "conll", ".bio": "conll", ".tsv": "conll"}
    known |= {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
    if ending in known:
        return known[ending]
    if path.is_fifo():
        raise InputError(
            "this is a pipe, which can be read only once",
            where=str(path),
            mend="write it to a file whose ending tells the format, such as data.conll",
        )
    data = read_bytes(path)
    if data.startswith(b"PAR1"):
        return "parquet"
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    first = start.partition(b"\n")[0]
    if first.startswith(b"{"):
        try:
            return "jsonl" if isinstance(json.loads(first), dict) else "conll"
        except ValueError:
            pass
    if ending == ".json":
        raise InputError(
            "the file is not JSON Lines",
            where=str(path),
            mend="write one object a line (jq -c '.[]' does it)",
        )
    return "conll"


def read_rows(paths: Sequence[Path], *, settings: DataSettings, split: SplitText | None = None) -> Rows:
    """Read the file of a split, or its numbered parts."""
    formats = {find_format(path) for path in paths}
    if formats == {"parquet"}:
        return read_parquet(paths, settings=settings, split=split)
    if len(paths) > 1:
        raise InputError(
            "only Parquet may come in numbered parts", where=str(paths[0]), mend="join the files"
        )
    if formats == {"jsonl"}:
        return read_jsonl(paths[0], settings=settings, split=split)
    if paths[0].suffix.lower() == ".conllu" and settings.word_column == 0:
        raise InputError(
            "CoNLL-U has its words in the second column, after their numbers",
            where=str(paths[0]),
            mend="name the columns: --word-column 1 --tag-column 3 reads parts of speech",
        )
    return read_conll(paths[0], word_column=settings.word_column, tag_column=settings.tag_column)
