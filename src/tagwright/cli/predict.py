"""`tagwright predict`."""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tagwright.cli.options import Precision, Runtime
from tagwright.cli.predicted import conclude
from tagwright.errors import InputError, RunError, require

if TYPE_CHECKING:
    from tagwright.predict.files import Summary
    from tagwright.predict.inputs import Inputs, Place
    from tagwright.predict.progress import Meter
    from tagwright.predict.resume import Run
    from tagwright.predict.tagger import Tagger
    from tagwright.predict.writers import Format

__all__ = ["predict_command"]

STDIN = Path("-")


def predict_command(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Folder that `tagwright train --out` wrote.")
    ],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="What to tag; stdin, line by line, without a FILE or with -."
        ),
    ] = None,
    *,
    source: Annotated[
        Literal["text", "jsonl", "conll", "parquet"] | None,
        typer.Option("--from", help="Format of the input; by the file's ending, else text, when not given."),
    ] = None,
    target: Annotated[
        Literal["jsonl", "conll", "parquet", "label-studio", "doccano", "text"] | None,
        typer.Option(
            "--to",
            help="Format of the output; by --out's ending, else text on a terminal and jsonl elsewhere.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here instead of stdout.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run with the same --out was.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Throw away what a stopped run left in FILE.part.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects", metavar="FILE", help="Write lines that cannot be read here, with the reason."
        ),
    ] = None,
    field: Annotated[
        str, typer.Option("--field", help="Key of the text in JSON lines, its column in Parquet.")
    ] = "text",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    no_thresholds: Annotated[
        bool, typer.Option("--no-thresholds", help="Keep entities under the bundle's thresholds.")
    ] = False,
    min_score: Annotated[
        float,
        typer.Option("--min-score", metavar="X", help="Drop entities that score under X, in 0..1."),
    ] = 0.0,
    chunk: Annotated[
        int | None,
        typer.Option(
            "--chunk",
            min=1,
            help="Lines tagged and written together: 1024 for files, 1 for a pipe or a terminal when not given.",
        ),
    ] = None,
) -> None:
    """Tag text, line by line: files or stdin in; JSON lines, CoNLL, Parquet or marked text out."""
    from tagwright.predict.files import predict_lines
    from tagwright.predict.inputs import Inputs
    from tagwright.predict.origin import made_by
    from tagwright.predict.parts import PartFile
    from tagwright.predict.pipeline import overlap_pays
    from tagwright.predict.progress import Meter
    from tagwright.predict.readers import check_file
    from tagwright.predict.resume import Run, is_done
    from tagwright.predict.tagger import Tagger

    paths = files or [STDIN]
    for path in paths:
        if path != STDIN:
            check_file(path, source, field=field)
    _check_outputs(paths, out, rejects)
    terminal = out is None and sys.stdout.isatty()
    kind: str = target or _target_of(out, terminal)
    inputs = Inputs(paths, source=source, field=field)
    _check_run(inputs, kind, out, resume=resume, overwrite=overwrite)
    if resume and out is not None and is_done(out):
        typer.echo(f"{out} is there already; nothing is left to resume", err=True)
        return
    with ExitStack() as stack:
        run = stack.enter_context(Run(out, rejects, resume=resume, overwrite=overwrite)) if out else None
        tagger = Tagger.load(bundle, runtime, precision, thresholds=not no_thresholds, min_score=min_score)
        form = _format(kind, terminal, bundle, tagger, several=len(paths) > 1)
        size = chunk or _chunk_of(paths)
        wanted = _has_terminal_to_itself(paths, out)
        begin = time.perf_counter()
        if run is not None:
            settings = {"--from": source, "--field": field, "--chunk": size, "--rejects": _shown(rejects)}
            made = made_by(bundle, tagger, inputs, form, **settings) if inputs.rereadable else {}
            with Meter(inputs, wanted=wanted) as meter:
                summary = _into_files(run, tagger, inputs, form, size, made, meter)
            seconds = run.seconds
        else:
            kept = stack.enter_context(PartFile(rejects)) if rejects else None
            with Meter(inputs, wanted=wanted) as meter:
                summary = predict_lines(
                    tagger,
                    inputs,
                    sys.stdout.buffer,
                    form=form,
                    chunk=size,
                    rejects=kept,
                    several=len(paths) > 1,
                    after=lambda done, *_: meter.show(done),
                    overlap=size > 1 and overlap_pays(tagger.runtime),
                )
            if kept is not None:
                kept.finish()
            seconds = time.perf_counter() - begin
    conclude(summary, tagger, paths, rejects, seconds)


def _into_files(
    run: Run, tagger: Tagger, inputs: Inputs, form: Format, chunk: int, made: dict[str, Any], meter: Meter
) -> Summary:
    """Tag what is still to be tagged, and move the files to their places."""
    from tagwright.predict.files import Summary, predict_lines
    from tagwright.predict.parquet_file import finish_parquet
    from tagwright.predict.pipeline import overlap_pays

    def after(done: Summary, place: Place, batch_pieces: int) -> None:
        run.wrote(done, place, batch_pieces)
        meter.show(done)

    run.begin(made, tagger)
    inputs.place = run.place
    summary = run.summary or Summary()
    later = "; go on with --resume" if made else ""
    try:
        if not run.finished:
            summary = predict_lines(
                tagger,
                inputs,
                run.out,
                form=form,
                chunk=chunk,
                rejects=run.rejects,
                several=len(inputs.paths) > 1,
                summary=run.summary,
                after=after,
                overlap=chunk > 1 and overlap_pays(tagger.runtime),
            )
        run.finish(finish_parquet if form.name == "parquet" else None)
    except RunError as error:
        if not run.holds_answers or not run.out.is_file:
            raise
        place = "kept" if error.where == str(run.out.path) else f"in {run.out.path}"
        if error.where in [str(path) for path in inputs.paths]:  # once mended, it is another input
            later = ""
        mend = "; ".join(filter(None, [error.mend, f"the answers so far are {place}{later}"]))
        raise RunError(error.what, where=error.where, mend=mend) from error
    except KeyboardInterrupt as error:
        if not run.holds_answers:
            raise
        said = f"{error}; they" if str(error) else "stopped at the last step; the answers"
        raise KeyboardInterrupt(f"{said} are in {run.out.path}{later}") from None
    return summary


def _check_run(inputs: Inputs, target: str, out: Path | None, *, resume: bool, overwrite: bool) -> None:
    """Refuse what cannot be resumed, and formats that cannot go where they are to go."""
    from tagwright.predict.parts import part_of

    if resume and overwrite:
        raise InputError("--resume and --overwrite say opposite things", mend="give one of them")
    if resume and out is None:
        raise InputError(
            "what went to stdout cannot be resumed", mend="write to a file with -o, and resume that"
        )
    if resume:
        inputs.marks()
    if target == "parquet" and (out is None or part_of(out) == out):
        raise InputError("Parquet is written to a file alone", mend="name one with -o")
    if target == "parquet":
        require("pyarrow", "parquet")


def _shown(path: Path | None) -> str | None:
    return os.path.realpath(path) if path is not None else None


def _format(target: str, terminal: bool, bundle: Path, tagger: Tagger, *, several: bool) -> Format:
    from tagwright.predict.coloured import coloured_format
    from tagwright.predict.writers import format_named

    if target == "text" and terminal:
        return coloured_format(tagger.labels.types)
    return format_named(target, several=several, types=tagger.labels.types, model=bundle.resolve().name)


def _check_outputs(paths: list[Path], out: Path | None, rejects: Path | None) -> None:
    """Refuse outputs that cannot be, before any work is done."""
    from tagwright.predict.compressed import unpacked_name
    from tagwright.predict.parts import real_path, working_files

    taken = {real_path(path): "FILE" for path in paths if path != STDIN}
    for flag, path in (("--out", out), ("--rejects", rejects)):
        if path is None:
            continue
        if path == STDIN:
            raise InputError(f"{flag} - names no file", mend=f"leave it out, or name a file with {flag}")
        if unpacked_name(path) != path:
            raise InputError(
                f"{flag} is written as it is, not packed", where=str(path), mend="leave its last ending out"
            )
        if path.is_dir() or not path.parent.is_dir():
            what = "a folder stands there" if path.is_dir() else "there is no such folder to write to"
            raise InputError(what, where=str(path), mend=f"name a file with {flag}")
        places = {real_path(path): flag}
        places |= dict.fromkeys(working_files(path), f"what is written on the way to {flag}")
        for place, name in places.items():
            if place in taken:
                raise InputError(f"{name} is also {taken[place]}", where=str(place), mend="name another file")
        taken |= places


def _target_of(out: Path | None, terminal: bool) -> str:
    from tagwright.predict.readers import format_of

    if out is None:
        return "text" if terminal else "jsonl"
    found = format_of(out)
    if found in ("conll", "parquet"):
        return found
    return "text" if out.suffix.lower() == ".txt" else "jsonl"


def _chunk_of(paths: list[Path]) -> int:
    """A pipe or a terminal waits for its answer, line by line; the lines of files come in chunks."""
    if STDIN not in paths:
        return 1024
    try:
        regular = stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)  # tagwright predict BUNDLE < FILE
    except OSError:
        regular = False
    return 1024 if regular else 1


def _has_terminal_to_itself(paths: list[Path], out: Path | None) -> bool:
    """Tell whether nothing else is written to the terminal, or typed at it; behind a pipe there may be a pager."""
    if STDIN in paths and sys.stdin.isatty():
        return False
    try:
        return out is not None or stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:  # it is closed, or no file
        return False
