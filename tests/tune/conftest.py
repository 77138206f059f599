from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna (extra tune) is not installed")

import tagwright.report.tuning_page as tuning_page
import tagwright.tune.runner as runner
import tagwright.tune.work as work
from tagwright.train.watch import StoppedByWatch
from tagwright.tune.search import tune
from tagwright.tune.trials import SeedRun
from tests.train.conftest import corpus, encoder, one_thread
from tests.train.toy import FAST, Quiet

__all__ = ["corpus", "encoder", "one_thread"]

SPACE = """
train.learning_rate = {low = 1e-3, high = 1e-1, log = true}
train.epochs = {low = 1, high = 4, step = 1}
train.batch_size = [8, 16]
"""


def write_recipe(folder: Path, space: str = SPACE, **fields: Any) -> Path:
    """Write a recipe with `FAST` settings and a search space."""
    settings = FAST | {name.replace("__", "."): value for name, value in fields.items()}
    lines = [f"{name.removeprefix('train.')} = {value}" for name, value in settings.items()]
    path = folder / "recipe.toml"
    path.write_text("\n".join(["[train]", *lines, "[tune]", space]))
    return path


@pytest.fixture
def searched(corpus, encoder, tmp_path) -> Callable[..., Any]:
    """Search, in a folder of the test's own, and return what came of it."""

    def search(*, space: str = SPACE, fields: dict[str, Any] | None = None, **options: Any) -> Any:
        options = {
            "data": corpus,
            "model": str(encoder),
            "out": tmp_path / "out",
            "console": Quiet(),
        } | options
        return tune(write_recipe(tmp_path, space, **(fields or {})), **options)

    return search


class Formula:
    """Stands in for training: F1 is a formula of the recipe, and what was asked for is kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], int]] = []
        self.splits: set[tuple[str, ...]] = set()
        self.before: Callable[[Any, int], None] = lambda recipe, seed: None

    def f1(self, recipe: Any, seed: int) -> float:
        rate = math.log10(recipe.train.learning_rate)
        return 0.8 - 0.1 * (rate + 1.7) ** 2 - 0.05 / recipe.train.epochs + 0.003 * (seed % 5)

    def __call__(
        self, recipe: Any, seed: int, data: Any, folder: Path, stepped: Any, scored: Any, history: Any
    ) -> Any:
        values = {
            "rate": recipe.train.learning_rate,
            "epochs": recipe.train.epochs,
            "batch": recipe.train.batch_size,
        }
        self.calls.append((values, seed))
        self.splits.add(tuple(data))
        self.before(recipe, seed)
        f1, epochs = self.f1(recipe, seed), int(recipe.train.epochs)
        for epoch in range(1, epochs + 1):
            stepped(epoch / epochs)
            if scored(epoch / epochs, float(epoch), f1 - 0.2 * (1 - epoch / epochs)):
                raise StoppedByWatch
        return SeedRun(seed, f1, f1, f1, f1, 10, 0.01, tuple(history))


@pytest.fixture
def formula(monkeypatch) -> Formula:
    """Train by a formula."""
    stand_in = Formula()
    monkeypatch.setattr(runner, "run_seed", stand_in)
    monkeypatch.setattr(work, "run_seed", stand_in)
    monkeypatch.setattr(tuning_page, "render_tuning", lambda made: "")  # the figures take most of the time
    return stand_in
