"""`tagwright tune` from the outside."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("optuna", reason="optuna (extra tune) is not installed")

import tagwright.tune.search as module
from tagwright.cli.main import run
from tests.train.toy import FAST

COMMAND = "tune"
SET = [flag for name, value in (FAST | {"train.epochs": 1}).items() for flag in ("--set", f"{name}={value}")]
SPACE = ["--set", "tune.train.batch_size=[8, 16]"]


@pytest.fixture
def recipe(tmp_path, corpus, encoder):
    path = tmp_path / "mine.toml"
    path.write_text(f'[data]\nsource = "{corpus}"\n[model]\nencoder = "{encoder}"\n')
    return path


def test_a_search_from_a_recipe(call, recipe, tmp_path):
    code, out, err = call(recipe, "--trials", "2", "-o", tmp_path / "out", *SET, *SPACE)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["0", "1"]
    assert out.splitlines()[-2:] == [
        f"the best recipe is in {tmp_path}/out/best.toml: tagwright train {tmp_path}/out/best.toml",
        f"the report is in {tmp_path}/out/report.html",
    ]
    assert "2/2  trial 1  batch size 16  done  F1 0." in err
    code, out, err = call(recipe, "--trials", "3", "-o", tmp_path / "out", *SET, *SPACE, "--resume", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["counts"]["done"] == len(told["trials"]) == 2
    assert "the space holds 2 recipes, and all of them were tried" in err
    code, out, err = call(recipe, "-o", tmp_path / "out", *SET, *SPACE)
    assert (code, out) == (2, "")
    assert err.endswith("there is a search here already; give --resume, --overwrite or another --out\n")


def test_a_recipe_without_a_space_is_told_what_to_write(call, recipe, tmp_path):
    code, out, err = call(recipe, "-o", tmp_path / "out", *SET)
    assert (code, out) == (2, "")
    assert "write the two lines `[tune]` and `train.learning_rate = {" in err
    assert "or name the built-in recipe `search`" in err


def test_flags_are_what_the_function_is_called_with(monkeypatch, capsys):
    seen = {}

    class StopError(Exception):
        pass

    def note(recipe, **options):
        seen.update(options, recipe=recipe)
        raise StopError

    monkeypatch.setattr(module, "tune", note)
    words = "search --data D --model M --trials 7 --seeds 2 --storage URL --study S --pruner hyperband --timeout 1.5"
    run(["tune", *words.split(), "--confirm", "5", "--resume", "--repair", "--set", "train.epochs=1"])
    capsys.readouterr()
    assert seen == {
        "recipe": "search", "data": "D", "model": "M", "trials": 7, "seeds": 2, "out": None, "storage": "URL",
        "study": "S", "pruner": "hyperband", "timeout": 1.5, "confirm": 5, "resume": True, "overwrite": False,
        "settings": ["data.repair=true", "train.epochs=1"],
    }  # fmt: skip
