"""One process among several (`torchrun`, `accelerate launch`): which one this is, and waiting for the others."""

from __future__ import annotations

import os

import torch

from tagwright.errors import InputError

__all__ = ["processes", "rank", "wait"]


def rank() -> int:
    """Return the number of this process; the first, 0, writes files and reports.

    Raises:
        InputError: RANK is set to something else than a number.
    """
    return _number("RANK", least=0)


def processes() -> int:
    """Return how many processes there are.

    Raises:
        InputError: WORLD_SIZE is set to something else than a number from 1.
    """
    return _number("WORLD_SIZE", least=1)


def _number(name: str, *, least: int) -> int:
    value = os.environ.get(name) or str(least)
    if not value.isascii() or not value.isdecimal() or int(value) < least:
        raise InputError(
            f"{name} = {value!r} in the environment is no number from {least}",
            mend="unset it, or start with torchrun, which sets it",
        )
    return int(value)


def wait() -> None:
    """Wait until every process has come this far; alone, go on."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
