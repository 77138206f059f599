"""`tagwright export`: a bundle for another runtime, written only if it answers as the bundle does."""

from __future__ import annotations

import gc
import importlib
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from typing import TYPE_CHECKING, Any

import numpy as np

import tagwright
from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.encode.align import PieceTable
from tagwright.encode.windows import encode_words
from tagwright.encode.words import check_splitter
from tagwright.errors import InputError, require
from tagwright.export.staging import check_place, disk_error, publish, staged
from tagwright.export.trials import Trials, trial_data, trials_of
from tagwright.model.bundle import EXPORTED, BundleMeta, held_for, load_model, load_tokenizer, read_meta
from tagwright.model.meta import record_text
from tagwright.model.swap import RECORD
from tagwright.predict.runtimes.unreported import require_unreported
from tagwright.predict.thresholds import notice_of_precision

if TYPE_CHECKING:
    from datasets import DatasetDict


__all__ = ["TARGETS", "Exported", "export"]

TARGETS = tuple(EXPORTED)
"""The runtimes that a bundle can be exported for."""

_MODULES = ("torch", "transformers", "onnx", "onnxscript")

CALIBRATION_SENTENCES = 320
"""Sentences from which static int8 takes the ranges of activations."""

_COPIED = (
    "config.json",
    "tokenizer",
    "vocab",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges",
    "spiece",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was exported, and how it agrees with what it was made from.

    Attributes:
        bundle: the bundle's folder.
        out: the export's.
        runtime: what the export is for.
        precision: `fp32` or `int8`.
        parity: the proof, as it stands in the export's `tagwright.json` under `export.parity`.
        notices: what has to be known about it, in words.
    """

    bundle: str
    out: str
    runtime: str
    precision: str
    parity: dict[str, Any]
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright export`."""
        return {
            "bundle": self.bundle,
            "out": self.out,
            "runtime": self.runtime,
            "precision": self.precision,
            "parity": self.parity,
            "notices": list(self.notices),
        }


def export(
    bundle: str | Path,
    target: str,
    out: str | Path,
    *,
    int8: bool = False,
    static: bool = False,
    data: str | Path | DatasetDict | Corpus | None = None,
    max_drop: float = 0.005,
    overwrite: bool = False,
    settings: DataSettings | None = None,
    tell: Callable[[str], None] | None = None,
) -> Exported:
    """Write a bundle that `Tagger.load` opens without PyTorch and transformers, and prove that it answers the same.

    It is compared with PyTorch in fp32 on the validation split and on made-up rows of hard lengths. Nothing appears
    at `out` before it has stood the test.

    Args:
        bundle: the bundle's folder; a plain Hugging Face folder does as well.
        target: `onnx` (onnxruntime) or `openvino`.
        out: the folder to write.
        int8: weights in int8, activations quantised as they come.
        static: with `int8` and `openvino`: the ranges of activations are taken from validation sentences beforehand.
        data: labelled data with a validation split, as for `load_data`; None takes what the bundle was trained on,
            and where that is gone or has changed, the sample that comes with Tagwright.
        max_drop: how much lower the F1 of int8 may be, in 0..1.
        overwrite: replace an export that stands at `out`.
        settings: how the data is read.
        tell: called with a line on each step, as it begins.

    Raises:
        InputError: the bundle, the data, a name or a number is wrong, or something stands at `out`.
        MissingExtraError: what makes the export is not installed.
        RunError: the model cannot be traced, the export does not answer as the bundle does, or the disk is full;
            what stood at `out` is untouched.
    """
    source, place = Path(bundle), Path(out)
    _check_call(target, int8=int8, static=static, max_drop=max_drop)
    meta = read_meta(source)
    if (held := held_for(source, meta)) != "torch":
        raise InputError(
            f"it was exported for {held} already",
            where=str(source),
            mend="export the bundle that it was made from",
        )
    check_splitter(meta.splitter)
    check_place(source, place, overwrite=overwrite)
    for module in _MODULES:
        require(module, "export")
    for module in _modules_of(target, int8=int8):
        require_unreported(module, "export")
    from tagwright.export.prove import prove

    say = tell or (lambda _: None)
    corpus, notices = trial_data(meta, data, settings=settings)
    table = PieceTable(load_tokenizer(source))
    trials = trials_of(corpus, meta, table)
    plain = meta.model_copy(update={"temperature": 1.0, "thresholds": {}, "notices": []})
    precision = "int8" if int8 else "fp32"
    with staged(place) as part:
        try:
            say(f"tracing {source}")
            record = _write(source, part, meta, table, trials, target, int8=int8, static=static)
            _save_record(part, meta, record)
            say(f"comparing {trials.count:,} sentences of {corpus.source} with PyTorch")
            exported = plain.model_copy(update={"export": record})
            parity, found = prove(source, part, plain, exported, trials, max_drop)
            notices += found
            _save_record(part, meta, record | {"parity": parity})
            publish(part, place)
        except OSError as error:
            raise disk_error(error, place) from error
    if told := notice_of_precision(place, meta, parity["export"][-1]["precision"]):
        notices.append(told)
    return Exported(
        str(bundle), str(out), target, precision, parity, (*meta.notices, *corpus.notices, *notices)
    )


def _check_call(target: str, *, int8: bool, static: bool, max_drop: float) -> None:
    if target not in TARGETS:
        raise InputError(f"there is no export to {target!r}", mend=f"name one of {', '.join(TARGETS)}")
    if static and not int8:
        raise InputError("--static is a way to int8", mend="give --int8 with it")
    if static and target != "openvino":
        raise InputError(
            f"there is no static int8 for {target}", mend="leave out --static, or export to openvino"
        )
    if not 0 <= max_drop <= 1:
        raise InputError(f"a drop of F1 of {max_drop:g} cannot be allowed", mend="give a number from 0 to 1")


def _write(
    source: Path,
    part: Path,
    meta: BundleMeta,
    table: PieceTable,
    trials: Trials,
    target: str,
    *,
    int8: bool,
    static: bool,
) -> dict[str, Any]:
    """Write everything but `tagwright.json`; return what that says under `export`."""
    from tagwright.export.graph import write_graph

    file = part / EXPORTED[target]
    graph = file if target == "onnx" and not int8 else part / "traced.onnx"
    model = load_model(source)
    write_graph(model, graph, pad_id=table.pad_id)
    del model
    gc.collect()
    record: dict[str, Any] = {"runtime": target, "precision": "int8" if int8 else "fp32"}
    if target == "onnx" and int8:
        from tagwright.export.onnx import quantize_weights

        quantize_weights(graph, file)
        record["quantization"] = "dynamic"
    elif target == "openvino":
        from tagwright.export import openvino

        if static:
            batches = _calibration_batches(meta, table, trials)
            openvino.convert_calibrated(graph, file, batches, len(batches))
            record |= {"quantization": "static", "calibration_sentences": _calibration_rows(trials).size}
        elif int8:
            openvino.convert_compressed(graph, file)
            record |= {"quantization": "dynamic", "group_size": openvino.GROUP_SIZE}
        else:
            openvino.convert(graph, file)
    if graph != file:
        for left in part.glob(f"{graph.stem}*"):
            left.unlink()
    for found in sorted(source.iterdir()):
        if found.is_file() and found.name.startswith(_COPIED):
            copyfile(found, part / found.name)
    if not (part / "tokenizer.json").exists():  # a plain folder with vocabulary files alone
        load_tokenizer(source).save(str(part / "tokenizer.json"))
    used = [*_MODULES, "tokenizers", "numpy", *_modules_of(target, int8=int8)]
    versions = {"python": platform.python_version(), "tagwright": tagwright.__version__}
    return record | {"versions": versions | {name: _version(name) for name in used}}


def _modules_of(target: str, *, int8: bool) -> list[str]:
    if target == "onnx":
        return ["onnxruntime"]
    return ["openvino", "nncf"] if int8 else ["openvino"]


def _version(module: str) -> str:
    return str(getattr(importlib.import_module(module), "__version__", ""))


def _calibration_rows(trials: Trials) -> np.ndarray[Any, np.dtype[np.int64]]:
    order = np.random.Generator(np.random.PCG64(1)).permutation(trials.count)
    return order[:CALIBRATION_SENTENCES]


def _calibration_batches(meta: BundleMeta, table: PieceTable, trials: Trials) -> list[dict[str, Any]]:
    from tagwright.encode.batches import pad_batch
    from tagwright.export.compare import mixed_batches
    from tagwright.export.graph import INPUTS

    chosen = [trials.sentences[row] for row in _calibration_rows(trials).tolist()]
    encoded = encode_words(table, chosen, limit=meta.max_pieces, overlap=meta.overlap)
    return [
        dict(zip(INPUTS, pad_batch(encoded, windows), strict=True)) for windows in mixed_batches(encoded, 256)
    ]


def _save_record(part: Path, meta: BundleMeta, record: dict[str, Any]) -> None:
    sizes = {file.name: file.stat().st_size for file in sorted(part.iterdir()) if file.name != RECORD}
    values = meta.model_copy(update={"files": sizes, "export": record}).model_dump(mode="json")
    (part / RECORD).write_text(record_text(values), encoding="utf-8")
