"""`tagwright calibrate`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, OwnData, with_data_settings
from tagwright.errors import InputError

__all__ = ["calibrate_command"]


@with_data_settings
def calibrate_command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder of a tagger.")],
    *,
    data: OwnData = None,
    min_precision: Annotated[
        float | None,
        typer.Option(
            "--min-precision",
            metavar="P",
            help="Drop entities of each type under the score at which the others reach this precision.",
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option("--check", metavar="SPLIT", help="Show the effect on another split too, such as test."),
    ] = None,
    precision: Annotated[
        str,
        typer.Option("--precision", metavar="P", help="auto, fp32 or bf16: the one that will serve."),
    ] = "auto",
    clear: Annotated[
        bool, typer.Option("--clear", help="Take temperature and thresholds out of the bundle.")
    ] = False,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Fit a tagger's scores to how often it is right, on the validation split, and keep that in the bundle.

    A temperature makes a score of 0.9 mean right nine times of ten; it changes no tag. With --min-precision
    each type gets a threshold too, and entities under it are no longer given.
    """
    if clear:
        if data is not None or min_precision is not None or check is not None or given:
            raise InputError("--clear takes no other settings", mend="clear first, then calibrate anew")
        _clear(bundle, as_json)
        return
    from tagwright.config import DataSettings
    from tagwright.report.calibration import calibration_view
    from tagwright.report.terminal import show
    from tagwright.score.calibrate import calibrate

    result = calibrate(
        bundle,
        data,
        min_precision=min_precision,
        check=check,
        precision=precision,
        settings=DataSettings(**given),
    )
    for notice in result.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        show(calibration_view(result.to_dict()))


def _clear(bundle: str, as_json: bool) -> None:
    from tagwright.score.calibrate import clear

    cleared = clear(bundle)
    if as_json:
        typer.echo(json.dumps({"bundle": bundle, "cleared": cleared}))
    else:
        what = "temperature and thresholds are gone" if cleared else "there was nothing to clear"
        typer.echo(f"{bundle}: {what}")
