"""`tagwright export`."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from tagwright.cli.options import AsJson, Overwrite, OwnData, with_data_settings

__all__ = ["export_command"]


@with_data_settings
def export_command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder of a tagger.")],
    *,
    to: Annotated[
        Literal["onnx", "openvino"],
        typer.Option("--to", help="The runtime that is to answer: onnx is for onnxruntime."),
    ],
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="The folder to write.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights in int8, activations quantised as they come.")
    ] = False,
    static: Annotated[
        bool,
        typer.Option(
            "--static",
            help="With --int8, for openvino: take the ranges of activations from validation beforehand.",
        ),
    ] = False,
    data: OwnData = None,
    max_drop: Annotated[
        float,
        typer.Option("--max-drop", metavar="X", help="How much lower the F1 of int8 may be, as in 0.005."),
    ] = 0.005,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Write a tagger for a runtime without PyTorch, and prove that it answers the same.

    It is compared with PyTorch in fp32 on the validation split, in padded batches of mixed lengths, with single
    words, full windows and longer documents. If it does not agree, nothing is written.
    """
    from tagwright.config import DataSettings
    from tagwright.export.view import export_view
    from tagwright.export.write import export
    from tagwright.report.terminal import show

    result = export(
        bundle,
        to,
        out,
        int8=int8,
        static=static,
        data=data,
        max_drop=max_drop,
        overwrite=overwrite,
        settings=DataSettings(**given),
        tell=lambda step: typer.echo(f"tagwright: {step}", err=True),
    )
    for notice in result.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        show(export_view(result.to_dict()))
