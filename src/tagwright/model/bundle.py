"""The tagger on disk: a plain Hugging Face folder, and `tagwright.json` beside it."""

from __future__ import annotations

import errno
from pathlib import Path
from shutil import copymode
from typing import TYPE_CHECKING

from tagwright.errors import InputError, RunError, require
from tagwright.model.huggingface import (
    TOKENIZER_FILES,
    WEIGHTS,
    convert_tokenizer,
    describe,
    first_line,
    label_names,
    piece_limit,
    quiet,
    read_json,
)
from tagwright.model.meta import BundleMeta, read_record, record_text
from tagwright.model.swap import RECORD, finish_swap, swap_files

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

__all__ = [
    "EXPORTED",
    "BundleMeta",
    "check_weights",
    "held_for",
    "load_model",
    "load_tokenizer",
    "read_meta",
    "save_bundle",
]

EXPORTED = {"onnx": "model.onnx", "openvino": "openvino_model.xml"}
"""The file that an exported bundle holds instead of weights, by the runtime that it is for."""

# What nobody edits by hand: a size that differs is a copy that broke off.
_MODELS = (".safetensors", ".onnx", ".data", ".bin", ".xml")


def save_bundle(
    path: str | Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, meta: BundleMeta
) -> None:
    """Write a bundle; a crash at any moment leaves the earlier bundle or the new one, whole.

    Other things in the folder, such as `checkpoints/`, stay.

    Args:
        path: the folder; it is made if it is missing.
        model: a transformers token-classification model whose `id2label` agrees with `meta.labels`.
        tokenizer: its fast tokenizer.
        meta: the rest; `files` is filled in here.

    Raises:
        InputError: the tokenizer is not a fast one.
        RunError: the files could not be written, such as on a full disk; an earlier bundle is still there.
    """
    folder = Path(path)
    names = [model.config.id2label[position] for position in range(model.config.num_labels)]
    if names != meta.labels:
        raise ValueError(f"the model's id2label is {names}, the bundle's labels are {meta.labels}")
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise InputError(
            f"{type(tokenizer).__name__} has no fast version", mend="use an encoder with a tokenizer.json"
        )

    def write(new: Path) -> None:
        with quiet():
            model.save_pretrained(new)
            tokenizer.save_pretrained(new)
        for weights in new.glob("*.safetensors"):
            copymode(new / "config.json", weights)  # safetensors lets only the owner read
        sizes = {file.name: file.stat().st_size for file in sorted(new.iterdir())}
        record = meta.model_copy(update={"files": sizes}).model_dump(mode="json")
        (new / RECORD).write_text(record_text(record), encoding="utf-8")

    from safetensors import SafetensorError

    try:
        swap_files(folder, write)
    except (OSError, SafetensorError) as error:
        # safetensors wraps the system's error in words of its own.
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "os error 28" in str(error)
        what = "the disk is full" if full else getattr(error, "strerror", None) or str(error)
        kept = "; the earlier bundle is still there" if (folder / RECORD).exists() else ""
        raise RunError(
            f"the bundle could not be saved: {what}{kept}",
            where=str(folder),
            mend="make room and save again" if full else None,
        ) from error


def read_meta(path: str | Path) -> BundleMeta:
    """Read and check what a bundle says of itself.

    A plain Hugging Face folder with a token-classification model does as well: its labels are taken from
    `config.json`, the scheme from their names, the rest from defaults, and `notices` says so.

    Raises:
        InputError: the folder is missing, is no bundle, is damaged, or was written by a newer Tagwright.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file, not a bundle's folder" if folder.exists() else "there is no such folder"
        raise InputError(what, where=str(path), mend="name the folder that `tagwright train --out` wrote")
    finish_swap(folder)
    if not (folder / "config.json").exists():
        raise InputError(
            "this is not a bundle: there is no config.json in it",
            where=str(path),
            mend="name the folder that `tagwright train --out` wrote",
        )
    config = read_json(folder / "config.json")
    meta = read_record(folder) if (folder / RECORD).exists() else BundleMeta(**describe(folder, config))
    _check_files(folder, meta)
    names = label_names(config)
    if names != meta.labels:
        raise InputError(
            f"config.json has the labels {', '.join(names)} and {RECORD} has {', '.join(meta.labels)}",
            where=str(path),
            mend="one of them was changed by hand; restore it",
        )
    limit = piece_limit(config, meta.max_pieces)
    if meta.max_pieces > limit:
        raise InputError(
            f"max_pieces is {meta.max_pieces}, and the encoder takes {limit}",
            where=str(folder / RECORD),
            mend="the file was changed by hand; restore it",
        )
    meta.label_map  # noqa: B018 - refuses labels that do not belong to the scheme
    return meta


def held_for(folder: str | Path, meta: BundleMeta) -> str:
    """Return the runtime that a bundle's files are for: `torch` for weights, `onnx` or `openvino` for an export."""
    if meta.export:
        return str(meta.export["runtime"])
    if any((Path(folder) / name).exists() for name in WEIGHTS):
        return "torch"
    return next((name for name, file in EXPORTED.items() if (Path(folder) / file).exists()), "torch")


def load_model(path: str | Path) -> PreTrainedModel:
    """Load a bundle's model in fp32 and in evaluation mode, from the folder alone.

    Raises:
        InputError: the weights are damaged, are those of an encoder without a head, or were left behind by an export.
        MissingExtraError: torch or transformers are not installed.
    """
    torch = require("torch", "train")
    transformers = require("transformers", "train")
    finish_swap(Path(path))
    check_weights(Path(path))
    try:
        with quiet():
            model, found = transformers.AutoModelForTokenClassification.from_pretrained(
                path,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # the library raises whatever its readers raise; all mean a bad folder
        reason = first_line(error)
        if "ignore_mismatched_sizes" in reason:
            reason = "its weights have other shapes than config.json says"
        raise InputError(f"the model cannot be loaded: {reason}", where=str(path)) from error
    if found["missing_keys"]:
        raise InputError(
            f"the weights lack {', '.join(sorted(found['missing_keys'])[:3])}",
            where=str(path),
            mend="this is an encoder without a trained head; train it first",
        )
    model.eval()
    return model


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Load a bundle's tokenizer, without padding and truncation; transformers is not imported for it.

    A plain Hugging Face folder with vocabulary files but no `tokenizer.json` is converted by transformers.

    Raises:
        InputError: there is no tokenizer, it is damaged, or there is no fast version of it.
    """
    from tokenizers import Tokenizer

    folder = Path(path)
    finish_swap(folder)
    file = folder / "tokenizer.json"
    if file.exists():
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises bare Exception
            raise InputError(f"the tokenizer cannot be read: {first_line(error)}", where=str(file)) from None
    elif any((folder / name).exists() for name in TOKENIZER_FILES):
        tokenizer = convert_tokenizer(folder)
    else:
        raise _no_tokenizer(folder)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def check_weights(folder: Path) -> None:
    """Refuse a folder whose model is another runtime's, in words that say so.

    Raises:
        InputError: it is an export, and holds no weights.
    """
    if any((folder / name).exists() for name in WEIGHTS):
        return
    for runtime, file in EXPORTED.items():
        if (folder / file).exists():
            raise InputError(
                f"it was exported for {runtime} and holds no weights",
                where=str(folder),
                mend="name the bundle that it was made from",
            )


def _check_files(folder: Path, meta: BundleMeta) -> None:
    for name, size in meta.files.items():
        file = folder / name
        if not file.exists():
            if name == "tokenizer.json":
                raise _no_tokenizer(folder)
            raise InputError(f"{name} is missing", where=str(folder), mend="copy the bundle again, whole")
        if name.endswith(_MODELS) and file.stat().st_size != size:
            what = "the weights have" if name.endswith(".safetensors") else "the model's file has"
            raise InputError(
                f"{what} {file.stat().st_size:,} bytes instead of {size:,}",
                where=str(file),
                mend="copy the bundle again, whole (with Git LFS: git lfs pull)",
            )
    if meta.export and not (folder / EXPORTED[meta.export["runtime"]]).exists():
        raise InputError(
            f"{EXPORTED[meta.export['runtime']]} is missing",
            where=str(folder),
            mend="copy the bundle again, whole",
        )
    if not meta.files:
        if not any((folder / name).exists() for name in (*WEIGHTS, *EXPORTED.values())):
            raise InputError("there are no weights (model.safetensors) in it", where=str(folder))
        if not any((folder / name).exists() for name in ("tokenizer.json", *TOKENIZER_FILES)):
            raise _no_tokenizer(folder)


def _no_tokenizer(folder: Path) -> InputError:
    return InputError(
        "the folder has no tokenizer (tokenizer.json)",
        where=str(folder),
        mend="save it there: AutoTokenizer.from_pretrained(ENCODER).save_pretrained(FOLDER)",
    )
