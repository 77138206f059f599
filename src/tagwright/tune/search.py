"""`tagwright tune`: search a space of recipes for the best validation F1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tagwright.config import Recipe
from tagwright.errors import InputError, RunError, TagwrightError, require

if TYPE_CHECKING:
    from datasets import DatasetDict

    from tagwright.tune.results import Tuned

__all__ = ["tune"]

TRIALS = 12


def tune(
    recipe: Recipe | str | Path | None = None,
    *,
    trials: int = TRIALS,
    data: str | Path | DatasetDict | None = None,
    model: str | None = None,
    seeds: int = 1,
    out: str | Path | None = None,
    storage: str | None = None,
    study: str | None = None,
    pruner: str = "median",
    timeout: float | None = None,
    confirm: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    settings: Iterable[str] | Mapping[str, Any] = (),
    console: Console | None = None,
) -> Tuned:
    """Search the space in a recipe's table `[tune]` for the highest F1 on validation.

    The recipe itself is the first trial. The test split is neither scored nor seen. One seed a trial is the default:
    for the same time, twice the trials find more than half the noise does.

    Args:
        recipe: a `Recipe`, a TOML file, or the name of a built-in recipe; None is `search`.
        trials: how many there are to be in all, with those that are there already.
        data: what to train on, as for `load_data`; overrides `data.source`.
        model: the encoder: `minilm`, a folder or a name on the Hub; overrides `model.encoder`.
        seeds: trainings of each trial, with the seeds `train.seed`, `train.seed + 1`, …; its F1 is their mean.
        out: the folder of the search; None is `runs/DATA-MODEL-tune`.
        storage: the address of a database that several machines share; None is SQLite in `out`.
        study: the name of the study in the storage; None is made of the recipe, the data and the encoder.
        pruner: what gives up trials that go badly: `median`, `hyperband` or `none`.
        timeout: minutes after which no further trial begins.
        confirm: in the end, train the best recipe and the first with so many fresh seeds, and compare the means.
        resume: go on with the search in `out`.
        overwrite: replace the search in `out`, and the study in the storage.
        settings: more fields of the recipe, as for `Recipe.load`.
        console: where progress and notices go; None is stderr.

    Raises:
        InputError: the recipe, its space, the data, the encoder or the storage is wrong, or the study was begun with
            something else.
        MissingExtraError: Optuna is not installed.
        RunError: the search was stopped, or its first trials failed; what is done is kept.
    """
    require("optuna", "tune")
    from tagwright.tune.setup import prepare
    from tagwright.tune.work import confirm_best, finish, work

    console = console or Console(stderr=True)
    if trials < 1:
        raise InputError(f"{trials} trials", mend="give at least 1, better 12 or more")
    if confirm < 0 or confirm == 1:
        raise InputError(
            f"--confirm {confirm}", mend="give 2 or more seeds, better 5; an interval needs a spread"
        )
    if timeout is not None and not timeout > 0:
        raise InputError(f"a timeout of {timeout:g} minutes", mend="give more than 0")
    search = prepare(
        recipe,
        data=data,
        model=model,
        seeds=seeds,
        out=out,
        storage=storage,
        study=study,
        pruner=pruner,
        resume=resume,
        overwrite=overwrite,
        settings=settings,
        console=console,
    )
    try:
        work(search, trials, timeout=timeout, console=console)
        confirmed = confirm_best(search, confirm, console=console) if confirm else None
    except RunError:
        with suppress(TagwrightError):  # the first error is the one to tell
            if search.has_best:
                finish(search, None)
        raise
    except InputError:  # of the recipe itself, which shows only as it is trained
        if search.made and storage is None and not search.has_trials:
            search.folder.discard()
        raise
    finally:
        search.folder.clear()
    return finish(search, confirmed)
