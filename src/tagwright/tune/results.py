"""What a search came to, and what that allows to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist, fmean, stdev, variance
from typing import Any

from tagwright.score.seeds import SeedTest, welch_and_permutation
from tagwright.tune.trials import SeedRun, Trial, best_of

__all__ = ["Confirmed", "Tuned", "judge", "noise_of", "optimism_of"]


@dataclass(frozen=True)
class Confirmed:
    """The best recipe and the first one, trained with seeds that the search never used.

    Attributes:
        first: the trainings of the first recipe.
        best: the trainings of the best one, with the same seeds.
    """

    first: tuple[SeedRun, ...]
    best: tuple[SeedRun, ...]

    @property
    def test(self) -> SeedTest:
        """The difference of the means, with Welch's interval."""
        return welch_and_permutation([run.f1 for run in self.first], [run.f1 for run in self.best])

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        sides = {"first": self.first, "best": self.best}
        test = self.test
        return {
            "seeds": [run.seed for run in self.first],
            **{
                name: {
                    "f1": [run.f1 for run in runs],
                    "mean": fmean(run.f1 for run in runs),
                    "deviation": stdev(run.f1 for run in runs),
                }
                for name, runs in sides.items()
            },
            "difference": test.difference,
            "interval": None if test.interval is None else list(test.interval),
            "p": test.p,
        }


@dataclass(frozen=True)
class Tuned:
    """A search.

    Attributes:
        path: its folder, with `best.toml`, `trials.json` (`to_dict()`) and `report.html`.
        study: the study's name.
        storage: where it is kept.
        source: the data, as it was named.
        sha256: of the data.
        encoder: what was fine-tuned.
        space: fields and what they may be.
        pruner: what gave trials up.
        seeds: of the trainings of each trial.
        trials: every trial, dropped ones too, by number.
        importance: how much each field matters, adding up to 1; empty where too few trials are done to say.
        confirmed: trainings with fresh seeds, if they were asked for.
        versions: of the packages.
        notices: counted losses and facts, in words.
    """

    path: Path
    study: str
    storage: str
    source: str
    sha256: str
    encoder: str
    space: dict[str, Any]
    pruner: str
    seeds: tuple[int, ...]
    trials: list[Trial]
    importance: dict[str, float] = field(default_factory=dict)
    confirmed: Confirmed | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def counted(self) -> list[Trial]:
        """The trials without those that were dropped."""
        return [trial for trial in self.trials if trial.state != "dropped"]

    @property
    def best(self) -> Trial | None:
        """The trial of the highest mean F1; None where none is done."""
        return best_of(self.trials)

    @property
    def first(self) -> Trial | None:
        """Trial 0, the recipe itself, if it is done."""
        return next((trial for trial in self.counted if trial.number == 0 and trial.state == "done"), None)

    @property
    def best_path(self) -> Path:
        """The best recipe."""
        return self.path / "best.toml"

    def count(self, state: str) -> int:
        """Return how many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright tune`."""
        best, first = self.best, self.first
        states = ("done", "pruned", "failed", "running", "dropped")
        return {
            "study": self.study,
            "storage": self.storage,
            "data": {"source": self.source, "sha256": self.sha256},
            "encoder": self.encoder,
            "space": self.space,
            "pruner": self.pruner,
            "seeds": list(self.seeds),
            "counts": {state: self.count(state) for state in states},
            "best": None if best is None else best.number,
            "first": None if first is None else first.number,
            "difference": None
            if best is None or first is None or best.f1 is None or first.f1 is None
            else best.f1 - first.f1,
            "deviation": noise_of(self.trials),
            "optimism": optimism_of(self.trials),
            "confirmed": None if self.confirmed is None else self.confirmed.to_dict(),
            "words": judge(self),
            "importance": self.importance,
            "trials": [trial.to_dict() for trial in self.trials],
            "versions": self.versions,
            "notices": self.notices,
        }


def noise_of(trials: Sequence[Trial]) -> float | None:
    """Return the standard deviation between seeds of one recipe, from all trials together; None for one seed."""
    spreads = [
        (variance([run.f1 for run in trial.runs]), len(trial.runs) - 1)
        for trial in trials
        if trial.state == "done" and len(trial.runs) > 1
    ]
    freedom = sum(one for _, one in spreads)
    return math.sqrt(sum(spread * one for spread, one in spreads) / freedom) if freedom else None


def optimism_of(trials: Sequence[Trial]) -> float | None:
    """Return how much the best of so many trials would lead their mean by luck alone; None where noise is unknown.

    That is the expected maximum of as many normal values with the noise of a trial's mean: what the best trial may
    seem better by than it is, at most, where the recipes differ little.
    """
    noise = noise_of(trials)
    done = [trial for trial in trials if trial.state == "done"]
    if noise is None or len(done) < 2:
        return None
    place = (len(done) - 0.375) / (len(done) + 0.25)  # Blom's rule for the greatest of a normal sample
    return NormalDist().inv_cdf(place) * noise / math.sqrt(min(len(trial.runs) for trial in done))


def judge(tuned: Tuned) -> list[str]:
    """Say what the search found and what may be said of it, a sentence or two a line."""
    best, first = tuned.best, tuned.first
    if best is None or best.f1 is None:
        return ["No trial is done, so there is no best recipe."]
    lines = [f"Trial {best.number} is the best of {_of(tuned)}: {_figure(best)} on validation."]
    if first is None or first.f1 is None:
        lines.append("The recipe itself (trial 0) is not done, so there is nothing to hold it against.")
        return lines
    if best.number == 0:
        lines.append("That is the recipe itself: the search found none better.")
        return lines
    lines.append(f"The recipe itself (trial 0) has {_figure(first)}: {best.f1 - first.f1:+.4f} for the best.")
    if tuned.confirmed is not None:
        return [*lines, *_judge_confirmed(tuned.confirmed)]
    optimism = optimism_of(tuned.trials)
    if optimism is not None:
        lines.append(
            f"Do not take the whole of that for a gain: the best of so many trials owes part of its lead to luck,"
            f" up to about {optimism:.4f} at the spread seen between seeds ({noise_of(tuned.trials):.4f})."
        )
    else:
        lines.append(
            "Do not take the whole of that for a gain: each figure is from one seed, F1 changes from seed to seed,"
            " and the best of many trials owes part of its lead to luck."
        )
    lines.append("--resume --confirm 5 trains both with five fresh seeds, and says what is left of it.")
    return lines


def _judge_confirmed(confirmed: Confirmed) -> list[str]:
    test = confirmed.test
    means = [fmean(run.f1 for run in runs) for runs in (confirmed.best, confirmed.first)]
    spreads = [stdev(run.f1 for run in runs) for runs in (confirmed.best, confirmed.first)]
    figures = (
        f"With {len(confirmed.best)} seeds that the search never used the best recipe has {means[0]:.4f} ±"
        f" {spreads[0]:.4f} and the recipe itself {means[1]:.4f} ± {spreads[1]:.4f}: {test.difference:+.4f}"
    )
    if test.interval is None:
        return [f"{figures}; no seed differs from another, so there is no interval."]
    low, high = test.interval
    if low > 0:
        verdict = "The best recipe is better, beyond the luck of seeds."
    elif high < 0:
        verdict = "The best recipe is worse: its lead in the search was luck."
    else:
        verdict = "So few seeds do not tell them apart: the lead in the search may have been luck."
    return [f"{figures} (95% interval {low:+.4f} to {high:+.4f}, Welch).", verdict]


def _of(tuned: Tuned) -> str:
    parts = [f"{tuned.count('done')} done"]
    parts += [f"{tuned.count(state)} {state}" for state in ("pruned", "failed") if tuned.count(state)]
    return f"{len([one for one in tuned.counted if one.state != 'running'])} trials ({', '.join(parts)})"


def _figure(trial: Trial) -> str:
    spread = "" if trial.deviation is None else f" ± {trial.deviation:.4f} over {len(trial.runs)} seeds"
    return f"F1 {trial.f1:.4f}{spread}"
