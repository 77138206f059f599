"""`torchrun` with two processes on the CPU."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tagwright as tw
from tagwright.model.bundle import read_meta
from tests.train.test_killed import ENVIRONMENT, ROOT, wait_for
from tests.train.toy import FAST

pytestmark = pytest.mark.long


def start(data, encoder, out, *options: str) -> subprocess.Popen:
    settings = {**FAST, "train.batch_size": 4, "train.epochs": 4, "train.save_steps": 4}
    flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
        *("-m", "tagwright", "train", "--data", data, "--model", encoder, "--out", out, *flags, *options),
    ]
    return subprocess.Popen(
        list(map(str, command)),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    return stdout


def test_two_processes_train_one_tagger_and_go_on_after_a_kill(corpus, encoder, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    shown = finish(start(corpus, encoder, whole))
    assert shown.count("the tagger is in") == 1
    made = read_meta(whole).made
    assert made["steps"] == 24  # 48 sentences, two batches of four at a time
    assert made["scores"]["test"]["lenient"]["f1"] > 0.5
    assert (
        tw.evaluate(whole, corpus, precision=made["recipe"]["train"]["precision"]).to_dict()
        == made["scores"]["test"]
    )
    assert not (whole / "checkpoints").exists()

    process = start(corpus, encoder, broken)
    wait_for(process, lambda: (broken / "checkpoints" / "checkpoint-8").exists())
    process.terminate()  # the launcher ends what it launched, which has no handler for it
    process.communicate()
    finish(start(corpus, encoder, broken, "--resume"))
    assert read_meta(broken).made["scores"] == made["scores"]
    assert (broken / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
