"""Training in several processes on the CPU: in a test by itself, or by `torchrun`."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from tagwright.train import engine
from tests.train.test_killed import ENVIRONMENT, ROOT
from tests.train.toy import FAST, Quiet, run

EXACT = {
    "train__precision": "fp32",
    "train__learning_rate": 1e-3,
    "model__dropout": 0.0,
    "model__attention_dropout": 0.0,
}
"""Settings at which several processes differ from one by rounding alone."""


def start_together(count: int, target: Any, *arguments: Any) -> list[Any]:
    """Start processes that find each other through a file, with torch loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.train.processes", "transformers.models.distilbert.modeling_distilbert"]
    )
    started = [context.Process(target=_join, args=(rank, count, target, *arguments)) for rank in range(count)]
    for process in started:
        process.start()
    return started


def _join(rank: int, count: int, target: Any, meeting: Path, *arguments: Any) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), LOCAL_WORLD_SIZE=str(count)
    )
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    target(*arguments)


def train_each(data: Path, encoder: Path, runs: dict[Path, dict[str, Any]]) -> None:
    """Train one run after another, each with its settings."""
    for out, settings in runs.items():
        run(data, encoder, out, console=Quiet(), **settings)


def launch(count: int, *arguments: Any, module: str = "tagwright", fault: str = "") -> subprocess.Popen:
    """Start `torchrun` with so many processes of a module."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    command += ["-m", module, *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**ENVIRONMENT, "FAULT": fault},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(data: Path, encoder: Path, out: Path, *options: str, **settings: Any) -> list[str]:
    """Return the words of a `tagwright train` on a toy corpus."""
    chosen = FAST | {name.replace("__", "."): value for name, value in settings.items()}
    flags = [flag for name, value in chosen.items() for flag in ("--set", f"{name}={json.dumps(value)}")]
    return ["train", "--data", str(data), "--model", str(encoder), "--out", str(out), *flags, *options]


def fail(fault: str) -> None:
    """Make one process fail from a step on: `WHAT:RANK:STEP`.

    It kills itself in a `step`, a `save`, the `seal` of a checkpoint or an `evaluation`, or finds its disk `full`.
    """
    from tagwright.train import checkpoint
    from tagwright.train.progress import RunDisplay
    from tagwright.train.scoring import LiveRuntime
    from tagwright.train.trainer import TaggerTrainer

    what, who, when = fault.split(":")
    reached = {"step": 0}

    def strike() -> None:
        if os.environ.get("RANK", "0") == who and reached["step"] >= int(when):
            if what == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.kill(os.getpid(), signal.SIGKILL)

    def before(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        def failing(*args: Any, **kwargs: Any) -> Any:
            strike()
            return whole(*args, **kwargs)

        setattr(owner, name, failing)

    class Noted(RunDisplay):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            reached["step"] = state.global_step
            if what == "step":
                strike()
            super().on_step_end(args, state, control, **more)

    engine.RunDisplay = Noted  # type: ignore[misc]
    places: dict[str, tuple[Any, str]] = {
        "save": (TaggerTrainer, "_save_rng_state"),
        "seal": (checkpoint, "_sync"),
        "full": (checkpoint, "_sync"),
        "evaluation": (LiveRuntime, "logits"),
    }
    if what in places:
        before(*places[what])


def share_out_on_cpus() -> None:
    """Let FSDP be tried on CPUs, where Tagwright refuses it and accelerate would not do it."""
    from accelerate.state import AcceleratorState, DistributedType, PartialState

    from tagwright.train import engines

    init = AcceleratorState.__init__

    def as_if_gpus(self: Any, *args: Any, **kwargs: Any) -> None:
        if PartialState._shared_state.get("distributed_type") is DistributedType.MULTI_CPU:
            PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
        init(self, *args, **kwargs)

    AcceleratorState.__init__ = as_if_gpus
    engines.check_sharding = lambda settings: None


def main() -> None:
    """Run `tagwright` with the faults named in the environment."""
    from tagwright.cli.main import run as tagwright

    torch.set_num_threads(1)
    for fault in os.environ["FAULT"].split("+"):
        if fault == "fsdp":
            share_out_on_cpus()
        else:
            fail(fault)
    sys.exit(tagwright(sys.argv[1:]))


if __name__ == "__main__":
    main()
