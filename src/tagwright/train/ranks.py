"""One process among several (`torchrun`, `accelerate launch`): which one this is, and waiting for the others."""

from __future__ import annotations

import os

import torch

__all__ = ["rank", "wait"]


def rank() -> int:
    """Return the number of this process; the first, 0, writes files and reports."""
    return int(os.environ.get("RANK", "0"))


def wait() -> None:
    """Wait until every process has come this far; alone, go on."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
