"""What stops a run, in the same words whichever engine trains."""

from __future__ import annotations

import errno

from tagwright.config import TrainSettings
from tagwright.errors import RunError

__all__ = ["diverged", "is_disk_error", "out_of_memory", "reason_of"]

# What `torch.save` says of a write that failed; it does not say why.
TORCH_WRITES = ("PytorchStreamWriter", "inline_container", "iostream error")


def diverged(what: str, value: float, settings: TrainSettings, *, step: int, steps: int) -> RunError:
    """Return the error of a run whose loss or gradients are no numbers any more.

    Args:
        what: what is not finite.
        value: what it is instead.
        settings: the resolved settings.
        step: the step, from 1.
        steps: steps of the whole run.
    """
    mend = f"lower train.learning_rate (now {settings.learning_rate:g}) or raise train.warmup"
    if settings.precision != "fp32":
        mend += ", or set train.precision=fp32"
    return RunError(f"{what} is {value} at step {step} of {steps}", mend=mend)


def out_of_memory(step: int, batch_size: int) -> RunError:
    """Return the error of a run whose memory does not suffice."""
    return RunError(
        f"out of memory at step {step}, in a batch of {batch_size}",
        mend="lower train.batch_size and raise train.accumulation, or lower encode.max_pieces",
    )


def is_disk_error(error: Exception) -> bool:
    """Say whether a write failed, in whatever words the library puts it."""
    return isinstance(error, OSError) or any(sign in str(error) for sign in ("os error", *TORCH_WRITES))


def reason_of(error: Exception) -> str:
    """Say in a line why a write failed."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    full = full or any(sign in str(error) for sign in ("os error 28", *TORCH_WRITES))
    return "the disk is full" if full else (getattr(error, "strerror", None) or str(error).splitlines()[0])
