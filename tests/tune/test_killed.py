"""SIGKILL in the middle of trials, Ctrl-C, and several processes with one storage."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.toy import Quiet
from tests.tune.conftest import write_recipe

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.long


def start(recipe: Path, data: Path, encoder: Path, out: Path, trials: int, *storage: str) -> subprocess.Popen:
    words = [recipe, data, encoder, out, trials, *storage]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.tune.child", *map(str, words)],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for(process: subprocess.Popen, happened, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not happened() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)


def result(out: Path):
    return json.loads((out / "trials.json").read_text())


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture(scope="module")
def whole(recipe, corpus, encoder, tmp_path_factory):
    from tagwright.tune.search import tune

    out = tmp_path_factory.mktemp("whole") / "out"
    return tune(recipe, trials=6, data=corpus, model=str(encoder), out=out, console=Quiet()).to_dict()


def figures(found):
    return [
        (one["number"], one["values"], one["state"], one["f1"])
        for one in found["trials"]
        if one["state"] != "dropped"
    ]


def test_a_search_killed_at_random_ends_as_one_that_was_not(whole, recipe, corpus, encoder, tmp_path):
    out, draw = tmp_path / "out", random.Random(3)
    killed = 0
    while True:
        process = start(recipe, corpus, encoder, out, 6)
        wait_for(process, lambda: bool(list(out.glob(".training-*"))))
        time.sleep(draw.random() * 2)
        if killed < 4 and process.poll() is None:
            process.kill()
            process.communicate()
            killed += 1
            continue
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        break
    found = result(out)
    assert figures(found) == figures(whole)
    assert all(one["reason"] == "its process ended" for one in found["trials"] if one["state"] == "dropped")
    assert sorted(os.listdir(out)) == ["best.toml", "report.html", "study.db", "trials.json"]


def test_ctrl_c_says_how_to_go_on(recipe, corpus, encoder, tmp_path):
    out = tmp_path / "out"
    words = ["tune", recipe, "--data", corpus, "--model", encoder, "--trials", "40", "-o", out]
    process = subprocess.Popen(
        [sys.executable, "-m", "tagwright", *map(str, words)],
        cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(process, lambda: bool(list(out.glob(".training-*/checkpoints/checkpoint-*"))))
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert printed == ""
    last = said.splitlines()[-1]
    assert "interrupted; " in last
    assert f"go on with the same call and --resume (--out {out})" in last
    assert not list(out.glob(".training-*"))


def test_three_processes_share_a_study(whole, recipe, corpus, encoder, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    others = [start(recipe, corpus, encoder, tmp_path / name, 8, url) for name in ("one", "two", "three")]
    for process in others:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
    found = [result(tmp_path / name) for name in ("one", "two", "three")]
    for one in found:
        kept = [trial for trial in one["trials"] if trial["state"] != "dropped"]
        assert [trial["number"] for trial in kept] == list(range(8))
        assert len({tuple(trial["values"].items()) for trial in kept}) == 8
        assert one["trials"] == found[0]["trials"]
        assert one["best"] == found[0]["best"]
    assert found[0]["trials"][0]["values"] == whole["trials"][0]["values"]


def test_a_machine_that_dies_leaves_its_trial_to_the_others(recipe, corpus, encoder, tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    first = start(recipe, corpus, encoder, tmp_path / "one", 4, url)
    wait_for(first, lambda: bool(list((tmp_path / "one").glob(".training-*"))))
    first.kill()
    first.communicate()
    second = start(recipe, corpus, encoder, tmp_path / "two", 4, url)
    said, _ = second.communicate(timeout=600)
    assert second.returncode == 0, said
    found = result(tmp_path / "two")
    assert found["counts"]["dropped"] == 1
    assert [one["number"] for one in found["trials"] if one["state"] != "dropped"] == [0, 1, 2, 3]
