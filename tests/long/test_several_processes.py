"""`torchrun` with several processes on the CPU: one tagger, whatever number of them trains it, goes on or is killed."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import tagwright as tw
from tagwright.model.bundle import read_meta
from tests.train.processes import EXACT, call, launch
from tests.train.test_killed import wait_for
from tests.train.toy import run

pytestmark = pytest.mark.long

SETTINGS = {
    **EXACT,
    "train__batch_size": 8,
    "train__epochs": 3,
    "train__save_steps": 4,
    "predict__batch_pieces": 64,  # several batches in an evaluation
}
STEPS = 18  # three epochs of six


def finish(process: subprocess.Popen) -> str:
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return stdout


def end_badly(process: subprocess.Popen) -> list[str]:
    """Return what Tagwright said, apart from the launcher's report."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert "the tagger is in" not in stdout
    said = [line for line in stderr.splitlines() if line.startswith("tagwright: ")]
    tracebacks = stderr.split("Traceback (most recent call last):")[1:]
    assert all("torchrun" in part or "torch/distributed/run.py" in part for part in tracebacks), stderr
    return said


def steps_saved(out: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in out.glob("checkpoints/checkpoint-*"))


def check_same(out: Path, whole: Path) -> None:
    """Compare what rounding alone may have set apart."""
    made, before = read_meta(out).made, read_meta(whole).made
    assert made["steps"] == before["steps"] == STEPS
    assert made["best_step"] == before["best_step"]
    assert made["scores"] == before["scores"]
    assert [entry["f1"] for entry in made["history"]] == [entry["f1"] for entry in before["history"]]
    weights, others = load_file(out / "model.safetensors"), load_file(whole / "model.safetensors")
    assert all(np.allclose(weights[key], others[key], rtol=0, atol=1e-4) for key in others)
    assert not (out / "checkpoints").exists()


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> Path:
    return run(corpus, encoder, tmp_path_factory.mktemp("several") / "whole", **SETTINGS).path


def test_processes_train_the_tagger_that_evaluate_scores(corpus, encoder, tmp_path):
    out = tmp_path / "run"
    shown = finish(launch(3, *call(corpus, encoder, out, train__batch_size=4, train__epochs=4)))
    assert shown.count("the tagger is in") == 1
    made = read_meta(out).made
    assert made["steps"] == 48  # of 48 sentences, four at a time, whoever takes them
    assert made["scores"]["test"]["lenient"]["f1"] > 0.5
    precision = made["recipe"]["train"]["precision"]
    for split, scores in made["scores"].items():
        assert tw.evaluate(out, corpus, split=split, precision=precision).to_dict() == scores
    assert "surface" in made["scores"]["test"]


@pytest.mark.parametrize(("before", "after", "step"), [(2, 1, 8), (1, 2, 8), (2, 3, 6), (3, 2, 16)])
def test_a_run_goes_on_in_another_number_of_processes(corpus, encoder, tmp_path, whole, before, after, step):
    out = tmp_path / "run"
    fault = f"step:0:{step + 1}"
    assert (
        end_badly(
            launch(
                before, *call(corpus, encoder, out, **SETTINGS), module="tests.train.processes", fault=fault
            )
        )
        is not None
    )
    assert step in steps_saved(out)
    process = launch(after, *call(corpus, encoder, out, "--resume", **SETTINGS))
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert stderr.count(f"going on from step {step}") == 1
    assert "RNG" not in stderr
    assert "differ" not in stderr
    check_same(out, whole)


@pytest.mark.parametrize(
    "fault",
    ["step:0:9", "step:1:9", "save:0:8", "save:1:12", "seal:0:12", "evaluation:0:12", "evaluation:1:12"],
)
def test_a_process_that_is_killed_ends_the_run_with_one_message(corpus, encoder, tmp_path, whole, fault):
    out = tmp_path / "run"
    said = end_badly(
        launch(2, *call(corpus, encoder, out, **SETTINGS), module="tests.train.processes", fault=fault)
    )
    saved = steps_saved(out)
    assert said == [
        f"tagwright: error: {out}: another process of this run has ended; the checkpoint of step {saved[-1]} is in "
        f"{out / 'checkpoints'}; go on with the same call and --resume"
    ]
    finish(launch(2, *call(corpus, encoder, out, "--resume", **SETTINGS)))
    check_same(out, whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_launcher_saves_and_says_how_to_go_on(corpus, encoder, tmp_path, number):
    chosen = {**SETTINGS, "train__epochs": 200}
    out = tmp_path / "run"
    process = launch(2, *call(corpus, encoder, out, **chosen))
    wait_for(process, lambda: len(steps_saved(out)) > 0)
    process.send_signal(number)
    said = end_badly(process)
    last = steps_saved(out)[-1]
    assert said == [
        f"tagwright: error: {out}: interrupted; step {last} is saved; "
        f"go on with the same call and --resume (--out {out})"
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--set", "train.speed=9"], "unknown recipe key 'train.speed'"),
        (
            ["--set", "train.batch_size=1"],
            "train.batch_size = 1 leaves some of 2 processes without a sentence",
        ),
        (["--set", "train.fsdp=full_shard"], "train.fsdp = 'full_shard' needs GPUs"),
        (["--model", "/nowhere"], "/nowhere"),
        (["--data", "/nowhere"], "/nowhere"),
        (["--resume"], "there is no run here to resume"),
    ],
)
def test_what_is_wrong_is_said_once(corpus, encoder, tmp_path, options, told):
    [said] = end_badly(launch(2, *call(corpus, encoder, tmp_path / "run", *options)))
    assert told in said


def test_a_disk_that_is_full_is_said_by_the_one_that_writes(corpus, encoder, tmp_path, whole):
    out = tmp_path / "run"
    fault = "full:0:8"
    [said] = end_badly(
        launch(2, *call(corpus, encoder, out, **SETTINGS), module="tests.train.processes", fault=fault)
    )
    assert "the checkpoint of step 8 could not be saved: the disk is full; the one of step 6 is whole" in said
    finish(launch(2, *call(corpus, encoder, out, "--resume", **SETTINGS)))
    check_same(out, whole)


def test_a_model_that_is_shared_out_ends_as_a_whole_one_does(corpus, encoder, tmp_path, whole):
    """FSDP on CPUs, where it is refused otherwise: the same steps, and checkpoints for any number of processes."""
    out = tmp_path / "run"
    chosen = {**SETTINGS, "train__fsdp": "full_shard"}
    broken = launch(
        3, *call(corpus, encoder, out, **chosen), module="tests.train.processes", fault="fsdp+step:0:9"
    )
    [said] = end_badly(broken)
    assert "the checkpoint of step 8 is in" in said
    finish(
        launch(
            2, *call(corpus, encoder, out, "--resume", **chosen), module="tests.train.processes", fault="fsdp"
        )
    )
    check_same(out, whole)
