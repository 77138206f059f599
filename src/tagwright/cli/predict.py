"""`tagwright predict`."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from tagwright.errors import InputError, RunError

if TYPE_CHECKING:
    from tagwright.predict.files import Render, Summary
    from tagwright.predict.readers import Line
    from tagwright.records import Prediction

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
        Literal["text", "jsonl", "conll"] | None,
        typer.Option("--from", help="Format of the input; by the file's ending, else text, when not given."),
    ] = None,
    target: Annotated[
        Literal["jsonl", "conll", "text"] | None,
        typer.Option(
            "--to",
            help="Format of the output; by --out's ending, else text on a terminal and jsonl elsewhere.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here instead of stdout.")
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects", metavar="FILE", help="Write lines that cannot be read here, with the reason."
        ),
    ] = None,
    field: Annotated[str, typer.Option("--field", help="Key of the text in JSON lines.")] = "text",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option("--precision", help="Precision of the products; auto takes bf16 where it is fast."),
    ] = "auto",
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
    """Tag text, line by line: files or stdin in, JSON lines, CoNLL or marked text out."""
    from tagwright.predict.files import predict_lines
    from tagwright.predict.readers import check_file
    from tagwright.predict.tagger import Tagger

    paths = files or [STDIN]
    for path in paths:
        if path != STDIN:
            check_file(path)
    _check_outputs(paths, out, rejects)
    several = len(paths) > 1
    tagger = Tagger.load(bundle, precision=precision, thresholds=not no_thresholds, min_score=min_score)
    terminal = out is None and sys.stdout.isatty()
    target = target or _target_of(out, terminal)
    begin = time.perf_counter()
    try:
        with ExitStack() as stack:
            summary = predict_lines(
                tagger,
                _lines(paths, source, field),
                stack.enter_context(_written(out)) if out else sys.stdout.buffer,
                render=_render(target, terminal, several, tagger.labels.types),
                chunk=chunk or _chunk_of(paths),
                rejects=stack.enter_context(_written(rejects)) if rejects else None,
                errors_to_out=target == "jsonl",
                several=several,
            )
    except RunError as error:
        if out is None or error.where == str(_part(out)):
            raise
        mend = f"{error.mend}; the answers so far are in {_part(out)}"
        raise RunError(error.what, where=error.where, mend=mend) from error
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"{error}; they are in {_part(out)}" if out else str(error)) from None
    _conclude(summary, paths, rejects, time.perf_counter() - begin)


def _check_outputs(paths: list[Path], out: Path | None, rejects: Path | None) -> None:
    """Refuse outputs that cannot be, before any work is done."""
    from tagwright.predict.compressed import unpacked_name

    taken = {_real(path): "FILE" for path in paths if path != STDIN}
    for flag, path in (("--out", out), ("--rejects", rejects)):
        if path is None:
            continue
        if unpacked_name(path) != path:
            raise InputError(
                f"{flag} is written as it is, not packed", where=str(path), mend="leave its last ending out"
            )
        if path.is_dir() or not path.parent.is_dir():
            what = "a folder stands there" if path.is_dir() else "there is no such folder to write to"
            raise InputError(what, where=str(path), mend=f"name a file with {flag}")
        if _real(path) in taken:
            raise InputError(
                f"{flag} is also {taken[_real(path)]}", where=str(path), mend="name another file"
            )
        taken[_real(path)] = flag


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises where links go round in a circle


def _target_of(out: Path | None, terminal: bool) -> Literal["jsonl", "conll", "text"]:
    from tagwright.predict.readers import format_of

    if out is None:
        return "text" if terminal else "jsonl"
    found = format_of(out)
    if found == "conll":
        return "conll"
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


def _lines(paths: list[Path], source: str | None, field: str) -> Iterator[Line]:
    from tagwright.predict.compressed import open_unpacked
    from tagwright.predict.readers import format_of, read_lines

    for path in paths:
        if path == STDIN:
            yield from read_lines(sys.stdin.buffer, "stdin", source or "text", field=field)
        else:
            with open_unpacked(path) as file:
                yield from read_lines(file, str(path), source or format_of(path), field=field)


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place and move it there when it is whole; what was done is kept until then."""
    part = _part(path)
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            if part != path:
                os.fsync(file.fileno())
        if part != path:
            os.replace(part, _real(path))
    except BrokenPipeError:  # that is stdout
        raise
    except OSError as error:
        raise RunError(f"cannot be written: {error.strerror or error}", where=str(part)) from error


def _part(path: Path) -> Path:
    if path.exists() and not path.is_file():  # /dev/null, a named pipe
        return path
    return _real(path).with_name(path.name + ".part")


def _render(target: str, terminal: bool, several: bool, types: tuple[str, ...]) -> Render:
    from tagwright.predict.files import renderer

    plain = renderer(target, several=several)
    if target != "text" or not terminal:
        return plain
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if console.no_color or not console.color_system:
        return plain
    colours = dict(
        zip(types, ["cyan", "magenta", "green", "yellow", "blue", "red"] * len(types), strict=False)
    )

    def coloured(line: Line, text: str, prediction: Prediction) -> str:
        shown, done = Text(), 0
        for entity in prediction.entities:
            shown.append(text[done : entity.start])
            shown.append(entity.text, style=f"bold {colours[entity.label]}")
            shown.append(f" {entity.label}", style=f"dim {colours[entity.label]}")
            done = entity.end
        shown.append(text[done:])
        with console.capture() as captured:
            console.print(shown)
        return captured.get()

    return coloured


def _conclude(summary: Summary, paths: list[Path], rejects: Path | None, seconds: float) -> None:
    """Say on stderr what was done and what was not."""
    if paths != [STDIN]:
        if not summary.lines:
            raise InputError("there is no line in it", where=", ".join(map(str, paths)))
        entities = _count(summary.entities, "entity", "entities")
        typer.echo(
            f"{_count(summary.lines, 'line')}, {_count(summary.words, 'word')}, {entities} "
            f"in {seconds:.1f} s ({summary.words / max(seconds, 1e-9):,.0f} words/s)",
            err=True,
        )
    if summary.dropped_entities:
        entities = _count(summary.dropped_entities, "entity", "entities")
        typer.echo(f"{entities} under the threshold dropped", err=True)
    if summary.lost_words:
        typer.echo(
            f"{_count(summary.lost_words, 'word')} beyond the window tagged O unseen "
            "(the bundle says on_overflow = truncate)",
            err=True,
        )
    if summary.bad == summary.lines > 0:
        raise InputError(
            f"no line could be tagged, {summary.bad:,} of {summary.lines:,}; the first: {summary.first_bad}"
        )
    if summary.bad:
        kept = f", see {rejects}" if rejects else ""
        typer.echo(
            f"{summary.bad:,} of {summary.lines:,} lines could not be tagged{kept}; the first: {summary.first_bad}",
            err=True,
        )


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
