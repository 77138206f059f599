"""The frame of the command line: how it starts, how it ends, and what it says when something is wrong."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer

import tagwright
from tagwright.cli.main import COMMANDS, Command, run
from tagwright.errors import InputError, RunError

HEAVY = ["torch", "transformers", "datasets", "accelerate", "pooch", "pandas", "pyarrow", "scipy", "sklearn"]
HEAVY += ["fastapi", "starlette", "uvicorn", "prometheus_client"]


def loaded_by(code: str, *arguments: str) -> tuple[str, str]:
    """Run Python code in a fresh interpreter; return its stdout and which heavy packages it loaded."""
    code = f"import sys\n{code}\nprint(*[name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.strip()


@pytest.fixture
def fake(monkeypatch):
    """Register a function as the command `fake`."""

    def register(function):
        module = types.ModuleType("fake_command")
        module.command = function
        monkeypatch.setitem(sys.modules, "fake_command", module)
        monkeypatch.setitem(COMMANDS, "fake", Command("fake_command", "command", "Do nothing."))

    return register


@pytest.fixture
def fails(fake, capsys):
    """Run a command that raises; return the exit code and what stood on stderr."""

    def run_it(error: BaseException, *arguments: str) -> tuple[int, str]:
        def command() -> None:
            raise error

        fake(command)
        code = run(["fake", *arguments])
        out, err = capsys.readouterr()
        assert out == ""
        return code, err

    return run_it


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import tagwright") == ("", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(arguments):
    out, heavy = loaded_by(
        "from tagwright.cli.main import run\ncode = run()\nassert code == 0, code", *arguments
    )
    assert out
    assert heavy == ""


def test_the_overview_names_every_command_and_no_more_imports(capsys):
    code, heavy = loaded_by("from tagwright.cli.main import run\nrun(['--help'])\nprint(*sys.modules)")
    assert not any(command.module in code.split() for command in COMMANDS.values())
    assert heavy == ""
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and command.help in out for name, command in COMMANDS.items())


def test_no_arguments_show_the_overview(capsys):
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "start", [[Path(sys.executable).with_name("tagwright")], [sys.executable, "-m", "tagwright"]]
)
def test_the_command_and_the_module_are_one(start):
    done = subprocess.run([*start, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"tagwright {tagwright.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--wrong"], ["no such option: --wrong", "; see tagwright --help"]),
        (["evalute"], ["no such command 'evalute'", "Did you mean 'evaluate'? See tagwright --help"]),
        (["fake"], ["missing argument 'NUMBER'", "; see tagwright fake --help"]),
        (["fake", "x"], ["invalid value for 'NUMBER'", "valid integer", "; see tagwright fake --help"]),
        (
            ["fake", "1", "--color", "red"],
            ["invalid value for '--color': 'red' is not one of 'blue', 'grey'"],
        ),
        (["fake", "1", "2"], ["got unexpected extra argument", "(2)", "; see tagwright fake --help"]),
    ],
)
def test_a_wrong_call_is_one_line_and_2(fake, capsys, arguments, parts):
    def command(
        number: Annotated[int, typer.Argument(metavar="NUMBER")], color: Literal["blue", "grey"] = "blue"
    ) -> None:
        raise AssertionError("never called")

    fake(command)
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tagwright: error: ")
    assert err.index("\n") == len(err) - 1
    assert [part for part in parts if part not in err] == []


def test_a_wrong_input_is_2_and_says_where_and_the_mend(fails):
    error = InputError("line has 1 column", where="train.conll:7", mend="give --tag-column")
    assert fails(error) == (2, "tagwright: error: train.conll:7: line has 1 column; give --tag-column\n")


def test_work_that_failed_is_1(fails):
    assert fails(RunError("the loss is not finite")) == (1, "tagwright: error: the loss is not finite\n")


def test_an_error_of_several_lines_becomes_one(fails):
    assert fails(InputError("one\ntwo")) == (2, "tagwright: error: one two\n")


def test_a_full_disk_says_so(fails):
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/model")
    code, line = fails(error)
    assert code == 1
    assert (
        line == "tagwright: error: /disk/model: No space left on device; free some space and run it again\n"
    )


def test_an_error_of_the_system_is_one_line(fails):
    assert fails(PermissionError(errno.EACCES, "Permission denied", "/x")) == (
        1,
        "tagwright: error: /x: Permission denied\n",
    )
    assert fails(OSError("odd"))[1] == "tagwright: error: odd\n"


def test_out_of_memory_is_one_line(fails):
    code, line = fails(MemoryError())
    assert code == 1
    assert line.startswith("tagwright: error: out of memory")
    assert line.count("\n") == 1


def test_an_unexpected_error_points_to_debug(fails):
    code, line = fails(ZeroDivisionError("division by zero"))
    assert code == 1
    assert line.startswith("tagwright: internal error: ZeroDivisionError: division by zero; ")
    assert "--debug" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(("module", "extra"), [("torch", "train"), ("transformers.models", "train")])
def test_a_package_of_an_extra_that_is_missing_names_the_extra(fails, module, extra):
    code, line = fails(ModuleNotFoundError(f"No module named {module!r}", name=module))
    package = module.partition(".")[0]
    assert (code, line) == (
        2,
        f"tagwright: error: {package} is not installed; pip install 'tagwright[{extra}]'\n",
    )


def test_a_missing_package_of_no_extra_is_an_internal_error(fails):
    code, line = fails(ModuleNotFoundError("No module named 'tagwright.nowhere'", name="tagwright.nowhere"))
    assert code == 1
    assert "internal error" in line


@pytest.mark.parametrize(
    ("message", "line"),
    [((), "interrupted"), (("stopped; go on with --resume",), "stopped; go on with --resume")],
)
def test_an_interrupt_is_130_and_one_line(fails, message, line):
    assert fails(KeyboardInterrupt(*message)) == (130, f"tagwright: {line}\n")


@pytest.mark.parametrize("arguments", [["--debug", "fake"], ["fake", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(fake, capsys, arguments):
    def command() -> None:
        raise InputError("bad input")

    fake(command)
    assert run(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == "tagwright: error: bad input"


def test_after_the_double_dash_debug_is_a_word_like_any_other(fake, capsys):
    def command(word: str) -> None:
        typer.echo(word)

    fake(command)
    assert run(["fake", "--", "--debug"]) == 0
    assert capsys.readouterr() == ("--debug\n", "")


def test_a_reader_that_went_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tagwright", "--help"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_results_reach_a_stdout_of_any_encoding(tmp_path, encoding):
    gold = tmp_path / "gold\udcff.conll"  # a name that is no UTF-8
    gold.write_text("Zoë\tB-città-∑\n", encoding="utf-8")
    for flags in ((), ("--json",)):
        done = subprocess.run(
            [sys.executable, "-m", "tagwright", "compare", gold, gold, gold, *flags],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
        assert (done.returncode, b"internal error" in done.stderr) == (0, False)
    # typer takes an ASCII stdout for a mistake, and writes UTF-8.
    found = json.loads(done.stdout.decode("utf-8" if encoding == "ascii" else encoding))
    assert list(found["pairs"][0]["per_type"]) == ["città-∑"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_under_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tagwright", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "tagwright: error: No space left on device; free some space and run it again\n"


@pytest.mark.parametrize(("rank", "says"), [("0", True), ("1", False)])
def test_of_several_processes_the_first_speaks(monkeypatch, capsys, rank, says):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)

    assert run(["train", "--help"]) == 0
    assert run(["train", "--nothing"]) == 2

    out, err = capsys.readouterr()
    assert bool(out) == says
    assert ("no such option" in err) == says
