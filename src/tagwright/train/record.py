"""How a bundle was made, for its `tagwright.json`."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus

__all__ = ["make_record", "versions"]

PACKAGES = (
    "tagwright",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "accelerate",
    "numpy",
    "safetensors",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what comes out of a training run."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def make_record(
    recipe: Recipe, corpus: Corpus, *, steps: int, best_step: int, scores: dict[str, Any]
) -> dict[str, Any]:
    """Return what `BundleMeta.made` holds.

    Args:
        recipe: the resolved recipe.
        corpus: the data, after any hold-out.
        steps: steps that were trained.
        best_step: the step whose weights the bundle holds.
        scores: for each scored split, the JSON of `tagwright evaluate`.
    """
    return {
        "engine": recipe.train.engine,
        "recipe": recipe.model_dump(mode="json"),
        "seed": recipe.train.seed,
        "versions": versions(),
        "data": {
            "source": corpus.source,
            "sha256": corpus.sha256,
            "licence": corpus.licence,
            "sentences": {name: len(split) for name, split in corpus.splits.items()},
            "notices": corpus.notices,
        },
        "steps": steps,
        "best_step": best_step,
        "scores": scores,
    }
