"""Tiny bundles for ONNX Runtime and OpenVINO, made without the proof that `tagwright export` asks for."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import pytest

from tagwright.model.bundle import EXPORTED, load_model, load_tokenizer, read_meta
from tagwright.model.meta import record_text

_MISSING = [
    name
    for name in ("onnx", "onnxscript", "onnxruntime", "openvino")
    if importlib.util.find_spec(name) is None  # importing them would have them report it
]
needs_runtimes = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")


def write_graph_of(bundle: Path, file: Path) -> Path:
    from tagwright.export.graph import write_graph

    write_graph(load_model(bundle), file, pad_id=load_tokenizer(bundle).token_to_id("[PAD]"))
    return file


def exported(folder: Path, bundle: Path, files: dict[str, Path], **export: Any) -> Path:
    """Put an exported bundle together.

    Args:
        folder: where to.
        bundle: what it was made from.
        files: the model's files, by their names in the bundle.
        export: what `tagwright.json` says under `export`.
    """
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(bundle / name, folder)
    for name, file in files.items():
        shutil.copy(file, folder / name)
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    meta = read_meta(bundle).model_copy(update={"export": export, "files": sizes})
    (folder / "tagwright.json").write_text(record_text(meta.model_dump(mode="json")))
    return folder


def onnx_bundle(folder: Path, bundle: Path, graph: Path, **export: Any) -> Path:
    return exported(
        folder, bundle, {EXPORTED["onnx"]: graph}, runtime="onnx", **({"precision": "fp32"} | export)
    )


def openvino_bundle(folder: Path, bundle: Path, graph: Path, **export: Any) -> Path:
    from tagwright.export.openvino import convert

    file = folder.parent / EXPORTED["openvino"]
    convert(graph, file)
    files = {file.name: file, file.with_suffix(".bin").name: file.with_suffix(".bin")}
    return exported(folder, bundle, files, runtime="openvino", **({"precision": "fp32"} | export))
