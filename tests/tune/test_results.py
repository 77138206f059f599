"""What is said of a search: importance, luck, and the verdict on fresh seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagwright.config import Recipe
from tagwright.tune.importance import LEAST, importance_of
from tagwright.tune.results import Confirmed, Tuned, judge, noise_of, optimism_of
from tagwright.tune.trials import SeedRun, Trial, best_of

SPACE = Recipe(tune={"train.warmup": {"low": 0.0, "high": 0.5}, "train.batch_size": [8, 16]}).space()


def run(f1: float, seed: int = 42) -> SeedRun:
    return SeedRun(seed, f1, f1, f1, f1, 10, 1.0)


def trial(number: int, *scores: float, **more: Any) -> Trial:
    values = {"train.warmup": number / 40, "train.batch_size": 8 if number % 2 else 16}
    runs = tuple(run(f1, 42 + place) for place, f1 in enumerate(scores))
    return Trial(**({"number": number, "id": number, "state": "done", "values": values, "runs": runs} | more))


def tuned(*trials: Trial, **more: Any) -> Tuned:
    return Tuned(Path("out"), "s", "out/study.db", "d", "00", "e", {}, "median", (42,), list(trials), **more)


def test_the_field_that_decides_is_found():
    trials = [trial(number, 0.4 + number / 100) for number in range(20)]
    trials[2] = trial(2, state="pruned", history=((0.5, 1.0, 0.3),))
    shares = importance_of(trials, SPACE)
    assert list(shares) == ["train.warmup", "train.batch_size"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["train.warmup"] > 0.8
    assert importance_of(trials[: LEAST - 1], SPACE) == {}
    assert importance_of([trial(number, 0.5) for number in range(20)], SPACE) == {}


def test_the_best_is_the_first_of_the_highest_means():
    assert best_of([trial(0, 0.5), trial(1, 0.6), trial(2, 0.6), trial(3, 0.7, state="pruned")]).number == 1
    assert best_of([trial(0, state="failed")]) is None


def test_luck_is_what_the_best_of_equal_recipes_leads_by():
    """Against a simulation: twelve recipes of one true F1, two seeds each."""
    draw = np.random.default_rng(0)
    leads, told = [], []
    for _ in range(400):
        scores = 0.5 + 0.01 * draw.standard_normal((12, 2))
        trials = [trial(number, *row) for number, row in enumerate(scores.tolist())]
        leads.append(best_of(trials).f1 - 0.5)
        told.append(optimism_of(trials))
    assert np.mean(told) == pytest.approx(np.mean(leads), rel=0.06)
    assert noise_of([trial(0, 0.4, 0.6)]) == pytest.approx(0.1414, abs=1e-4)
    assert optimism_of([trial(0, 0.5), trial(1, 0.6)]) is None  # one seed says nothing of noise


@pytest.mark.parametrize(
    ("first", "best", "said"),
    [
        ((0.50, 0.51, 0.49), (0.60, 0.61, 0.59), "The best recipe is better, beyond the luck of seeds."),
        (
            (0.60, 0.61, 0.59),
            (0.50, 0.51, 0.49),
            "The best recipe is worse: its lead in the search was luck.",
        ),
        ((0.50, 0.51, 0.49), (0.50, 0.52, 0.49), "So few seeds do not tell them apart"),
        ((0.5, 0.5), (0.5, 0.5), "no seed differs from another, so there is no interval"),
    ],
)
def test_the_verdict_is_that_of_the_fresh_seeds(first, best, said):
    confirmed = Confirmed(tuple(map(run, first)), tuple(map(run, best)))
    words = judge(tuned(trial(0, 0.5), trial(1, 0.6), confirmed=confirmed))
    assert said in " ".join(words)
    assert words[1] == "The recipe itself (trial 0) has F1 0.5000: +0.1000 for the best."


def test_nothing_is_made_of_nothing():
    assert judge(tuned()) == ["No trial is done, so there is no best recipe."]
    assert "nothing to hold it against" in judge(tuned(trial(0, state="failed"), trial(1, 0.5)))[-1]
    assert "the search found none better" in judge(tuned(trial(0, 0.5), trial(1, 0.4)))[-1]
    assert tuned().to_dict()["difference"] is None
