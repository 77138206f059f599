"""TensorFlow's word for memory that does not suffice, turned into Python's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

__all__ = ["memory_errors"]


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise `MemoryError` where TensorFlow runs out of memory, with its one line that says on what."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        lines = str(error.message).splitlines() or [""]
        raise MemoryError(next((line for line in lines if "OOM" in line), lines[0]).strip()) from None
