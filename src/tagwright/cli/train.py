"""`tagwright train`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tagwright.cli.options import (
    Encoder,
    Engine,
    Overwrite,
    RecipeData,
    RunFolder,
    Settings,
    with_data_settings,
)

__all__ = ["train_command"]


@with_data_settings
def train_command(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help="A TOML file or a built-in recipe: default, guide, search."),
    ] = None,
    *,
    data: RecipeData = None,
    model: Encoder = None,
    out: RunFolder = None,
    engine: Engine = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest whole checkpoint in --out.")
    ] = False,
    overwrite: Overwrite = False,
    settings: Settings = None,
    report: Annotated[
        bool,
        typer.Option(" /--no-report", help="Write no report.html into --out at the end."),
    ] = True,
    given: dict[str, Any],
) -> None:
    """Train a tagger on labelled words.

    The folder at --out (by default runs/DATA-ENCODER) becomes the tagger: a plain Hugging Face folder with
    tagwright.json beside it.
    """
    from tagwright.report.terminal import score_table, show
    from tagwright.train.ending import leave_word, may_say
    from tagwright.train.engine import train
    from tagwright.train.ranks import rank

    flags = [f"data.{name}={str(value).lower()}" for name, value in given.items()]
    chosen = [f"train.engine={engine}"] if engine else []
    try:
        trained = train(
            recipe,
            data=data,
            model=model,
            out=out,
            resume=resume,
            overwrite=overwrite,
            settings=[*flags, *(settings or []), *chosen],
            report=report,
        )
    except Exception as error:
        leave_word(error)
        if may_say(error):
            raise
        raise typer.Exit(getattr(error, "exit_code", 1)) from None  # another process says it
    if rank() > 0:
        return
    for split, scores in trained.scores.items():
        typer.echo(f"\n{split}")
        show(score_table(scores))
    speed = trained.pieces / max(trained.seconds, 1e-9)
    typer.echo(f"\n{trained.pieces:,} tokens in {trained.seconds:,.0f} s of training: {speed:,.0f} tokens/s")
    typer.echo(f"the tagger is in {trained.path}")
