"""The proof of an export: opened as it will be, beside PyTorch in fp32, at each precision that it will serve at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tagwright.errors import InputError, RunError
from tagwright.export.parity import (
    NAMED_SHARES,
    Reference,
    check,
    check_arrays,
    measure,
    measure_speed,
)
from tagwright.export.trials import PARTS, SPLIT, Trials
from tagwright.model.bundle import BundleMeta
from tagwright.model.huggingface import WEIGHTS
from tagwright.predict.tagger import Tagger

__all__ = ["prove"]


def prove(
    source: Path, part: Path, plain: BundleMeta, exported: BundleMeta, trials: Trials, max_drop: float
) -> tuple[dict[str, Any], list[str]]:
    """Compare an export, opened as it will be, with PyTorch in fp32.

    Args:
        source: the bundle.
        part: the export.
        plain: what the bundle says of itself, without temperature and thresholds.
        exported: the same of the export.
        trials: what both are asked.
        max_drop: how much lower the F1 of int8 may be.

    Returns:
        The numbers, as JSON values, and notices.

    Raises:
        RunError: it does not answer as its precision promises.
    """
    reference = Reference(Tagger.load(source, "torch", "fp32", device="cpu", meta=plain), trials)
    if not np.isfinite(reference.answers.logits).all():
        raise RunError(
            "the bundle's own logits are not finite in PyTorch",
            where=str(source),
            mend="its weights are damaged; copy it again, whole",
        )
    taggers = _opened(part, exported)
    agreements, notices = [], []
    if exported.export["precision"] == "int8" and reference.f1 is None:
        notices.append(
            f"the tags of {trials.source} are of another kind than the tagger's: what int8 costs in F1 is not known"
        )
    for tagger in taggers:
        agreement, difference = measure(reference, tagger)
        notices += check(agreement, reference, difference, max_drop=max_drop, ways=_other_ways(exported))
        check_arrays(reference, tagger, difference)
        agreements.append(agreement)
    speeds = measure_speed([reference.tagger, *taggers], trials)
    rows = [
        agreement.to_dict() | {"words_per_second": speed, "named_share": NAMED_SHARES[agreement.precision]}
        for agreement, speed in zip(agreements, speeds[1:], strict=True)
    ]
    return _parity(source, part, reference, rows, speeds[0]), notices


def _other_ways(exported: BundleMeta) -> list[str]:
    """Return how an int8 export that is refused may be tried instead, from the least change on."""
    ways = ["without --int8"]
    if exported.export["runtime"] == "onnx":
        ways.insert(0, "with --to openvino --int8")
    elif exported.export.get("quantization") == "static":
        ways.insert(0, "without --static")
    return ways


def _opened(part: Path, exported: BundleMeta) -> list[Tagger]:
    """Open an export at each precision that it will serve at on this machine."""
    target = exported.export["runtime"]
    try:
        auto = Tagger.load(part, target, "auto", device="cpu", meta=exported)
        if auto.runtime.precision != "bf16":
            return [auto]
        return [Tagger.load(part, target, "fp32", device="cpu", meta=exported), auto]
    except InputError as error:  # ours, of files just written
        raise RunError(f"the export cannot be opened: {error.what}", mend="nothing was written") from error


def _parity(
    source: Path,
    part: Path,
    reference: Reference,
    rows: list[dict[str, Any]],
    speed: float,
) -> dict[str, Any]:
    trials = reference.trials
    made_up = {name: int((trials.parts == number).sum()) for number, name in enumerate(PARTS) if number}
    return {
        "data": trials.source,
        "sha256": trials.sha256,
        "split": SPLIT,
        "sentences": trials.count,
        "sentences_in_split": trials.drawn_from,
        "made_up_rows": made_up,
        "words": len(reference.answers.ids),
        "reference": {
            "runtime": "torch",
            "precision": "fp32",
            "f1": reference.f1,
            "words_per_second": speed,
            "bytes": _size(source, WEIGHTS, (".safetensors", ".bin")),
        },
        "export": [row | {"bytes": _size(part, (), (".onnx", ".data", ".xml", ".bin"))} for row in rows],
    }


def _size(folder: Path, names: tuple[str, ...], endings: tuple[str, ...]) -> int:
    return sum(
        file.stat().st_size for file in folder.iterdir() if file.name in names or file.name.endswith(endings)
    )
