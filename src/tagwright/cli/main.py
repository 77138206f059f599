"""The frame of the command line: the table of commands, each imported on call, and where errors end."""

from __future__ import annotations

import codecs
import errno
import importlib
import io
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib import metadata
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

import tagwright
from tagwright.errors import MissingExtraError, TagwrightError

__all__ = ["COMMANDS", "app", "run"]


class Command(NamedTuple):
    """Where a command lives, and its line in `tagwright --help`."""

    module: str
    function: str
    help: str


COMMANDS = {
    "train": Command("tagwright.cli.train", "train_command", "Train a tagger on labelled words."),
    "evaluate": Command("tagwright.cli.evaluate", "evaluate_command", "Score a tagger on a labelled split."),
    "score": Command("tagwright.cli.score", "score_command", "Compare two CoNLL files, gold and predicted."),
    "compare": Command("tagwright.cli.compare", "compare_command", "Say which of several systems is better."),
    "report": Command(
        "tagwright.cli.report", "report_command", "Write a page on a tagger: scores and errors."
    ),
    "calibrate": Command(
        "tagwright.cli.calibrate", "calibrate_command", "Fit a tagger's scores to how often it is right."
    ),
    "curve": Command("tagwright.cli.curve", "curve_command", "Find out whether more labels would help."),
    "predict": Command("tagwright.cli.predict", "predict_command", "Tag text, line by line."),
    "export": Command(
        "tagwright.cli.export", "export_command", "Write a tagger for a runtime without PyTorch."
    ),
    "serve": Command("tagwright.cli.serve", "serve_command", "Answer over HTTP, with a page to try it on."),
    "annotate": Command(
        "tagwright.cli.annotate", "annotate_command", "Tag a corpus on Ray, fragment by fragment."
    ),
    "tune": Command(
        "tagwright.cli.tune", "tune_command", "Search for a better recipe on the validation split."
    ),
    "inspect": Command(
        "tagwright.cli.inspect", "inspect_command", "Look at a data set before you train on it."
    ),
    "split": Command("tagwright.cli.split", "split_command", "Make the splits that a data set lacks."),
}


class _Commands(TyperGroup):
    """A group that names every command of the table and imports a command's file only to run that command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, command in COMMANDS.items():
            self.add_command(TyperCommand(name, help=command.help))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, placeholder, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in COMMANDS else placeholder, rest


# Plain help: rich markup would swallow the brackets of `hub:owner/name[@revision]`.
app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tagwright {tagwright.__version__}")
        raise typer.Exit


@app.callback()
def _tagwright(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere in the call.")
    ] = False,
) -> None:
    """Labelled words in, a proven tagger out.

    Results go to stdout, progress and logs to stderr. Exit codes: 0 done, 1 it failed, 2 the call or the
    input is wrong.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the entry point of `tagwright`.

    Args:
        arguments: the words after `tagwright`; `sys.argv`'s when None.

    Returns:
        The exit code: 0 done, 1 it failed, 2 the call or the input is wrong, 130 interrupted. Every error is
        one line on stderr; `--debug` puts the traceback before it.
    """
    _open_standard_streams()
    arguments, debug = _take_debug(sys.argv[1:] if arguments is None else arguments)
    try:
        with nullcontext() if _is_first() else _without_stdout():
            code = _call(arguments or ["--help"])
            sys.stdout.flush()  # a full disk or a closed pipe shows here, where it is still an error of ours
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            traceback.print_exc()
        return _report(error)
    return code


def _is_first() -> bool:
    """Tell whether this is the process that speaks among those that `torchrun` started, which all get the same call."""
    alone = os.environ.get("WORLD_SIZE", "1") in ("", "1")
    return alone or os.environ.get("RANK", "0") in ("", "0")


@contextmanager
def _without_stdout() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


def _open_standard_streams() -> None:
    """Stand in for streams that the caller closed: nothing to read, and an error where a result is written."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - stays open
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # results outlive a terminal that is not UTF-8
        codecs.register_error("tagwright.escape", _escape)
        sys.stdout.reconfigure(errors="tagwright.escape")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Write what stdout cannot take as JSON would, so that `--json` stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Take `--debug` out of the options, wherever it stands."""
    border = list(arguments).index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:border] if argument != "--debug"]
    return options + list(arguments[border:]), len(options) < border


def _call(arguments: list[str]) -> int:
    # Not `Command.main`, which prints errors of the call in several lines and keeps Ctrl-C to itself.
    group = typer.main.get_command(app)
    try:
        with group.make_context("tagwright", arguments) as context:
            group.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _load(name: str) -> Any:
    command = COMMANDS[name]
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(getattr(importlib.import_module(command.module), command.function))
    return typer.main.get_command(single)


def _report(error: BaseException) -> int:
    """Say in one line on stderr what went wrong, and return the exit code."""
    if isinstance(error, OSError):
        _give_up_stdout()
    if isinstance(error, BrokenPipeError):  # `tagwright … | head`: the reader has what it wanted
        return 1
    line, code = _explain(error)
    if isinstance(error, typer.TyperException) and not _is_first():
        return code
    print("tagwright: " + " ".join(line.split("\n")), file=sys.stderr)  # noqa: T201 - the command line's own voice
    return code


def _give_up_stdout() -> None:
    """Drop what stdout does not take, or Python would try once more at exit, and say so in lines of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: BaseException) -> tuple[str, int]:
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", 130
    if isinstance(error, ModuleNotFoundError) and (missing := _missing_extra(error)):
        error = missing
    if isinstance(error, TagwrightError):
        return f"error: {error}", error.exit_code
    if isinstance(error, typer.TyperException):
        return f"error: {_usage(error)}", error.exit_code
    if isinstance(error, typer.Abort):
        return "aborted", 1
    if isinstance(error, MemoryError):
        return "error: out of memory; close other programs, or give smaller batches or shorter texts", 1
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        if error.errno == errno.EBADF and not place:
            return "error: stdout is closed; leave it open, or write to a file", 1
        mend = "; free some space and run it again" if error.errno == errno.ENOSPC else ""
        code = 2 if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else 1  # a path that was given
        return f"error: {place}{error.strerror or error or type(error).__name__}{mend}", code
    return f"internal error: {type(error).__name__}: {error}; run it again with --debug for the traceback", 1


def _usage(error: typer.TyperException) -> str:
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "tagwright"
    return f"{message[:1].lower()}{message[1:]}{' See' if message.endswith('?') else '; see'} {path} --help"


def _missing_extra(error: ModuleNotFoundError) -> MissingExtraError | None:
    """Name the smallest extra of Tagwright that brings the package that is missing, if one does."""
    package = (error.name or "").partition(".")[0]
    pattern = re.compile(r"([\w.-]+).*\bextra *== *['\"]([\w-]+)['\"]")
    extras: dict[str, set[str]] = {}
    for found in filter(None, map(pattern.match, metadata.requires("tagwright") or ())):
        extras.setdefault(found[2], set()).add(found[1].replace("-", "_"))
    bringing = [name for name, packages in extras.items() if package in packages]
    if not bringing:
        return None
    smallest = min(bringing, key=lambda name: len(extras[name]))
    return MissingExtraError(f"{package} is not installed", mend=f"pip install 'tagwright[{smallest}]'")
