"""The engine: asks of many askers in, answers out, by a model that computes them together."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from tagwright.errors import InputError
from tagwright.predict.tagger import Tagger
from tagwright.serve.ask import Answer, Ask
from tagwright.serve.faults import log_fault
from tagwright.serve.hooks import Hooks
from tagwright.serve.job import DroppedError, Job
from tagwright.serve.lanes import Lanes
from tagwright.serve.padding import TrimmedRuntime
from tagwright.serve.refusal import RefusalError
from tagwright.serve.rounds import Counted, Worker
from tagwright.serve.settings import Settings
from tagwright.serve.slices import Batch, SlicedRuntime

__all__ = ["Engine"]

LAST_TURN = 5.0
"""Seconds in which threads end after the grace period: a slice, or the decoding of a long text, cannot be cut short."""

LONGEST_RETRY = 60
"""Seconds after which, at most, an asker is told to come back."""

_log = logging.getLogger("tagwright.serve")


class Engine:
    """Answers the asks of one model.

    One thread computes. It takes the short asks that wait, splits, encodes, computes and decodes them together, and
    between two such rounds it computes a slice of a long ask, whose other work is done by further threads. What an
    ask is answered does not depend on its company, but for what rounding does to near-ties.

    Its coroutines belong to one event loop.

    >>> engine = Engine("wnut17", Tagger.load("runs/wnut17"), Settings())  # doctest: +SKIP
    >>> engine.start()  # doctest: +SKIP
    >>> [answer] = await engine.answer(Ask(texts=("Jeff Bezos left",)))  # doctest: +SKIP
    >>> await engine.close(20)  # doctest: +SKIP

    Attributes:
        name: the model's.
        tagger: what answers; not to be used by others while the engine runs.
        settings: the limits.
    """

    def __init__(self, name: str, tagger: Tagger, settings: Settings, metrics: Hooks | None = None) -> None:
        """Make an engine, which takes asks once it is started.

        Args:
            name: the model's, for the counts.
            tagger: what answers.
            settings: the limits.
            metrics: what is told of the work; None for nothing.
        """
        self.name = name
        self.tagger = tagger
        self.settings = settings
        self._hooks = metrics or Hooks()
        self._lanes = Lanes(short_characters=settings.short_characters, max_wait=settings.max_wait)
        self._runtime = Counted(tagger.runtime, name, self._hooks)
        self._jobs: set[Job] = set()
        self._answered: deque[tuple[float, int]] = deque(maxlen=256)  # when, and how many asks
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drained: asyncio.Event | None = None
        self._closing = False
        self._failed = False

    @property
    def waiting(self) -> int:
        """Asks that are taken and not answered."""
        return len(self._jobs)

    @property
    def failed(self) -> bool:
        """Whether the engine answers nothing any more, though nobody closed it."""
        return self._failed

    def start(self) -> None:
        """Start the threads.

        Raises:
            InputError: it was started before.
        """
        if self._threads:
            raise InputError(f"the engine of {self.name} was started before", mend="make another")
        self._threads = [self._thread("compute", self._compute)]
        self._threads += [
            self._thread(f"long-{n}", self._work_long) for n in range(self.settings.long_threads)
        ]
        for thread in self._threads:
            thread.start()

    async def answer(self, ask: Ask) -> list[Answer]:
        """Answer an ask: one answer a text, in order.

        When the task that waits is cancelled, the ask's work is dropped: what has not begun is never computed, and
        a long text stops at its next slice.

        Raises:
            RefusalError: 503 `stopping`, `not_ready`, `queue_full` or `out_of_memory`; 422 `text_too_long`,
                `too_many_words` or `text_refused`, with the place; 500 `failed`.
        """
        self._check_open()
        loop = asyncio.get_running_loop()
        self._loop = loop
        job = Job(ask, loop.create_future())
        assert job.future is not None
        self._jobs.add(job)
        try:
            self._lanes.put(job)
            self._hooks.queue(self.name, len(self._jobs))
            return await job.future
        except asyncio.CancelledError:
            self._lanes.drop(job)
            if job.future.done() and not job.future.cancelled():
                job.future.exception()  # looked at, or asyncio would report it
            raise
        except DroppedError:
            raise self._ended() from None
        finally:
            self._jobs.discard(job)
            self._hooks.queue(self.name, len(self._jobs))
            if self._drained is not None and not self._jobs:
                self._drained.set()
            del job  # a refusal's traceback holds this frame, and the job holds the refusal

    async def close(self, grace: float) -> None:
        """Refuse new asks, finish those that were taken, and end the threads.

        Args:
            grace: seconds for that; asks that are not answered then are refused.
        """
        self._closing = True
        if self._jobs and self._threads and not self._failed:
            self._drained = self._drained or asyncio.Event()
            try:
                await asyncio.wait_for(self._drained.wait(), grace)
            except TimeoutError:
                _log.warning("%s: %d requests were not answered in time", self.name, len(self._jobs))
        self._refuse_all()
        deadline = time.monotonic() + LAST_TURN
        while any(thread.is_alive() for thread in self._threads):
            if time.monotonic() > deadline:
                _log.warning("%s: a thread is still at work and is left behind", self.name)
                return
            await asyncio.sleep(0.002)

    def _check_open(self) -> None:
        if self._closing or self._failed or not self._threads:
            raise self._ended()
        if len(self._jobs) >= self.settings.max_queue:
            raise RefusalError(
                503,
                "queue_full",
                f"{len(self._jobs)} requests wait already; try again later",
                retry_after=self._retry_after(),
            )

    def _ended(self) -> RefusalError:
        if self._closing:
            return RefusalError(503, "stopping", "the service is stopping; ask another, or try again later")
        if self._failed:
            return RefusalError(
                500, "failed", "the model's thread has ended; the service has to be started anew"
            )
        return RefusalError(503, "not_ready", "the model is not ready yet; try again later", retry_after=1)

    def _retry_after(self) -> int:
        """Return the seconds in which the asks that wait will be answered, by the rate of the last answers."""
        now = time.monotonic()
        recent = [(when, number) for when, number in self._answered if now - when < LONGEST_RETRY]
        if not recent:
            return LONGEST_RETRY // 6
        seconds = (now - recent[0][0]) * len(self._jobs) / sum(number for _, number in recent)
        return min(LONGEST_RETRY, max(1, round(seconds)))

    def _refuse_all(self) -> None:
        """Let go of every ask and of the threads; in the event loop's thread."""
        for job in self._jobs:
            job.dropped = True
            job.outcome = self._ended()
            job.settle()
        self._lanes.end()

    def _thread(self, role: str, target: Callable[[], None]) -> threading.Thread:
        # A daemon: a model that hangs must not keep the process from ending.
        return threading.Thread(
            target=self._guarded, args=(target,), name=f"tagwright-{self.name}-{role}", daemon=True
        )

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # each catches its own: this is for what nobody has thought of
            log_fault(f"{self.name}: a thread of the engine has ended", error)
            self._failed = True
            self._lanes.end()
            self._call(self._refuse_all)

    def _compute(self) -> None:
        worker, trimmed = self._worker(), TrimmedRuntime(self._runtime, self.tagger.meta.max_pieces)
        while (turn := self._lanes.next_turn(worker.batch_pieces)) is not None:
            if isinstance(turn, Batch):
                turn.step(trimmed)
                self._lanes.put_back(turn)
            else:
                worker.work(turn, trimmed)
                self._lanes.after_round()  # before askers know, and ask again
                self._settle(turn)
            del turn  # or the last texts would be held until others come

    def _work_long(self) -> None:
        worker = self._worker()
        while (job := self._lanes.next_long()) is not None:
            worker.work([job], SlicedRuntime(self._runtime, job, self._lanes.post))
            self._settle([job])
            del job

    def _worker(self) -> Worker:
        return Worker(self.name, self.tagger, max_words=self.settings.max_words, hooks=self._hooks)

    def _settle(self, jobs: Sequence[Job]) -> None:
        """Hand out outcomes, with one call of the event loop for all."""
        self._call(lambda: self._hand_out(jobs))

    def _hand_out(self, jobs: Sequence[Job]) -> None:
        self._answered.append((time.monotonic(), len(jobs)))
        for job in jobs:
            job.settle()

    def _call(self, function: Callable[[], None]) -> None:
        """Have something done in the event loop's thread."""
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed, and nobody waits
            _log.debug("%s: an answer came after the event loop was closed", self.name)
