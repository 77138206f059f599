"""`tagwright curve` from the outside."""

from __future__ import annotations

import json

import pytest

import tagwright.train.curve as module
from tagwright.cli.main import run
from tests.train.toy import FAST

COMMAND = "curve"


SET = [flag for name, value in (FAST | {"train.epochs": 1}).items() for flag in ("--set", f"{name}={value}")]


def test_a_curve_from_a_recipe(call, corpus, encoder, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'[data]\nsource = "{corpus}"\n[model]\nencoder = "{encoder}"\n')
    code, out, err = call(
        recipe, "--shares", "0.25", "0.5", "1", "--seeds", "2", "-o", tmp_path / "out", *SET
    )
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[2:5]] == [["0.25", "12"], ["0.5", "24"], ["1", "48"]]
    assert lines[-1] == f"the curve is in {tmp_path / 'out'}"
    assert "2 seeds" in out
    assert "6/6  share 1 (48 sentences), seed 43: validation F1" in err


def test_json_alone_on_stdout(call, corpus, encoder, tmp_path):
    arguments = ("--data", corpus, "--model", encoder, "-o", tmp_path / "out", "--seeds", "1", *SET)
    code, out, _ = call(*arguments, "--shares", "0.5,1", "--json")
    told = json.loads(out)
    assert code == 0
    assert [point["sentences"] for point in told["points"]] == [24, 48]
    assert told["judgement"]["words"].endswith(".")
    code, out, err = call(*arguments, "--shares", "1")
    assert (code, out) == (2, "")
    assert err.endswith("there is a curve here already; give --resume, --overwrite or another --out\n")
    assert call(*arguments, "--shares", "0.5", "1", "--resume")[0] == 0


@pytest.fixture
def asked(monkeypatch, capsys):
    """Return what the command would call `curve` with, or its error."""
    seen = []

    class StopError(Exception):
        pass

    def note(*arguments, **options):
        seen.append((*arguments, options))
        raise StopError

    monkeypatch.setattr(module, "curve", note)

    def call(*arguments):
        code = run(["curve", *arguments])
        err = capsys.readouterr().err
        return seen.pop() if seen else (code, err)

    return call


@pytest.mark.parametrize(
    ("words", "recipe", "shares"),
    [
        ("guide --shares 0.1 0.25 0.5 1 --seeds 3", "guide", [0.1, 0.25, 0.5, 1]),
        ("--shares 0.1 0.25 0.5 1 --seeds 3 guide", "guide", [0.1, 0.25, 0.5, 1]),
        ("--data D --model M --shares 0.1 1 --seeds 3", None, [0.1, 1]),
        ("--shares 0.1,0.25 --data D", None, [0.1, 0.25]),
        ("--shares 0.1 --shares 0.25 my.toml", "my.toml", [0.1, 0.25]),
        ("--shares=0.1 0.25,1 my.toml", "my.toml", [0.1, 0.25, 1]),
        ("--data D", None, (0.1, 0.25, 0.5, 1)),
    ],
)
def test_several_shares_after_one_flag(asked, words, recipe, shares):
    given, options = asked(*words.split())
    assert given == recipe
    assert sorted(options["shares"]) == list(shares)
    assert options["seeds"] == 3


def test_flags_of_the_data_are_settings(asked):
    _, options = asked(
        "--data", "D", "--scheme", "iob1", "--repair", "--set", "train.epochs=1", "--split", "test"
    )
    assert options["settings"] == ["data.scheme=iob1", "data.repair=true", "train.epochs=1"]
    assert (options["split"], options["resume"], options["overwrite"]) == ("test", False, False)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--shares a 1", "--shares: 'a' is no number; write them as in --shares 0.1 0.25 0.5 1"),
        ("--shares 0.1,,1", "--shares: '' is no number"),
        ("one.toml two.toml", "'one.toml' and 'two.toml' cannot both be the recipe"),
        ("guide 0.5", "'0.5' is no recipe; for shares write --shares 0.5"),
        ("--shares", "option '--shares' requires an argument"),
        ("--seeds many", "invalid value for '--seeds'"),
    ],
)
def test_wrong_calls(asked, words, line):
    code, err = asked(*words.split())
    assert code == 2
    assert err.startswith(f"tagwright: error: {line}")
    assert err.count("\n") == 1
