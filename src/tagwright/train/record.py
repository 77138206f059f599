"""How a bundle was made, for its `tagwright.json`."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.errors import TagwrightError

__all__ = ["REPORT", "make_record", "versions", "write_report"]

REPORT = "report.html"
"""The report in the folder of a run."""

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


TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos")
"""Distributions of the package `tensorflow`, of which one is installed."""


def versions(engine: str = "torch") -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what comes out of a training run."""
    found = {"python": platform.python_version()}
    found |= {name: version for name in PACKAGES if (version := _version_of(name))}
    if engine == "keras":
        found["keras"] = _version_of("keras") or ""
        found["tensorflow"] = next(filter(None, map(_version_of, TENSORFLOW)), "")
    return found


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def make_record(
    recipe: Recipe,
    corpus: Corpus,
    *,
    steps: int,
    best_step: int,
    scores: dict[str, Any],
    history: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what `BundleMeta.made` holds.

    Args:
        recipe: the resolved recipe.
        corpus: the data, after any hold-out.
        steps: steps that were trained.
        best_step: the step whose weights the bundle holds.
        scores: for each scored split, the JSON of `tagwright evaluate`.
        history: how the run went; see `tagwright.train.history.History.record`.
    """
    return {
        "engine": recipe.train.engine,
        "recipe": recipe.model_dump(mode="json"),
        "seed": recipe.train.seed,
        "versions": versions(recipe.train.engine),
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
        **(history or {}),
    }


def write_report(run: Path, corpus: Corpus, *, precision: str, note: Callable[[str], None]) -> Path | None:
    """Write the report of a run that is complete, whatever happens to the report.

    Args:
        run: the bundle.
        corpus: what it was trained on.
        precision: at which its scores were measured.
        note: told what was written, or in one line why not.

    Returns:
        The file, or None.
    """
    try:
        from tagwright.report.write import report

        path = report(run, corpus, out=run / REPORT, precision=precision)
    except (Exception, KeyboardInterrupt) as error:  # the run is complete and saved; a page must not fail it
        reason = str(error) if isinstance(error, TagwrightError) else f"{type(error).__name__}: {error}"
        if isinstance(error, KeyboardInterrupt):
            reason = "interrupted"
        note(f"no report was written: {' '.join(reason.split())}")
        return None
    note(f"the report is in {path}")
    return Path(path)
