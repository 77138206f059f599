"""A slow search in a process of its own: `python -m tests.tune.child RECIPE DATA ENCODER OUT TRIALS [STORAGE]`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

from tagwright.train import watch
from tagwright.tune.search import tune


def slow_step(self: Any, *arguments: Any, step: Any = watch.Watch.on_step_end, **facts: Any) -> None:
    """Make steps slow."""
    time.sleep(0.02)
    step(self, *arguments, **facts)


def main() -> None:
    """Search, going on where there is something to go on from."""
    recipe, data, encoder, out, trials, *storage = sys.argv[1:]
    torch.set_num_threads(1)
    watch.Watch.on_step_end = slow_step  # type: ignore[method-assign]
    tune(
        recipe,
        trials=int(trials),
        data=data,
        model=encoder,
        out=out,
        storage=storage[0] if storage else None,
        resume=not storage and (Path(out) / "study.db").exists(),
    )


if __name__ == "__main__":
    main()
