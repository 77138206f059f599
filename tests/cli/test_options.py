"""Flags that commands share."""

from __future__ import annotations

import sys
import types
from typing import Annotated, Any

import pytest
import typer

from tagwright.cli.main import COMMANDS, Command, run
from tagwright.cli.options import with_data_settings
from tagwright.config import DataSettings


@pytest.fixture
def given(monkeypatch, capsys):
    """Run a command that takes the data flags; return what it was given, or its exit code and stderr."""
    seen = []

    @with_data_settings
    def command(source: Annotated[str, typer.Argument()], *, given: dict[str, Any]) -> None:
        """Read."""
        seen.append((source, given))

    module = types.ModuleType("fake_command")
    module.command = command
    monkeypatch.setitem(sys.modules, "fake_command", module)
    monkeypatch.setitem(COMMANDS, "fake", Command("fake_command", "command", "Read."))

    def call(*arguments: str) -> Any:
        code = run(["fake", *arguments])
        return seen.pop() if code == 0 and seen else (code, *capsys.readouterr())

    return call


def test_only_the_flags_that_were_used_are_given(given):
    assert given("x") == ("x", {})
    assert given("--repair", "x", "--misfits", "snap") == ("x", {"repair": True, "misfits": "snap"})


def test_columns_may_be_zero_and_negative(given):
    assert given("x", "--word-column", "-2", "--tag-column", "0") == (
        "x",
        {"word_column": -2, "tag_column": 0},
    )


def test_what_is_given_makes_settings(given):
    _, fields = given("x", "--scheme", "bioes", "--overlaps=longest")
    assert DataSettings(**fields).scheme == "bioes"
    assert DataSettings(**fields).overlaps == "longest"


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [(["--misfits", "guess"], "--misfits"), (["--word-column", "one"], "--word-column")],
)
def test_a_wrong_value_names_the_flag(given, arguments, flag):
    code, out, err = given("x", *arguments)
    assert (code, out) == (2, "")
    assert flag in err
    assert err.count("\n") == 1


def test_the_help_comes_from_the_fields(given):
    _, out, _ = given("--help")
    told = " ".join(out.split())
    for name in ("scheme", "repair", "misfits", "overlaps", "word_column", "tag_column"):
        assert f"--{name.replace('_', '-')}" in told
        assert DataSettings.model_fields[name].description in told
