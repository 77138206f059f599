"""`tagwright evaluate`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, DataOption, Precision, Runtime, Split, with_data_settings

__all__ = ["evaluate_command"]


@with_data_settings
def evaluate_command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder of a tagger.")],
    *,
    data: DataOption,
    split: Split = "test",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    no_thresholds: Annotated[
        bool, typer.Option("--no-thresholds", help="Keep entities under the bundle's thresholds.")
    ] = False,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Score a tagger on a labelled split."""
    from tagwright.config import DataSettings
    from tagwright.report.terminal import score_table, show
    from tagwright.score.evaluate import evaluate

    scores = evaluate(
        bundle,
        data,
        split=split,
        runtime=runtime,
        precision=precision,
        thresholds=not no_thresholds,
        settings=DataSettings(**given),
    )
    for notice in scores.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(scores.to_dict(), ensure_ascii=False))
    else:
        show(score_table(scores.to_dict()))
