"""A long ask's batches, computed a slice at a time by the thread that owns the model."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tagwright.predict.runtimes import Runtime
from tagwright.predict.runtimes.standin import StandIn
from tagwright.serve.job import DroppedError, Job

__all__ = ["Batch", "SlicedRuntime", "slice_pieces"]

SLICE = 512
"""Pieces in a slice, padding included, where the device is no larger than a processor."""

SLICES = 8
"""Slices in a full batch of a device that takes larger ones."""


def slice_pieces(runtime: Runtime) -> int:
    """Return how many pieces a slice holds: what a short text may have to wait for."""
    return max(SLICE, runtime.batch_pieces // SLICES)


class Batch:
    """A padded batch that is computed a slice of rows at a time, in another thread than the one that waits for it."""

    def __init__(
        self, job: Job, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], pieces: int
    ) -> None:
        """Take a batch.

        Args:
            job: whose batch it is; once it is dropped, nothing more is computed.
            input_ids: shape (windows, longest).
            attention_mask: shape (windows, longest): 1 on pieces, 0 on padding.
            pieces: of a slice, padding included; it has at least one row.
        """
        self._job = job
        self._input_ids = input_ids
        self._attention_mask = attention_mask
        self._rows = max(1, pieces // max(1, input_ids.shape[1]))
        self._next = 0
        self._logits: NDArray[np.float32] | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to compute."""
        return self._ended.is_set()

    def step(self, runtime: Runtime) -> None:
        """Compute the next slice; an error ends the batch and is the waiting thread's."""
        try:
            if self._job.dropped:
                raise DroppedError
            rows = slice(self._next, self._next + self._rows)
            found = runtime.logits(self._input_ids[rows], self._attention_mask[rows])
            if self._logits is None:
                self._logits = np.zeros((*self._input_ids.shape, found.shape[2]), dtype=np.float32)
            self._logits[rows] = found
            self._next = rows.stop
        except BaseException as error:
            self.fail(error)
        else:
            if self._next >= len(self._input_ids):
                self._ended.set()

    def fail(self, error: BaseException) -> None:
        """End the batch with an error."""
        self._error = error
        self._ended.set()

    def result(self) -> NDArray[np.float32]:
        """Wait for the logits, float32 of shape (windows, longest, labels).

        Raises:
            DroppedError: nobody waits for the ask's answer any more.
            Exception: what the model raised.
        """
        self._ended.wait()
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del (
                    error
                )  # its traceback holds this frame, and the text would stay until the garbage collector comes
        assert self._logits is not None
        return self._logits


class SlicedRuntime(StandIn):
    """Stands in for a runtime: hands one job's batches to the thread that owns the model, and waits."""

    def __init__(self, runtime: Runtime, job: Job, post: Callable[[Batch], None]) -> None:
        """Take a job.

        Args:
            runtime: what it stands in for.
            job: whose batches it is given.
            post: hands a batch to the thread that computes.
        """
        super().__init__(runtime)
        self._job = job
        self._post = post
        self._pieces = slice_pieces(runtime)

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime.logits` and `Batch.result`."""
        batch = Batch(self._job, input_ids, attention_mask, self._pieces)
        self._post(batch)
        return batch.result()
