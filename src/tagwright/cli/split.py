"""`tagwright split`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, Overwrite, with_data_settings

__all__ = ["split_command"]


@with_data_settings
def split_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Catalogue name (wnut17, sample), hub:owner/name[@revision], folder or file."
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the file of each split.")
    ],
    validation: Annotated[
        float, typer.Option("--validation", metavar="SHARE", help="Share of the documents; 0 makes none.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option("--test", metavar="SHARE", help="Share of the documents; 0 makes none.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another seed draws others.")] = 0,
    split_copies: Annotated[
        bool,
        typer.Option("--split-copies", help="Let sentences with the same words fall into different splits."),
    ] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Make the splits that a data set lacks, by document, and write a file for each split.

    Splits that the data has are kept. Where it marks no documents, sentences are drawn. The files are CoNLL,
    or JSON Lines where the data has what CoNLL cannot keep, such as running text.
    """
    from tagwright.config import DataSettings
    from tagwright.data.load import read_corpus
    from tagwright.data.split_files import split_files

    written = split_files(
        read_corpus(data, settings=DataSettings(**given)),
        out,
        shares={"validation": validation, "test": test},
        seed=seed,
        join_copies=not split_copies,
        overwrite=overwrite,
    )
    for notice in written.notices:
        typer.echo(f"tagwright: {notice}", err=True)
    if as_json:
        typer.echo(json.dumps(written.to_dict(), ensure_ascii=False))
        return
    for name, path in written.files.items():
        counts = [
            f"{count:,} {noun if count != 1 else noun.removesuffix('s')}"
            for noun, count in written.counts[name].items()
            if noun != "copies"
        ]
        copies = written.counts[name].get("copies")
        counts += [f"{copies:,} of the sentences also in train"] if copies else []
        typer.echo(f"{path}: {', '.join(counts)}")
