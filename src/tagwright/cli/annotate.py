"""`tagwright annotate`."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tagwright.cli.options import AsJson, Precision, Runtime

if TYPE_CHECKING:
    from tagwright.scale import result

__all__ = ["annotate_command"]


def annotate_command(
    bundle: Annotated[
        Path,
        typer.Argument(metavar="BUNDLE", help="Folder that `tagwright train --out` wrote, or an export."),
    ],
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="File or folder of text, JSON lines, CoNLL, Parquet; a saved data set; s3://, gs://, hub:owner/name.",
        ),
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder to write, or s3:// or gs://.")],
    *,
    to: Annotated[
        Literal["parquet", "jsonl"], typer.Option("--to", help="Format of the output.")
    ] = "parquet",
    field: Annotated[str, typer.Option("--field", help="Column of the text, or of words.")] = "text",
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="A,B", help="Columns of the input to keep; all if left out."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="SQL", help="Tag the rows alone that fulfil this condition."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", help="At most so many rows.")] = None,
    into: Annotated[
        str, typer.Option("--into", metavar="NAME", help="Column that the entities are written to.")
    ] = "entities",
    fragment_rows: Annotated[
        int,
        typer.Option(
            "--fragment-rows",
            metavar="N",
            help="Rows tagged, written and, after a kill, done again together; a multiple of 1024.",
        ),
    ] = 16384,
    actors: Annotated[
        int | None,
        typer.Option("--actors", metavar="N", help="Workers that tag at once; as many as fit if left out."),
    ] = None,
    cores: Annotated[int, typer.Option("--cores", metavar="C", help="Cores of each worker.")] = 1,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    min_score: Annotated[
        float, typer.Option("--min-score", metavar="X", help="Drop entities that score under X, in 0..1.")
    ] = 0.0,
    no_thresholds: Annotated[
        bool, typer.Option("--no-thresholds", help="Keep entities under the bundle's thresholds.")
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="RAY",
            help="Ray cluster; RAY_ADDRESS if left out, else one that is started here and ended again.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw away what an earlier call wrote to OUT.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tag a corpus on Ray, fragment by fragment; the same call again goes on where one was stopped."""
    from tagwright.scale.annotate import annotate
    from tagwright.scale.progress import Meter

    with _terminated_as_interrupted(), Meter() as meter:
        done = annotate(
            bundle,
            source,
            out,
            to=to,
            field=field,
            columns=None if columns is None else _split(columns),
            where=where,
            limit=limit,
            into=into,
            fragment_rows=fragment_rows,
            actors=actors,
            cores=cores,
            runtime=runtime,
            precision=precision,
            min_score=min_score,
            thresholds=not no_thresholds,
            address=address,
            overwrite=overwrite,
            watch=meter.show,
            say=meter.say,
        )
    if as_json:
        typer.echo(json.dumps(done.to_dict(), ensure_ascii=False))
    _conclude(done)


def _split(columns: str) -> list[str]:
    return [name.strip() for name in columns.split(",") if name.strip()]


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: its workers with it, and a word on how to go on."""
    told: list[bool] = []

    def interrupt(*_: object) -> None:
        told.append(True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except Exception:
        if told:  # where Ray was told so, too, it may be the first to fail
            raise KeyboardInterrupt("stopped; give the same call again to go on") from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _conclude(done: result.Annotated) -> None:
    """Say on stderr what was done and what was not."""
    counts = done.counts
    for notice in done.notices:
        _say(notice)
    if done.was_finished:
        _say(f"{done.path} is finished already; nothing is left to do")
    entities = _count(counts.entities, "entity", "entities")
    line = f"{_count(counts.written, 'row')}, {_count(counts.words, 'word')}, {entities} "
    line += f"in {_count(done.fragments, 'file')} in {done.path}"
    if not done.was_finished:
        how = ", ".join(
            str(done.machine[name]).partition(" (")[0]
            for name in ("the runtime", "the precision", "the device")
            if name in done.machine
        )
        line += f"; {done.seconds:.1f} s, {done.words_now / max(done.seconds, 1e-9):,.0f} words/s ({how})"
        if done.done_before:
            line += f"; {_count(done.done_before, 'fragment')} had been done before"
    _say(line)
    if counts.dropped_entities:
        _say(f"{_count(counts.dropped_entities, 'entity', 'entities')} under the threshold dropped")
    if counts.lost_words:
        _say(
            f"{_count(counts.lost_words, 'word')} beyond the window tagged O unseen "
            "(the bundle says on_overflow = truncate)"
        )
    if counts.rejected:
        _say(
            f"{counts.rejected:,} of {_count(counts.rows, 'row')} could not be tagged, "
            f"see {done.path}/_rejects; the first: {counts.first_reject}"
        )


def _say(line: str) -> None:
    typer.echo(" ".join(line.split("\n")), err=True)  # a file's name may have a line break


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
