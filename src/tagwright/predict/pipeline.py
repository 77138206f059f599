"""Work that runs beside the reading of its input and the use of its results."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import RunError
from tagwright.predict.runtimes import Runtime
from tagwright.predict.runtimes.standin import StandIn

__all__ = ["Stoppable", "overlap_pays", "overlapped"]

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 1
"""Items that wait while another is worked on."""


def overlap_pays(runtime: Runtime) -> bool:
    """Tell whether a runtime leaves the processor free for reading and writing while it computes.

    One that computes on the processor takes every core already; a third thread on two cores makes one of its
    threads late and the others wait for that one.
    """
    return not runtime.device.lower().startswith("cpu")


def overlapped(
    items: Iterable[T], work: Callable[[T, threading.Event], R]
) -> Generator[tuple[T, R], None, None]:
    """Yield each item with the result of the work on it, in order.

    The work runs in one thread of its own. Items are read and results are used in the caller's thread, meanwhile:
    that is where Python computes, of which two threads do no more than one, and where Ctrl-C arrives. At most two
    items are read ahead of the one that was yielded last.

    Args:
        items: what is to be worked on. When reading fails, what was read before is worked on and yielded, and then
            the error is raised.
        work: called with an item, and with an event that is set when nobody waits for the result any more.

    Raises:
        Exception: what reading or working raised, in its place in the order. No thread is left behind, nor after
            the generator is closed.
    """
    stop = threading.Event()
    waiting: deque[tuple[T, Future[R]]] = deque()
    broken: Exception | None = None
    source = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="tagwright") as pool:
        try:
            while True:
                try:
                    item = next(source)
                except StopIteration:
                    break
                except Exception as error:
                    broken = error
                    break
                waiting.append((item, pool.submit(work, item, stop)))
                del item
                while len(waiting) > AHEAD:
                    yield _first(waiting)
            while waiting:
                yield _first(waiting)
        finally:
            stop.set()
            for _, future in waiting:
                future.cancel()
    if broken is not None:
        raise broken


def _first(waiting: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    item, future = waiting[0]
    result = future.result()
    waiting.popleft()
    return item, result


class Stoppable(StandIn):
    """A runtime that computes no more batches once it is told to stop."""

    def __init__(self, runtime: Runtime, stop: threading.Event) -> None:
        super().__init__(runtime)
        self._stop = stop

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the logits of a padded batch; see `Runtime`.

        Raises:
            RunError: the run has ended.
        """
        if self._stop.is_set():
            raise RunError("the run has ended")
        return self._runtime.logits(input_ids, attention_mask)
