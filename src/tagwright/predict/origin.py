"""What the bytes of a run depend on, and how a second run differs in it."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import tagwright
from tagwright.predict.inputs import Inputs
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import Format

__all__ = ["computed_by", "difference", "fingerprint", "made_by"]

_PACKAGES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}
_MODEL_FILES = (".json", ".safetensors", ".bin", ".onnx", ".data", ".xml", ".txt", ".model")
_BLOCK = 1 << 20


def made_by(
    bundle: str | Path, tagger: Tagger, inputs: Inputs, form: Format, **settings: Any
) -> dict[str, Any]:
    """Return what the bytes of a run depend on, as JSON would give it back.

    Args:
        bundle: the bundle's folder.
        tagger: the tagger of it.
        inputs: what is read.
        form: how answers are written.
        **settings: what else there is, by the name under which a difference is told.
    """
    made = {
        "Tagwright": tagwright.__version__,
        "the bundle": fingerprint(Path(bundle)),
        **computed_by(tagger),
        "the input": inputs.marks(),
        "--to": form.name,
        **settings,
    }
    if len(inputs.paths) > 1:  # it is written beside each line
        made["the names of the files"] = [str(path) for path in inputs.paths]
    if form.name == "label-studio":
        made["the name of the bundle"] = Path(bundle).resolve().name
    result: dict[str, Any] = json.loads(json.dumps(made))
    return result


def computed_by(tagger: Tagger) -> dict[str, Any]:
    """Return what the bytes of a run depend on in the machine and in how the tagger was loaded."""
    runtime = tagger.runtime
    package = _PACKAGES.get(runtime.name, runtime.name)
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        version = ""
    return {
        "the runtime": f"{runtime.name} ({package} {version})" if version else runtime.name,
        "the precision": runtime.precision,
        "the device": runtime.device,
        "the budget of a batch": tagger.batch_pieces,
        "the least scores": tagger.thresholds,
    }


def difference(name: str, before: Any, now: Any) -> str:
    """Say in a sentence how two values of `made_by` differ, by their name."""
    if isinstance(before, dict) and isinstance(now, dict) and name == "the bundle":
        file = next(file for file in sorted({**before, **now}) if before.get(file) != now.get(file))
        return f"{file} of the bundle is not the one that the run was begun with"
    if name == "the input":
        return _input_difference(before or [], now or [])
    shown = [json.dumps(value, ensure_ascii=False) for value in (before, now)]
    return f"{name} was {shown[0]} when the run was begun, and is {shown[1]}"


def _input_difference(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> str:
    paths = [[mark["path"] for mark in marks] for marks in (before, now)]
    if paths[0] != paths[1]:
        return f"the run was begun on {', '.join(paths[0])}, and now it is {', '.join(paths[1])}"
    changed = next(new["path"] for old, new in zip(before, now, strict=True) if old != new)
    return f"{changed} has changed since the run was begun"


def fingerprint(bundle: Path) -> dict[str, str]:
    """Return the size and a hash of each file that a bundle's answers depend on.

    Of large files the beginning, the end and blocks between are read: training changes weights everywhere.
    """
    found = {}
    for path in sorted(bundle.iterdir()):
        if path.suffix in _MODEL_FILES and path.is_file():
            size = path.stat().st_size
            sha = hashlib.sha256()
            with path.open("rb") as file:
                for place in range(0, size, max(_BLOCK, size // 16)):
                    file.seek(place)
                    sha.update(file.read(_BLOCK))
                file.seek(max(0, size - _BLOCK))
                sha.update(file.read())
            found[path.name] = f"{size} {sha.hexdigest()[:32]}"
    return found
