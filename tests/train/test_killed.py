"""SIGKILL and Ctrl-C as a process meets them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.child import SETTINGS
from tests.train.test_resume import End
from tests.train.toy import FAST, run

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def wait_for(process: subprocess.Popen, happened, seconds: float = 120) -> None:
    """Wait until something has happened or the process has ended well; fail when it has not."""
    end = time.monotonic() + seconds
    while not happened() and process.poll() != 0:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


def start_child(data: Path, encoder: Path, out: Path, engine: str = "torch") -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.train.child", str(data), str(encoder), str(out), engine]
    return subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def kill(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0)  # it may have ended by itself a moment ago


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("killed") / "whole", **SETTINGS).path)


def test_a_process_killed_inside_a_save_goes_on(corpus, encoder, tmp_path, whole):
    draw = random.Random(7)
    out = tmp_path / "run"
    process = start_child(corpus, encoder, out)
    folder = out / "checkpoints"
    step = draw.choice((4, 6, 8))
    wait_for(process, lambda: (folder / f"checkpoint-{step}").exists())
    wait_for(process, lambda: any((folder / ".writing").glob("checkpoint-*/*")))
    time.sleep(draw.random() * 0.05)
    kill(process)
    assert (folder / ".writing").exists()
    assert End.of(run(corpus, encoder, out, resume=True, **SETTINGS).path) == whole


def test_ctrl_c_on_the_command_line_saves_and_says_how_to_go_on(corpus, encoder, tmp_path):
    out = tmp_path / "run"
    settings = {**FAST, "train.epochs": 20}
    flags = [flag for name, value in settings.items() for flag in ("--set", f"{name}={value}")]
    command = [
        sys.executable,
        "-m",
        "tagwright",
        "train",
        "--data",
        corpus,
        "--model",
        encoder,
        "--out",
        out,
        *flags,
    ]
    process = subprocess.Popen(
        list(map(str, command)), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(process, lambda: any(out.glob("checkpoints/checkpoint-*")))
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    line = stderr.splitlines()[-1]
    assert line.startswith(f"tagwright: error: {out}: interrupted; step ")
    assert line.endswith(f"is saved; go on with the same call and --resume (--out {out})")
    assert "Traceback" not in stderr
    chosen = {"train__epochs": 20}
    whole = End.of(run(corpus, encoder, tmp_path / "whole", **chosen).path)
    assert End.of(run(corpus, encoder, out, resume=True, **chosen).path) == whole
