"""Tagwright: labelled words in, a proven tagger out."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Resolved on first use, so that `import tagwright` loads neither torch nor transformers.
_HOMES = {
    "Aligner": "tagwright.encode.align",
    "Entity": "tagwright.records",
    "Prediction": "tagwright.records",
    "Recipe": "tagwright.config",
    "Tagger": "tagwright.predict.tagger",
    "TagwrightError": "tagwright.errors",
    "align_labels": "tagwright.encode.align",
    "annotate": "tagwright.scale.annotate",
    "calibrate": "tagwright.score.calibrate",
    "compare": "tagwright.score.compare",
    "curve": "tagwright.train.curve",
    "evaluate": "tagwright.score.evaluate",
    "inspect_data": "tagwright.inspect.summary",
    "load_data": "tagwright.data.load",
}
# Rooms that are callable as the function of the same name; see tagwright/rooms.py.
_ROOMS = ("export", "report", "score", "serve", "train", "tune")

__all__ = [
    "Aligner",
    "Entity",
    "Prediction",
    "Recipe",
    "Tagger",
    "TagwrightError",
    "__version__",
    "align_labels",
    "annotate",
    "calibrate",
    "compare",
    "curve",
    "evaluate",
    "export",
    "inspect_data",
    "load_data",
    "report",
    "score",
    "serve",
    "train",
    "tune",
]

if TYPE_CHECKING:
    from tagwright.config import Recipe
    from tagwright.data.load import load_data
    from tagwright.encode.align import Aligner, align_labels
    from tagwright.errors import TagwrightError
    from tagwright.export.write import export
    from tagwright.inspect.summary import inspect_data
    from tagwright.predict.tagger import Tagger
    from tagwright.records import Entity, Prediction
    from tagwright.report.write import report
    from tagwright.scale.annotate import annotate
    from tagwright.score.calibrate import calibrate
    from tagwright.score.compare import compare
    from tagwright.score.counts import score
    from tagwright.score.evaluate import evaluate
    from tagwright.serve.server import serve
    from tagwright.train.curve import curve
    from tagwright.train.engine import train
    from tagwright.tune.search import tune


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"tagwright.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'tagwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
