"""Trials of a search as plain values: what was tried, how it went, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, Literal

__all__ = ["SeedRun", "State", "Trial", "best_of", "key_of"]

State = Literal["running", "done", "pruned", "failed", "dropped"]


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One training of a trial, with one seed.

    Attributes:
        seed: of the training.
        f1: lenient micro F1 on validation, in 0..1.
        precision: the same for precision.
        recall: the same for recall.
        strict_f1: F1 by the strict reading.
        steps: of the training.
        seconds: from its beginning to its end.
        history: each evaluation: share of the run in 0..1, epochs and F1.
    """

    seed: int
    f1: float
    precision: float
    recall: float
    strict_f1: float
    steps: int
    seconds: float
    history: tuple[tuple[float, float, float], ...] = ()

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> SeedRun:
        """Take the fields from a JSON object."""
        history = tuple((float(share), float(epoch), float(f1)) for share, epoch, f1 in record["history"])
        return cls(**{**record, "history": history})

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**asdict(self), "history": [list(point) for point in self.history]}


@dataclass(frozen=True, slots=True)
class Trial:
    """A recipe that was tried.

    Attributes:
        number: its place in the search, from 0; 0 is the recipe itself.
        id: its number in the storage, which counts dropped trials too.
        state: `running`; `done`; `pruned`; `failed`, with its `reason`; or `dropped`: it was stopped half-way, and
            another trial has its number.
        values: the fields that vary.
        runs: the trainings that are whole, one a seed.
        history: each evaluation of the training that is not whole: share of the run, epochs and F1.
        reason: why it failed or was dropped.
        owner: the process that runs it.
    """

    number: int
    id: int
    state: State
    values: dict[str, Any]
    runs: tuple[SeedRun, ...] = ()
    history: tuple[tuple[float, float, float], ...] = ()
    reason: str | None = None
    owner: str | None = None

    @property
    def f1(self) -> float | None:
        """Mean F1 of its seeds so far, or the last of the only one; None before the first evaluation."""
        if self.runs:
            return fmean(run.f1 for run in self.runs)
        return self.history[-1][2] if self.history else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation of F1 over seeds; None for fewer than two."""
        return stdev(run.f1 for run in self.runs) if len(self.runs) > 1 else None

    @property
    def epochs(self) -> float:
        """Epochs that were trained, over all seeds."""
        unfinished = self.history[-1][1] if self.history else 0.0
        return sum(run.history[-1][1] for run in self.runs if run.history) + unfinished

    @property
    def seconds(self) -> float:
        """Time of its whole trainings."""
        return sum(run.seconds for run in self.runs)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "number": self.number,
            "id": self.id,
            "state": self.state,
            "values": self.values,
            "f1": self.f1,
            "deviation": self.deviation,
            "epochs": self.epochs,
            "runs": [run.to_dict() for run in self.runs],
            "history": [list(point) for point in self.history],
            "reason": self.reason,
        }


def key_of(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return what two trials of the same recipe share."""
    return tuple(sorted(values.items()))


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial of the highest mean F1 among those that are done; of equals the first."""
    done = [trial for trial in trials if trial.state == "done" and trial.f1 is not None]
    return max(done, key=lambda trial: (trial.f1, -trial.number), default=None)
