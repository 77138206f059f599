"""A slow training run in a process of its own: `python -m tests.train.child DATA ENCODER RUN ENGINE`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
import transformers

from tagwright.model import swap
from tagwright.train import checkpoint
from tests.train.toy import Quiet, run

SETTINGS = {"train__epochs": 3, "train__save_steps": 4}


class Drag(transformers.TrainerCallback):
    """Makes steps slow."""

    def on_step_end(self, *_, **__):
        time.sleep(0.02)


def slow_seal(written: Path, target: Path, seal=checkpoint.seal) -> None:
    """Make saves of checkpoints slow, on either side of the seal."""
    time.sleep(0.1)
    seal(written, target)
    time.sleep(0.02)


def slow_flush(path: Path, flush=swap._flush_folder) -> None:
    """Make the save of the bundle slow, at each of its borders."""
    flush(path)
    time.sleep(0.03)


def main() -> None:
    """Train, going on where there is something to go on from."""
    data, encoder, out = map(Path, sys.argv[1:4])
    settings = {**SETTINGS, "train__engine": sys.argv[4]}
    torch.set_num_threads(1)
    checkpoint.seal = slow_seal
    swap._flush_folder = slow_flush
    begun = (out / "checkpoints" / "run.json").exists()
    run(data, encoder, out, resume=begun, callbacks=[Drag()], console=Quiet(), **settings)


if __name__ == "__main__":
    main()
