"""`tagwright tune`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from tagwright.cli.options import AsJson, Encoder, RecipeData, Settings, with_data_settings

__all__ = ["tune_command"]


@with_data_settings
def tune_command(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]",
            help="A TOML file with a table [tune], or a built-in recipe.  [default: search]",
        ),
    ] = None,
    *,
    trials: Annotated[
        int, typer.Option("--trials", "-n", metavar="N", help="Trials in all, with those there already.")
    ] = 12,
    data: RecipeData = None,
    model: Encoder = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="K", help="Trainings of each trial; its F1 is their mean.")
    ] = 1,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder of the search.  [default: runs/DATA-ENCODER-tune]"
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="Database that several machines share, such as postgresql://HOST/NAME.  [default: OUT/study.db]",
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="NAME", help="Name of the study.  [default: RECIPE-DATA-ENCODER]"),
    ] = None,
    pruner: Annotated[
        Literal["median", "hyperband", "none"],
        typer.Option("--pruner", help="What gives up trials that go badly."),
    ] = "median",
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="MINUTES", help="Begin no further trial after so many minutes."),
    ] = None,
    confirm: Annotated[
        int,
        typer.Option(
            "--confirm",
            metavar="K",
            help="In the end, train the best recipe and the first with K fresh seeds, and compare their means.",
        ),
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the search in --out, and its study.")
    ] = False,
    settings: Settings = None,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Search for a better recipe: the highest F1 on the validation split.

    What may vary stands in the recipe's table [tune]. The recipe itself is the first trial; the test split is never
    looked at. FOLDER/best.toml is the best recipe, for `tagwright train`.
    """
    from tagwright.report.terminal import show
    from tagwright.report.tuning import tuning_view
    from tagwright.tune.search import tune

    flags = [f"data.{name}={str(value).lower()}" for name, value in given.items()]
    made = tune(
        recipe,
        trials=trials,
        data=data,
        model=model,
        seeds=seeds,
        out=out,
        storage=storage,
        study=study,
        pruner=pruner,
        timeout=timeout,
        confirm=confirm,
        resume=resume,
        overwrite=overwrite,
        settings=[*flags, *(settings or [])],
    )
    if as_json:
        typer.echo(json.dumps(made.to_dict(), ensure_ascii=False))
        return
    show(tuning_view(made.to_dict()))
    if made.best is not None:
        typer.echo(f"\nthe best recipe is in {made.best_path}: tagwright train {made.best_path}")
    typer.echo(f"the report is in {made.path / 'report.html'}")
