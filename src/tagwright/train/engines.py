"""What an engine needs before it can train: its packages, one process, and settings that it honours."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from tagwright.config import TrainSettings
from tagwright.errors import InputError
from tagwright.train.ranks import processes
from tagwright.train.sharding import check_sharding

__all__ = ["check_engine"]

# What TensorFlow's libraries write as they are loaded, whatever its verbosity: facts, and plugins that are there twice.
_CHATTER = re.compile(rb"WARNING: All log messages before absl|[IW]\d{4} |E\d{4} .*\balready\b")


def check_engine(settings: TrainSettings) -> None:
    """Refuse what the engine cannot do, before any data are read, and load it.

    Raises:
        InputError: a field was set that the engine cannot honour, or it would have to train in several processes; a
            batch has fewer sentences than there are processes; or the model cannot be shared out here.
        MissingExtraError: the engine is not installed.
    """
    if settings.engine == "torch":
        if settings.batch_size < processes():
            raise InputError(
                f"train.batch_size = {settings.batch_size} leaves some of {processes()} processes without a sentence",
                mend=f"raise it, or start at most {settings.batch_size}",
            )
        check_sharding(settings)
        return
    if settings.fast_step and "fast_step" in settings.model_fields_set:
        raise InputError(
            "train.fast_step = true is for the engine torch alone",
            mend="leave it out, or give --engine torch",
        )
    if settings.fsdp is not None:
        raise InputError(
            f"train.fsdp = {settings.fsdp!r} is for the engine torch alone",
            mend="leave it out, or give --engine torch",
        )
    if processes() > 1:
        raise InputError(
            f"train.engine = 'keras' trains in one process, and this is one of {processes()}",
            mend="start it without torchrun, or give --engine torch",
        )
    from tagwright.keras.backend import check_keras

    # Both are read when TensorFlow is first imported. It would take the whole of a GPU, on which PyTorch scores.
    verbosity = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with nullcontext() if verbosity == "0" or "tensorflow" in sys.modules else _without_chatter():
        check_keras()


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr, from C++ too, and then let through what is not chatter."""
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)
