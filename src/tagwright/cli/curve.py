"""`tagwright curve`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, Encoder, Overwrite, RecipeData, Settings, with_data_settings
from tagwright.errors import InputError

__all__ = ["curve_command"]


@with_data_settings
def curve_command(
    recipe: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RECIPE",
            help="A TOML file or a built-in recipe: default, guide, search; further numbers belong to --shares.",
        ),
    ] = None,
    *,
    data: RecipeData = None,
    model: Encoder = None,
    shares: Annotated[
        list[str] | None,
        typer.Option(
            "--shares",
            metavar="SHARE...",
            help="Shares of the train split, above 0 and up to 1.  [default: 0.1 0.25 0.5 1]",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings for each share.")] = 3,
    split: Annotated[
        str,
        typer.Option(
            "--split", metavar="SPLIT", help="What to score: validation, or test if nothing is chosen by it."
        ),
    ] = "validation",
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder of the curve.  [default: runs/DATA-ENCODER-curve]"
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the points that are trained in --out already.")
    ] = False,
    overwrite: Overwrite = False,
    settings: Settings = None,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Train on growing shares of the data, and say whether more labels would help.

    For one seed a smaller share lies inside every larger one; each seed draws others. The recipe's epochs hold
    for every share.
    """
    named, numbers = _sort_out(recipe or [], shares or [])

    from tagwright.report.curve import curve_view
    from tagwright.report.terminal import show
    from tagwright.train.curve import SHARES, curve

    flags = [f"data.{name}={str(value).lower()}" for name, value in given.items()]
    made = curve(
        named,
        data=data,
        model=model,
        shares=numbers or SHARES,
        seeds=seeds,
        out=out,
        split=split,
        resume=resume,
        overwrite=overwrite,
        settings=[*flags, *(settings or [])],
    )
    if as_json:
        typer.echo(json.dumps(made.to_dict(), ensure_ascii=False))
        return
    show(curve_view(made.to_dict()))
    typer.echo(f"\nthe curve is in {made.path}")


def _sort_out(words: list[str], shares: list[str]) -> tuple[str | None, list[float]]:
    """Tell the recipe from the shares: after `--shares 0.1 0.25` the parser takes the second for an argument."""
    numbers = []
    for text in [part for share in shares for part in share.split(",")]:
        number = _number(text)
        if number is None:
            raise InputError(
                f"--shares: {text!r} is no number", mend="write them as in --shares 0.1 0.25 0.5 1"
            )
        numbers.append(number)
    named = []
    for word in words:
        parts = [_number(part) for part in word.split(",")]
        if None in parts:
            named.append(word)
            continue
        if not shares:
            raise InputError(f"{word!r} is no recipe", mend=f"for shares write --shares {word}")
        numbers += [part for part in parts if part is not None]
    if len(named) > 1:
        raise InputError(f"{named[0]!r} and {named[1]!r} cannot both be the recipe", mend="name one")
    return (named[0] if named else None), numbers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
