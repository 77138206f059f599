"""One process among several (`torchrun`, `accelerate launch`): which one this is, and what all of them know."""

from __future__ import annotations

import os
import socket
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagwright.errors import InputError

__all__ = ["among_several", "everyones", "first_ones", "host", "processes", "rank", "summed", "wait"]

MPI = ("PMI", "OMPI_COMM_WORLD", "MV2_COMM_WORLD")
"""What the names begin with by which `mpirun` tells a process which one it is; accelerate goes by them too."""


def rank() -> int:
    """Return the number of this process; the first, 0, writes files and reports.

    Raises:
        InputError: RANK is set to something else than a number.
    """
    return _number("RANK", *(f"{name}_RANK" for name in MPI), least=0)


def processes() -> int:
    """Return how many processes there are.

    Raises:
        InputError: WORLD_SIZE is set to something else than a number from 1.
    """
    return _number("WORLD_SIZE", *(f"{name}_SIZE" for name in MPI), least=1)


def _number(*names: str, least: int) -> int:
    name = next(filter(os.environ.get, names), names[0])
    value = os.environ.get(name) or str(least)
    if not value.isascii() or not value.isdecimal() or int(value) < least:
        raise InputError(
            f"{name} = {value!r} in the environment is no number from {least}",
            mend="unset it, or start with torchrun, which sets it",
        )
    return int(value)


def host() -> str:
    """Return the name of this machine."""
    return socket.gethostname()


def among_several() -> bool:
    """Say whether this process is connected with others."""
    connected = torch.distributed.is_available() and torch.distributed.is_initialized()
    return connected and torch.distributed.get_world_size() > 1


def wait() -> None:
    """Wait until every process has come this far; alone, go on."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def everyones(value: Any) -> list[Any]:
    """Return what each process has, in the order of their ranks; all of them must ask."""
    if not among_several():
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def first_ones(value: Any) -> Any:
    """Return what the first process has; all of them must ask."""
    if not among_several():
        return value
    values = [value if rank() == 0 else None]
    torch.distributed.broadcast_object_list(values, src=0)
    return values[0]


def summed(values: NDArray[Any]) -> NDArray[Any]:
    """Add up arrays of one shape and type over all processes, and give each the sum; all of them must ask."""
    if not among_several():
        return values
    total = torch.from_numpy(np.ascontiguousarray(values)).to(_device())
    torch.distributed.all_reduce(total)
    result: NDArray[Any] = total.cpu().numpy()
    return result


def _device() -> torch.device:
    """Return where a tensor must lie to be sent."""
    if torch.cuda.is_available() and torch.distributed.get_backend() != "gloo":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
