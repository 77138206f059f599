"""`tagwright inspect`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, Splitter, with_data_settings
from tagwright.config import DataSettings

__all__ = ["inspect_command"]


@with_data_settings
def inspect_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Catalogue name (wnut17, sample), hub:owner/name[@revision], folder or file."
        ),
    ],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="ENCODER",
            help="Count lengths in this encoder's pieces as well: minilm, a folder or a name on the Hub.",
        ),
    ] = None,
    splitter: Splitter = "english",
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Look at a data set: sizes, types, lengths, invalid tags, mentions seen in train."""
    from tagwright.inspect.summary import inspect_data
    from tagwright.report.data import summary_view
    from tagwright.report.terminal import show

    summary = inspect_data(data, encoder=model, splitter=splitter, settings=DataSettings(**given)).to_dict()
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
    else:
        show(summary_view(summary))
