"""Data sets that `save_to_disk` of Hugging Face's `datasets` wrote: folders of Arrow files."""

from __future__ import annotations

import json

from tagwright.errors import InputError
from tagwright.scale.inputs import InputFile, InputFiles
from tagwright.scale.places import Place

__all__ = ["saved_dataset"]


def saved_dataset(source: Place) -> InputFiles | None:
    """Return the files of a Dataset or a DatasetDict that `save_to_disk` wrote, if the folder holds one."""
    splits = (source / "dataset_dict.json").read_bytes()
    if splits is None:
        state = (source / "state.json").read_bytes()
        return None if state is None else InputFiles(_files_of_state(source, state, ()))
    try:
        names = [str(name) for name in json.loads(splits)["splits"]]
    except (ValueError, KeyError, TypeError):
        raise InputError("the file is damaged", where=str(source / "dataset_dict.json")) from None
    files: list[InputFile] = []
    for name in names:
        folder = source / name
        state = (folder / "state.json").read_bytes()
        if state is None:
            raise InputError(f"the split {name!r} has no state.json", where=str(folder))
        files += _files_of_state(folder, state, (("split", name),))
    if not files:
        raise InputError("the DatasetDict has no split", where=str(source))
    return InputFiles(files)


def _files_of_state(
    folder: Place, state: bytes, added: tuple[tuple[str, str | None], ...]
) -> list[InputFile]:
    try:
        names = [str(entry["filename"]) for entry in json.loads(state)["_data_files"]]
    except (ValueError, KeyError, TypeError):
        raise InputError("the file is damaged", where=str(folder / "state.json")) from None
    files = []
    for name in names:
        info = (folder / name).info()
        if info.type.value != 2:
            raise InputError("the file is missing", where=str(folder / name))
        files.append(InputFile(info.path, "arrow", info.size, info.mtime_ns or 0, added))
    return files
