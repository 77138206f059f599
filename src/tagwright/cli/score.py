"""`tagwright score`: two CoNLL files, gold and predicted, position by position."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tagwright.cli.options import AsJson

__all__ = ["score_command"]


def score_command(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="CoNLL file with the gold tags.")],
    pred: Annotated[Path, typer.Argument(metavar="PRED", help="CoNLL file with any system's tags.")],
    as_json: AsJson = False,
    scheme: Annotated[
        str | None,
        typer.Option(
            "--scheme",
            metavar="SCHEME",
            help="Scheme of the strict reading: iob1, iob2, bioes, bilou, io, word; GOLD's own if left out.",
        ),
    ] = None,
    word_column: Annotated[
        int,
        typer.Option("--word-column", metavar="N", help="Column of the word; negative counts from the end."),
    ] = 0,
    tag_column: Annotated[
        int,
        typer.Option("--tag-column", metavar="N", help="Column of the tag; negative counts from the end."),
    ] = -1,
    ignore_words: Annotated[
        bool,
        typer.Option(
            "--ignore-words",
            help="Compare tags only: words may differ without a note, and lines may hold a tag alone.",
        ),
    ] = False,
) -> None:
    """Score predicted tags against gold tags.

    Lenient is conlleval's reading and seqeval's default; strict counts only spans that the scheme allows as
    they stand. Boundary, type and partial (SemEval-2013) say what wrong spans got right; surface (WNUT 2017)
    counts each distinct form once. Intervals are 95%, by bootstrap over sentences or documents.
    """
    from tagwright.report.terminal import score_table, show
    from tagwright.score.counts import score

    scores = score(
        gold,
        pred,
        scheme=scheme,
        word_column=word_column,
        tag_column=tag_column,
        ignore_words=ignore_words,
    )
    for notice in scores.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(scores.to_dict(), ensure_ascii=False))
    else:
        show(score_table(scores.to_dict()))
