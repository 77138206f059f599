"""What the input is: one file, a folder of files, those that a pattern names, or a folder of `save_to_disk`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from tagwright.errors import InputError, require
from tagwright.predict.readers import format_of
from tagwright.scale.formats import ending_of, find_format, is_told
from tagwright.scale.hub import hub_splits
from tagwright.scale.inputs import InputFile, InputFiles
from tagwright.scale.places import Place, telling
from tagwright.scale.saved import saved_dataset

__all__ = ["find_files"]

_NO_INPUT = re.compile(
    r"(readme|license|licence|notice|citation|changelog|authors)([._-].*)?|labels\.txt"
    r"|.*(sha256sums|md5sums|checksums?)(\..*)?|.*\.(crc|md5|sha256)|dataset_infos?\.json|state\.json",
    re.IGNORECASE,
)
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_MAGIC = re.compile(r"[*?\[]")
_CALLED = {"conll": "CoNLL", "jsonl": "JSON lines", "parquet": "Parquet", "arrow": "Arrow"}


def find_files(source: Place) -> InputFiles:
    """Find the files of the input.

    In a folder all files count, at any depth, by name; but for those whose name, or whose folder's, begins with
    `_` or `.`. They must be of one format.

    Args:
        source: a file; a folder; a path with `*`, `?`, `[…]` or `**` in it; or what `save_to_disk` wrote.

    Raises:
        InputError: there is nothing, nothing of a known format, or files of several formats.
        RunError: it cannot be looked at.
    """
    kind = source.kind
    if kind == "file":
        return _with_formats([source.info()], source, "", [])
    if kind is None:
        if _MAGIC.search(source.path):
            return _of_pattern(source)
        raise InputError("there is no such file or folder", where=str(source))
    if dataset := saved_dataset(source):
        return dataset
    found = _listed(source.fs, source.path, source)
    return _of_one_kind(found, source, source.path)


def _listed(fs: Any, path: str, source: Place) -> list[Any]:
    """Return what files lie in a folder, by name; without hidden ones.

    Raises:
        InputError: something is neither a file nor a folder.
    """
    selector = require("pyarrow.fs", "scale").FileSelector(path, recursive=True)
    with telling(source):
        infos = fs.get_file_info(selector)
    files = [info for info in infos if info.type.value == 2 and not _is_hidden(_below(info.path, path))]
    if source.is_local:  # Arrow does not list what is neither a file nor a folder
        for folder, _, names in os.walk(path):
            for odd in (os.path.join(folder, name) for name in names):
                if not os.path.isfile(odd) and not _is_hidden(_below(odd, path)):
                    raise InputError("it is no file: a link that leads nowhere, or a pipe", where=odd)
    return sorted(files, key=lambda info: info.path)


def _below(path: str, folder: str) -> str:
    return path.removeprefix(folder.rstrip("/")).lstrip("/")


def _is_hidden(path: str) -> bool:
    """Tell whether a name, or that of a folder above it, marks what is no data; `_col=1` is a partition."""
    return any(part.startswith((".", "_")) and not _PARTITION.fullmatch(part) for part in path.split("/"))


def _of_pattern(source: Place) -> InputFiles:
    parts = source.path.split("/")
    first = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    folder = "/".join(parts[:first])
    place = Place(source.fs, folder or "/", source.given)
    if place.kind != "folder":
        raise InputError("nothing is of that name", where=str(source))
    pattern = re.compile("".join(_translated(parts[first:])))
    found = [
        info
        for info in _listed(source.fs, place.path, source)
        if pattern.fullmatch(_below(info.path, folder))
    ]
    if not found:
        raise InputError("no file is of that name", where=str(source))
    return _of_one_kind(found, source, folder)


def _translated(parts: Sequence[str]) -> Iterable[str]:
    """Yield what a pattern means, as parts of a regular expression."""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            yield ".*" if last else "(?:[^/]+/)*"
            continue
        for token in re.findall(r"\[!?[^\]]+\]|.", part):
            if token == "*":
                yield "[^/]*"
            elif token == "?":
                yield "[^/]"
            elif len(token) > 1:
                yield "[^" + token[2:] if token[1] == "!" else token
            else:
                yield re.escape(token)
        yield "" if last else "/"


def _of_one_kind(infos: Sequence[Any], source: Place, folder: str) -> InputFiles:
    if not infos:
        raise InputError(
            "there is no file in the folder",
            where=str(source),
            mend="names that begin with _ or . are passed over" if source.kind == "folder" else None,
        )
    is_hub = source.given.startswith("hf:")
    if is_hub:  # beside its tables a repository holds all kinds of things
        passed = [info for info in infos if format_of(info.path) != "parquet"]
    else:
        passed = [info for info in infos if _NO_INPUT.fullmatch(info.base_name)]
    names = {info.path for info in passed}
    held = [info for info in infos if info.path not in names]
    if not held:
        what = "there is no Parquet in the repository" if is_hub else "there is no data"
        mend = "try the revision refs/convert/parquet" if is_hub else None
        raise InputError(f"{what}, only {_few(infos)}", where=str(source), mend=mend)
    notices = [f"{source}: passed over: {_few(passed)}"] if passed else []
    found = _with_formats(held, source, folder, notices)
    kinds: dict[str, InputFile] = {}
    for file in found.files:
        kinds.setdefault(file.kind, file)
    if len(kinds) > 1:
        shown = ", ".join(f"{kind} ({_below(file.path, folder)})" for kind, file in kinds.items())
        raise InputError(
            f"the folder holds files of several formats: {shown}",
            where=str(source),
            mend="name those of one: 'FOLDER/*.parquet'",
        )
    if is_hub and (splits := hub_splits([file.path for file in found.files])):
        found.files = [
            replace(file, added=(*file.added, ("split", split)))
            for file, split in zip(found.files, splits, strict=True)
        ]
    return found


def _few(infos: Sequence[Any]) -> str:
    shown = ", ".join(info.base_name for info in infos[:5])
    return f"{shown} and {len(infos) - 5:,} more" if len(infos) > 5 else shown


def _with_formats(infos: Sequence[Any], source: Place, folder: str, notices: list[str]) -> InputFiles:
    """Find the format of files; of those of one ending that does not tell, one that is not empty is looked at."""
    first: dict[str, Any] = {}
    for info in infos:
        ending = ending_of(info.path)
        if ending not in first or not first[ending].size:
            first[ending] = info
    kinds = {ending: find_format(source, info.path) for ending, info in first.items()}
    by_content: dict[str, list[Any]] = {}
    for info in infos:
        kind = kinds[ending_of(info.path)]
        if kind != "text" and not is_told(info.path) and ending_of(info.path) != ".json":
            by_content.setdefault(kind, []).append(info)
    notices += [
        f"{source}: read as {_CALLED[kind]}, by content" + (f": {_few(those)}" if folder else "")
        for kind, those in by_content.items()
    ]
    return InputFiles([_input_file(info, kinds[ending_of(info.path)], folder) for info in infos], notices)


def _input_file(info: Any, kind: str, folder: str) -> InputFile:
    added: list[tuple[str, str | None]] = []
    if kind == "parquet" and folder:
        for part in PurePosixPath(_below(info.path, folder)).parts[:-1]:
            if found := _PARTITION.fullmatch(part):
                value = unquote(found[2])
                added.append((unquote(found[1]), None if value == _NULL else value))
    return InputFile(info.path, kind, info.size or 0, info.mtime_ns or 0, tuple(added))
