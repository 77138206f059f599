"""One trial: a recipe trained with each seed, watched, and given up when it goes badly."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tagwright.config import Recipe, Space
from tagwright.errors import InputError, RunError
from tagwright.model.bundle import read_meta
from tagwright.train.engine import train
from tagwright.train.run import INTERRUPTED
from tagwright.train.watch import StoppedByWatch, Watch
from tagwright.tune.pruning import points_of
from tagwright.tune.storage import StorageError
from tagwright.tune.study import Running
from tagwright.tune.trials import SeedRun

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Job", "run_seed", "run_trial"]


@dataclass(frozen=True)
class Job:
    """What all trials share.

    Attributes:
        recipe: the recipe that they vary.
        space: what they vary of it.
        data: the train and the validation split, and no other.
        seeds: of the trainings of a trial.
        folder: where a training happens; it is emptied before and after.
        told: called after each step of a training with the share of the trial that is done.
        scored: called after each evaluation, when it is written down.
    """

    recipe: Recipe
    space: Space
    data: DatasetDict
    seeds: Sequence[int]
    folder: Path
    told: Callable[[float], None]
    scored: Callable[[], None]


def run_trial(job: Job, running: Running, known: Mapping[int, SeedRun]) -> None:
    """Train a trial with each seed, and write down what comes of it.

    Args:
        job: what all trials share.
        running: the trial.
        known: trainings of the same values that an interrupted trial left, by seed.

    Raises:
        InputError: the recipe or the data is wrong: it is trial 0 that fails, which is the recipe itself.
        KeyboardInterrupt: the user stopped it.
    """
    recipe = job.space.apply(job.recipe, running.values)
    runs: list[SeedRun] = []
    try:
        for place, seed in enumerate(job.seeds):
            history: list[tuple[float, float, float]] = []
            found = known.get(seed)

            def scored(
                share: float, epoch: float, f1: float, place: int = place, history: Any = history
            ) -> bool:
                history.append((share, epoch, f1))
                points = points_of(
                    [*(run.history for run in runs), history], keep_best=recipe.train.keep_best
                )
                bad = running.report(place, points, history)
                job.scored()
                return bad

            def stepped(share: float, place: int = place) -> None:
                job.told((place + share) / len(job.seeds))

            if found is None:
                found = run_seed(recipe, seed, job.data, job.folder, stepped, scored, history)
            else:
                for point in found.history:
                    scored(*point)
            runs.append(found)
            running.add(found)
    except StoppedByWatch:
        best = max(f1 for _, _, f1 in history) if recipe.train.keep_best else history[-1][2]
        running.prune(fmean([*(run.f1 for run in runs), best]))
    except KeyboardInterrupt:
        running.drop("interrupted")
        raise
    except InputError as error:
        if running.number == 0:
            running.drop(str(error))
            raise
        running.fail(str(error))
    except StorageError:
        with suppress(StorageError):
            running.drop("the storage did not answer")
        raise
    except RunError as error:
        if error.exit_code == INTERRUPTED:
            running.drop("interrupted")
            raise KeyboardInterrupt from None
        running.fail(_own(error))
    except Exception as error:  # whatever a library raises for values that it cannot train with
        running.fail(" ".join(f"{type(error).__name__}: {error}".split())[:500])
    else:
        running.finish(fmean(run.f1 for run in runs))


def run_seed(
    recipe: Recipe,
    seed: int,
    data: DatasetDict,
    folder: Path,
    stepped: Callable[[float], None],
    scored: Callable[[float, float, float], bool],
    history: Sequence[tuple[float, float, float]],
) -> SeedRun:
    """Train a recipe with a seed, and leave nothing of it on disk.

    Args:
        recipe: what to train.
        seed: of the training.
        data: the train and the validation split.
        folder: where to.
        stepped: told after each step how much of the run is done.
        scored: told each evaluation; True ends the run.
        history: where `scored` keeps the evaluations.

    Raises:
        StoppedByWatch: `scored` ended it.
        RunError: it failed or was stopped.
    """
    mine = recipe.model_copy(deep=True)
    mine.train.seed = seed
    mine.train.keep_checkpoints = False
    started = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        trained = train(
            mine,
            data=data,
            out=folder,
            report=False,
            callbacks=[Watch(stepped, scored)],
            console=Console(file=io.StringIO(), quiet=True),
        )
        steps = int(read_meta(trained.path).made["steps"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    scores = trained.scores["validation"]
    return SeedRun(
        seed=seed,
        f1=scores["lenient"]["f1"],
        precision=scores["lenient"]["precision"],
        recall=scores["lenient"]["recall"],
        strict_f1=scores["strict"]["f1"],
        steps=steps,
        seconds=time.perf_counter() - started,
        history=tuple(history),
    )


def _own(error: RunError) -> str:
    """Say what failed without the folder, which is gone, and the way to go on, which a search goes by itself."""
    return error.what.partition("; the checkpoint of step")[0]
