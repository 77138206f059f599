"""Who is next: the queues of an engine, and the rule by which its threads take from them."""

from __future__ import annotations

import threading
import time
from collections import deque

from tagwright.serve.job import DroppedError, Job
from tagwright.serve.slices import Batch

__all__ = ["Lanes", "Round"]

Round = list[Job]
"""Short asks that are computed together."""

BYTES_OF_PIECE = 4
"""UTF-8 that a piece is taken to hold until the texts are encoded; in most languages it is no more."""

FRAME = 2
"""Pieces around a text."""


class Lanes:
    """The short lane, the long lane, and the long asks' batches that wait for the model.

    The thread that computes takes a round of short asks and a slice of a long ask's batch in turns, as far as there
    are both: neither holds up the other for longer than one of its own turns. Batches take turns among themselves.

    A round is what waits when the model is free. It waits for more only when others are on their way: when asks
    were answered just now, and fewer than half as many wait as were in the engine then. Those who got answers may ask
    again; half are left, because a model that waits for all has nothing to do while they are being answered.
    """

    def __init__(self, *, short_characters: int, max_wait: float) -> None:
        """Make empty lanes.

        Args:
            short_characters: of a job, up to which it goes by the short lane.
            max_wait: seconds that a round waits for company.
        """
        self._short_characters = short_characters
        self._max_wait = max_wait
        self._short: deque[Job] = deque()
        self._long: deque[Job] = deque()
        self._batches: deque[Batch] = deque()
        self._current: Batch | None = None
        self._lock = threading.Lock()
        self._for_model = threading.Condition(self._lock)
        self._for_long = threading.Condition(self._lock)
        self._wake_at = 0  # short asks at which the thread that computes is woken; 0 while it is awake
        self._company = 0  # asks that were in the short lane or its round when the last round ended
        self._round = 0  # asks in the round that is under way, or was last
        self._until = 0.0  # when waiting for company ends
        self._slice_next = False
        self._ended = False

    def put(self, job: Job) -> None:
        """Take a job in."""
        with self._lock:
            if self._ended:
                raise DroppedError
            if job.characters > self._short_characters:
                self._long.append(job)
                self._for_long.notify()
                return
            self._short.append(job)
            if self._wake_at and len(self._short) >= self._wake_at:
                self._wake_at = 0
                self._for_model.notify()

    def drop(self, job: Job) -> None:
        """Take a job out that nobody waits for any more; what has begun of it ends with its next slice."""
        job.dropped = True
        with self._lock:
            for lane in (self._short, self._long):
                if job in lane:
                    lane.remove(job)

    def post(self, batch: Batch) -> None:
        """Take in a batch of a long ask."""
        with self._lock:
            if self._ended:
                batch.fail(DroppedError())
                return
            self._batches.append(batch)
            self._wake_at = 0
            self._for_model.notify()

    def next_turn(self, budget: int) -> Round | Batch | None:
        """Wait for the next work for the model: a round, or a batch of which one slice is due; None at the end.

        Args:
            budget: pieces in a round.
        """
        with self._lock:
            while not self._ended:
                if self._batches and (self._slice_next or not self._short):
                    self._slice_next = False
                    self._current = self._batches.popleft()
                    return self._current
                wanted = max(1, self._company // 2)
                seconds = self._until - time.perf_counter()
                if len(self._short) < wanted and seconds > 0 and not self._batches:
                    self._wait(wanted, seconds)
                elif self._short:
                    self._slice_next = True
                    return self._take(budget)
                else:
                    self._wait(1, None)
        return None

    def after_round(self) -> None:
        """Say that a round's answers are on their way to those who asked."""
        with self._lock:
            self._company = self._round + len(self._short)
            self._until = time.perf_counter() + self._max_wait

    def put_back(self, batch: Batch) -> None:
        """Say that a slice is done; what is left of the batch comes up again behind the other batches."""
        self._current = None
        if not batch.ended:
            self.post(batch)

    def next_long(self) -> Job | None:
        """Wait for the next job of the long lane; None at the end."""
        with self._lock:
            while not self._ended and not self._long:
                self._for_long.wait()
            return None if self._ended else self._long.popleft()

    def end(self) -> None:
        """Let go of everything, and of the threads that wait."""
        with self._lock:
            self._ended = True
            self._short.clear()
            self._long.clear()
            for batch in (*self._batches, *filter(None, [self._current])):
                batch.fail(DroppedError())
            self._batches.clear()
            self._for_model.notify_all()
            self._for_long.notify_all()

    def _wait(self, asks: int, seconds: float | None) -> None:
        """Wait for so many short asks, a batch or the end."""
        self._wake_at = asks
        self._for_model.wait(seconds)
        self._wake_at = 0

    def _take(self, budget: int) -> Round:
        taken: Round = []
        while self._short:
            budget -= _pieces(self._short[0])
            if taken and budget < 0:
                break
            taken.append(self._short.popleft())
        self._round = len(taken)
        return taken


def _pieces(job: Job) -> int:
    """Return about how many pieces a job's texts have."""
    texts = job.ask.texts if job.ask.texts is not None else map(" ".join, job.ask.words or ())
    return sum(FRAME + len(text.encode("utf-8", "replace")) // BYTES_OF_PIECE for text in texts)
