"""The search itself: trials until there are enough, then the best recipe and what is known of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import Any

from rich.console import Console

from tagwright.errors import MissingExtraError, RunError
from tagwright.report.tuning import SearchDisplay
from tagwright.train.record import versions
from tagwright.train.run import INTERRUPTED
from tagwright.tune.importance import importance_of
from tagwright.tune.results import Confirmed, Tuned
from tagwright.tune.runner import Job, run_seed, run_trial
from tagwright.tune.setup import Search, say
from tagwright.tune.trials import SeedRun, Trial, best_of

__all__ = ["confirm_best", "finish", "work"]

FAILURES_AT_START = 3
FAILURES_IN_A_ROW = 5
MISSES = 10  # draws one after another that were tried already
WAIT = 2.0  # seconds between two looks at trials that run elsewhere


def work(search: Search, trials: int, *, timeout: float | None, console: Console) -> None:
    """Run trials until there are `trials` in all, whoever ran them.

    Raises:
        InputError: the recipe itself cannot be trained.
        RunError: it was stopped, or trials fail one after another.
    """
    study = search.study
    end = None if timeout is None else time.monotonic() + 60 * timeout
    study.bury(own=True)
    there = _counted(study.trials())
    finished = [trial for trial in there if trial.state != "running"]
    if len(finished) >= trials:
        search.note(f"the study has {len(finished)} trials already; nothing to do (--trials {trials})")
        return
    if finished:
        search.note(f"going on after {len(finished)} trials")
    with SearchDisplay(console, total=trials, keys=[one.key for one in search.space]) as display:
        misses = 0
        try:
            while True:
                study.bury()
                found = _counted(study.trials())
                display.show([trial.to_dict() for trial in found])
                finished = [trial for trial in found if trial.state != "running"]
                if len(finished) >= trials:
                    return
                _check_failures(finished, search)
                if end is not None and time.monotonic() >= end:
                    search.note(f"the time is up after {len(finished)} of {trials} trials; --resume goes on")
                    return
                if search.space.size is not None and len(found) >= search.space.size:
                    if len(finished) < len(found):
                        time.sleep(WAIT)
                        continue
                    search.note(f"the space holds {search.space.size} recipes, and all of them were tried")
                    return
                if len(found) >= trials:
                    display.wait(len(found) - len(finished))
                    time.sleep(WAIT)
                    continue
                misses = 0 if _run_next(search, trials, display) else misses + 1
                if misses == MISSES:
                    search.note(
                        f"no values were found that were not tried: {len(found)} trials are all there are"
                    )
                    return
        except KeyboardInterrupt:
            raise _interrupted(search, trials) from None


def _run_next(search: Search, trials: int, display: SearchDisplay) -> bool:
    """Run a trial; say whether there was one to run."""
    running = search.study.ask(trials)
    if running is None:
        return False

    def show() -> None:
        display.show([trial.to_dict() for trial in _counted(search.study.trials())])

    job = Job(
        search.trial_recipe,
        search.space,
        search.data,
        search.seeds,
        search.folder.training,
        lambda share: display.progress(running.number, share),
        show,
    )
    show()
    with running.heart():
        run_trial(job, running, search.study.known(running.values))
    show()
    return True


def _check_failures(finished: Sequence[Trial], search: Search) -> None:
    """End a search in which nothing succeeds."""
    started = sorted(finished, key=lambda trial: trial.number)
    first = list(takewhile(lambda trial: trial.state == "failed", started))
    last = list(takewhile(lambda trial: trial.state == "failed", reversed(started)))
    if len(first) == len(started) and len(first) >= FAILURES_AT_START:
        what = f"the first {len(first)} trials failed, the last of them: {first[-1].reason}"
    elif len(last) >= FAILURES_IN_A_ROW and len(last) % FAILURES_IN_A_ROW == 0:
        what = f"{len(last)} trials in a row failed, the last of them: {last[0].reason}"
    else:
        return
    raise RunError(
        what,
        where=search.study.shown,
        mend="mend the recipe or its [tune] table and begin anew with --overwrite",
    )


def confirm_best(search: Search, count: int, *, console: Console) -> Confirmed | None:
    """Train the best recipe and the first with seeds that the search never used.

    What is trained is kept with the study, so that a stop loses one training at most.

    Returns:
        The trainings; None where the best recipe is the first one or there is none.

    Raises:
        RunError: it was stopped or failed.
    """
    found = search.study.trials()
    best = best_of(found)
    first = next((one for one in found if one.number == 0 and one.state == "done"), None)
    if best is None or first is None or best.number == 0:
        search.note(
            "nothing to confirm: " + ("the best recipe is the recipe itself" if best else "no trial is done")
        )
        return None
    seeds = [(search.seeds[-1] + 1 + number) % 2**32 for number in range(count)]
    sides: dict[int, list[SeedRun]] = {first.number: [], best.number: []}
    try:
        for seed in seeds:
            for trial in (first, best):
                sides[trial.number].append(_confirm_one(search, trial, seed, console))
    except KeyboardInterrupt:
        raise _interrupted(search, None) from None
    return Confirmed(tuple(sides[first.number]), tuple(sides[best.number]))


def _confirm_one(search: Search, trial: Trial, seed: int, console: Console) -> SeedRun:
    key = f"confirm:{trial.id}:{seed}"
    if kept := search.study.recall(key):
        return SeedRun.read(kept)
    history: list[tuple[float, float, float]] = []

    def scored(share: float, epoch: float, f1: float) -> bool:
        history.append((share, epoch, f1))
        return False

    recipe = search.space.apply(search.trial_recipe, trial.values)
    try:
        run = run_seed(recipe, seed, search.data, search.folder.training, lambda _: None, scored, history)
    except RunError as error:
        if error.exit_code == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise
    search.study.keep(key, run.to_dict())
    say(console, f"confirming with seed {seed}: trial {trial.number} has F1 {run.f1:.4f}")
    return run


def finish(search: Search, confirmed: Confirmed | None) -> Tuned:
    """Write the best recipe, the figures and the page."""
    found = search.study.trials()
    made = Tuned(
        path=search.folder.path,
        study=search.study.name,
        storage=search.study.shown,
        source=search.corpus.source,
        sha256=search.corpus.sha256,
        encoder=str(search.recipe.model.encoder),
        space=search.space.to_dict(),
        pruner=search.pruner,
        seeds=search.seeds,
        trials=found,
        importance=importance_of(found, search.space),
        confirmed=confirmed,
        versions={**versions(search.recipe.train.engine), "optuna": metadata.version("optuna")},
        notices=search.notices,
    )
    if (best := made.best) is not None:
        search.folder.write_best(_best_recipe(search, best), _head(made))
    try:
        from tagwright.report.tuning_page import render_tuning

        search.folder.write_report(render_tuning(made.to_dict()))
    except MissingExtraError as error:
        search.note(f"no page was written: {error}")
        made = replace(made, notices=search.notices)
    search.folder.write_trials(made.to_dict())
    return made


def _best_recipe(search: Search, best: Trial) -> Any:
    """Return the best recipe as `train` takes it from anywhere: paths that are there are whole."""
    recipe = search.space.apply(search.recipe, best.values)
    for section, name in ((recipe.data, "source"), (recipe.model, "encoder")):
        path = getattr(section, name)
        if path is not None and Path(path).exists():
            setattr(section, name, str(Path(path).resolve()))
    return recipe


def _head(made: Tuned) -> list[str]:
    best = made.best
    assert best is not None
    seeds = ", ".join(f"{run.f1:.4f} (seed {run.seed})" for run in best.runs)
    lines = [
        f"Trial {best.number} of the study {made.study}, the best of tagwright tune.",
        f"Validation F1 {best.f1:.4f}: {seeds}.",
    ]
    if (first := made.first) is not None and first.number != best.number:
        lines.append(f"The recipe it began with (trial 0): {first.f1:.4f}.")
    counts = ", ".join(f"{made.count(state)} {state}" for state in ("done", "pruned", "failed"))
    package = ", ".join(f"{name} {version}" for name, version in made.versions.items())
    lines += [
        f"Trials: {counts}.",
        "The best of many trials owes part of its lead to luck.",
        f"Data: {made.source}, SHA-256 {made.sha256}.",
        f"Versions: {package}.",
    ]
    if made.confirmed is not None:
        test = made.confirmed.to_dict()
        lines.insert(
            3,
            f"With {len(test['seeds'])} fresh seeds: {test['best']['mean']:.4f} against {test['first']['mean']:.4f}.",
        )
    return lines


def _counted(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.state != "dropped"]


def _interrupted(search: Search, trials: int | None) -> RunError:
    done = sum(trial.state not in ("running", "dropped") for trial in search.study.trials())
    what = f"interrupted; {done} of {trials} trials are done" if trials else "interrupted while confirming"
    error = RunError(
        what,
        where=str(search.folder.path),
        mend=f"go on with the same call and --resume (--out {search.folder.path})",
    )
    error.exit_code = INTERRUPTED
    return error
