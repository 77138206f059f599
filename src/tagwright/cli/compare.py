"""`tagwright compare`: several systems on the same sentences."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, with_data_settings
from tagwright.errors import InputError

__all__ = ["compare_command"]

_OF_DATA = ("split", "precision", "repair", "misfits", "overlaps")
"""Flags that say how data is read and tagged, and mean nothing for files of gold tags and predictions."""


@with_data_settings
def compare_command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH",
            help="GOLD, then PRED files, all CoNLL; or, with --data, folders of taggers and PRED files.",
        ),
    ] = None,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help="Labelled data instead of GOLD: catalogue name, hub:owner/name[@revision], folder or file.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Which split of DATA: train, validation or test.  [default: test]",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME=PATH,PATH,...",
            help="The runs of one recipe, trained with several seeds; patterns such as runs/new-* are allowed."
            " Repeated: every group is held against the first.",
        ),
    ] = None,
    reading: Annotated[
        str, typer.Option("--reading", metavar="READING", help="lenient or strict; see tagwright score.")
    ] = "lenient",
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", help="Rounds of randomisation and bootstrap.")
    ] = 10_000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the rounds.")] = 0,
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="P", help="Of the taggers: auto, fp32 or bf16.  [default: auto]"),
    ] = None,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Say which of several systems is better, and how sure that is.

    Every system is held against the first, on the same sentences: the difference of micro F1 with a 95%
    interval (paired bootstrap) and a p (approximate randomisation, Holm's correction for several systems).
    With --group, recipes are compared over the seeds of their runs.
    """
    from tagwright.config import DataSettings
    from tagwright.report.comparison import comparison_view
    from tagwright.report.terminal import show
    from tagwright.score.compare import compare

    if data is None:
        used = {"split": split is not None, "precision": precision is not None, **dict.fromkeys(given, True)}
        if useless := next((name for name in _OF_DATA if used.get(name)), None):
            raise InputError(f"--{useless} is for --data, and there is none", mend=f"leave out --{useless}")
    comparison = compare(
        *(paths or ()),
        data=data,
        split=split or "test",
        groups=_read_groups(group) if group else None,
        reading=reading,
        rounds=rounds,
        seed=seed,
        precision=precision or "auto",
        settings=DataSettings(**given),
    )
    for notice in comparison.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), ensure_ascii=False))
    else:
        show(comparison_view(comparison.to_dict()))


def _read_groups(options: list[str]) -> dict[str, list[str]]:
    """Turn `NAME=PATH,PATH` into names and paths; a name may be repeated, and its runs add up."""
    groups: dict[str, list[str]] = {}
    for option in options:
        name, equals, paths = option.partition("=")
        runs = [path.strip() for path in paths.split(",") if path.strip()]
        if not equals or not name.strip() or not runs:
            raise InputError(
                f"--group {option} names no runs", mend="write --group NAME=PATH,PATH, as in new=runs/new-*"
            )
        groups.setdefault(name.strip(), []).extend(runs)
    return groups
