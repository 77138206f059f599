"""`tagwright report`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from tagwright.cli.options import AsJson, OutFile, OwnData, with_data_settings
from tagwright.errors import InputError

__all__ = ["report_command"]


@with_data_settings
def report_command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="The folder of a tagger.")],
    *,
    data: OwnData = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="OTHER", help="Another tagger, to compare with.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="SPLIT", help="Which split to score on; test if left out, or else validation."
        ),
    ] = None,
    out: OutFile = None,
    target: Annotated[
        Literal["html", "markdown", "text", "json"] | None,
        typer.Option("--to", help="Format; by --out's ending (.html, .md, .txt, .json), else text."),
    ] = None,
    precision: Annotated[str, typer.Option("--precision", metavar="P", help="auto, fp32 or bf16.")] = "auto",
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Write a page on a tagger: its scores, where it fails, whether its scores can be believed, and its data.

    The page is one file that needs no network. Without --out the same tables go to the terminal.
    """
    from tagwright.config import DataSettings
    from tagwright.report.write import build_context, check_file, check_format, render_as, write_text

    if as_json and target not in (None, "json"):
        raise InputError(f"--json and --to {target} exclude each other", mend="give one of them")
    if as_json:
        target = "json"
    if out is not None:
        check_file(out)
    chosen = check_format(out, target or ("text" if out is None else None))
    context = build_context(
        bundle,
        data,
        against=against,
        split=split,
        precision=precision,
        settings=DataSettings(**given),
    )
    for notice in dict.fromkeys([*context["notices"], *context["analysis"]["notices"]]):
        typer.echo(f"tagwright: {notice}", err=True)
    if out is not None:
        write_text(out, render_as(chosen, context))
        typer.echo(f"the report is in {out}", err=True)
    elif chosen == "text":
        from tagwright.report.overview import overview
        from tagwright.report.terminal import show

        show(overview(context))
    else:
        typer.echo(render_as(chosen, context), nl=False)
