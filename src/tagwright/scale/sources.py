"""What the input is: one file, a folder of files, those that a pattern names, or a folder of `save_to_disk`."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from tagwright.errors import InputError, require
from tagwright.predict.compressed import unpacked_name
from tagwright.predict.readers import format_of
from tagwright.scale.inputs import InputFile, InputFiles
from tagwright.scale.places import Place, telling
from tagwright.scale.saved import saved_dataset

__all__ = ["find_files", "hub_address"]

_NO_INPUT = re.compile(
    r"(readme|license|licence|notice|citation)([._-].*)?|.*(sha256sums|md5sums|checksums?)(\..*)?|.*\.crc"
    r"|dataset_infos?\.json|state\.json",
    re.IGNORECASE,
)
_OTHERS = {
    ".csv": "CSV; make it Parquet: duckdb -c \"COPY (FROM 'FILE.csv') TO 'FILE.parquet'\"",
    ".json": "JSON that is one document; write one object a line: jq -c '.[]' FILE.json > FILE.jsonl",
    ".orc": "ORC; make it Parquet",
    ".avro": "Avro; make it Parquet",
    ".xlsx": "a spreadsheet; save it as CSV and make that Parquet",
    ".pdf": "PDF; take its text out first",
    ".zip": "a zip archive; unpack it first",
    ".tar": "a tar archive; unpack it first",
    ".bz2": "packed by bzip2; unpack it, or pack it by gzip or zstd",
    ".xz": "packed by xz; unpack it, or pack it by gzip or zstd",
}
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"
_MAGIC = re.compile(r"[*?\[]")


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
        return InputFiles([_checked(source, _input_file(source.info(), source))])
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
    passed = [info for info in infos if _NO_INPUT.fullmatch(info.base_name)]
    if source.given.startswith("hf:"):  # beside its tables a repository holds all kinds of things
        passed = [info for info in infos if format_of(info.path) != "parquet"]
    names = {info.path for info in passed}
    files = [_input_file(info, source, folder) for info in infos if info.path not in names]
    if not files:
        what = (
            "there is no Parquet in the repository" if source.given.startswith("hf:") else "there is no data"
        )
        mend = "try the revision refs/convert/parquet" if source.given.startswith("hf:") else None
        raise InputError(f"{what}, only {_few(infos)}", where=str(source), mend=mend)
    kinds: dict[str, InputFile] = {}
    for file in files:
        kinds.setdefault(file.kind, file)
    if len(kinds) > 1:
        shown = ", ".join(f"{kind} ({_below(file.path, folder)})" for kind, file in kinds.items())
        raise InputError(
            f"the folder holds files of several formats: {shown}",
            where=str(source),
            mend="name those of one: 'FOLDER/*.parquet'",
        )
    for file in {unpacked_name(file.path).suffix.lower(): file for file in files}.values():
        _checked(source, file)
    notices = [f"{source}: passed over: {_few(passed)}"] if passed else []
    return InputFiles(files, notices)


def _few(infos: Sequence[Any]) -> str:
    shown = ", ".join(info.base_name for info in infos[:5])
    return f"{shown} and {len(infos) - 5:,} more" if len(infos) > 5 else shown


def _input_file(info: Any, source: Place, folder: str = "") -> InputFile:
    ending = unpacked_name(info.path).suffix.lower()
    kind = "arrow" if ending in (".arrow", ".feather") else format_of(info.path)
    if ending == ".json":
        kind = "jsonl"  # what is one document is told by its first line
    added: list[tuple[str, str | None]] = []
    if kind == "parquet" and folder:
        for part in PurePosixPath(_below(info.path, folder)).parts[:-1]:
            if found := _PARTITION.fullmatch(part):
                value = unquote(found[2])
                added.append((unquote(found[1]), None if value == _NULL else value))
    return InputFile(info.path, kind, info.size or 0, info.mtime_ns or 0, tuple(added))


def _checked(source: Place, file: InputFile) -> InputFile:
    """Refuse a file of a format that is not read; a single file's content decides where its ending says nothing.

    Raises:
        InputError: with the mend.
    """
    ending = unpacked_name(file.path).suffix.lower()
    if file.kind == "conll" or ending == ".conllu":
        raise InputError(
            "CoNLL is words already, one a line",
            where=file.path,
            mend="tag it with tagwright predict BUNDLE FILE --to parquet -o FILE.parquet",
        )
    if ending == ".json" and _is_lines(source, file):
        return file
    if ending in _OTHERS:
        what, _, mend = _OTHERS[ending].partition("; ")
        raise InputError(f"the file is {what}", where=file.path, mend=mend)
    if file.kind == "text":
        with telling(file.path), source.fs.open_input_stream(file.path, compression=None) as stream:
            head = bytes(stream.read(8))
        if head.startswith(b"PAR1"):
            return replace(file, kind="parquet")
        if head.startswith(b"ARROW1"):
            return replace(file, kind="arrow")
    return file


def _is_lines(source: Place, file: InputFile) -> bool:
    with telling(file.path), source.fs.open_input_stream(file.path) as stream:
        head = bytes(stream.read(1 << 20)).lstrip(b"\xef\xbb\xbf \t\r\n")
    line = head.partition(b"\n")[0]
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return len(line) == 1 << 20 and line.startswith(b"{")
