"""Tensors out of a folder's safetensors files, in one file or in several, and into one."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copymode
from typing import TYPE_CHECKING, Any

import numpy as np

from tagwright.errors import InputError, RunError
from tagwright.model.huggingface import first_line, read_json
from tagwright.model.swap import swap_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["check_tensors", "keep_rows", "list_tensors", "read_tensors", "write_folder"]

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
FLOATS = ("F64", "F32", "F16", "BF16")
CONVERT = (
    "convert it with PyTorch: AutoModelForTokenClassification.from_pretrained(FOLDER).save_pretrained(NEW)"
)


def list_tensors(folder: Path) -> dict[str, Path]:
    """List the tensors of a folder: the name of each, and the file that holds it.

    Raises:
        InputError: there are no safetensors, a file is missing or damaged, or the index does not fit.
    """
    if (folder / WHOLE).exists():
        with _open(folder / WHOLE) as file:
            return dict.fromkeys(file.keys(), folder / WHOLE)
    if (folder / INDEX).exists():
        return _list_shards(folder)
    if any(folder.glob("pytorch_model*.bin")):
        raise InputError(
            f"the weights are in pytorch_model.bin, and the Keras engine reads {WHOLE}",
            where=str(folder),
            mend=CONVERT,
        )
    raise InputError(f"there are no weights ({WHOLE}) in it", where=str(folder))


def read_tensors(files: Mapping[str, Path]) -> dict[str, NDArray[np.float32]]:
    """Read tensors as fp32, whatever they are stored as.

    Args:
        files: the names wanted, and the file that holds each.

    Raises:
        InputError: a file is damaged, or a tensor holds other things than fractions.
    """
    tensors = {}
    for path in sorted(set(files.values())):
        with _open(path) as file:
            for name in (name for name, home in files.items() if home == path):
                kind = file.get_slice(name).get_dtype()
                if kind not in FLOATS:
                    raise InputError(
                        f"the tensor {name} holds {kind}; the Keras engine reads {', '.join(FLOATS)}",
                        where=str(path),
                        mend="save the encoder unquantized",
                    )
                tensors[name] = np.asarray(file.get_tensor(name)).astype(np.float32)
    return tensors


def check_tensors(
    shapes: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Any], where: str | None
) -> None:
    """Refuse tensors that are not the ones a model has.

    Args:
        shapes: the model's names and PyTorch's shapes.
        tensors: the tensors.
        where: where they come from, for messages.

    Raises:
        InputError: one is missing, left over, or of another shape; the message names it.
    """
    if missing := [name for name in shapes if name not in tensors]:
        raise InputError(f"the tensors lack {missing[0]}", where=where)
    if left := [name for name in tensors if name not in shapes]:
        raise InputError(f"the tensor {left[0]} has no place in this model", where=where)
    for name, shape in shapes.items():
        if tuple(np.shape(tensors[name])) != shape:
            raise InputError(
                f"the tensor {name} has the shape {tuple(np.shape(tensors[name]))}, and the configuration "
                f"asks for {shape}",
                where=where,
                mend="config.json belongs to other weights; copy the folder again, whole",
            )


def keep_rows(
    new: Mapping[str, NDArray[np.float32]],
    trained: Mapping[str, NDArray[np.float32]],
    labels: Sequence[str],
    old: Sequence[str],
    where: str,
) -> None:
    """Put the rows of a trained head into a new one, for the labels that both have.

    Args:
        new: the new head's tensors, with one row a label; changed in place.
        trained: the trained head's, under the same names.
        labels: the new head's labels, in the order of its rows.
        old: the trained head's.
        where: the checkpoint, for messages.

    Raises:
        InputError: the trained head does not have one row a label.
    """
    check_tensors({name: (len(old), *tensor.shape[1:]) for name, tensor in new.items()}, trained, where)
    places = {label: row for row, label in enumerate(old)}
    for row, label in enumerate(labels):
        if label in places:
            for name, tensor in new.items():
                tensor[row] = trained[name][places[label]]


def write_folder(folder: Path, config: Mapping[str, Any], tensors: dict[str, NDArray[np.float32]]) -> None:
    """Write `config.json` and `model.safetensors`; a crash leaves the old ones or the new ones, whole.

    Other files in the folder stay.

    Raises:
        RunError: the files could not be written, such as on a full disk; the old ones are still there.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    def write(new: Path) -> None:
        text = json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True)
        (new / "config.json").write_text(text + "\n", encoding="utf-8")
        save_file(tensors, new / WHOLE, metadata={"format": "pt"})
        copymode(new / "config.json", new / WHOLE)  # safetensors lets only the owner read

    try:
        swap_files(folder, write)
    except (OSError, SafetensorError) as error:
        # safetensors wraps the system's error in words of its own.
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "os error 28" in str(error)
        what = "the disk is full" if full else getattr(error, "strerror", None) or str(error)
        raise RunError(
            f"the model could not be saved: {what}",
            where=str(folder),
            mend="make room and save again" if full else None,
        ) from error


def _list_shards(folder: Path) -> dict[str, Path]:
    table = read_json(folder / INDEX).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise InputError("there is no weight_map in it", where=str(folder / INDEX))
    for shard in sorted({str(shard) for shard in table.values()}):
        if shard != Path(shard).name or not (folder / shard).is_file():
            raise InputError(
                f"the weights' part {shard} is missing",
                where=str(folder),
                mend="copy the folder again, whole",
            )
        with _open(folder / shard) as file:
            held = set(file.keys())
        for name in (name for name, home in table.items() if str(home) == shard and name not in held):
            raise InputError(
                f"the tensor {name} is missing, which {INDEX} promises",
                where=str(folder / shard),
                mend="copy the folder again, whole",
            )
    return {name: folder / str(shard) for name, shard in table.items()}


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a safetensors file; whatever is wrong with its bytes is one line."""
    import ml_dtypes  # noqa: F401 - gives NumPy its bfloat16
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"the weights cannot be read: {first_line(error)}",
            where=str(path),
            mend="copy the file again, whole (with Git LFS: git lfs pull)",
        ) from error
