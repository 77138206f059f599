"""The bytes that a service holds for its callers: one budget for the whole process."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tagwright.serve.refusal import RefusalError

__all__ = ["LONG", "SMALL", "Budget", "Share", "full", "weight_of"]

SMALL = 64 << 10
"""Bytes under which a body may use the part of the budget that is kept for such."""

LONG = 16 << 10
"""Bytes beyond which a body is read, computed and answered in its turn, and held as it came until then."""

_KEPT = 8  # one part in so many is for small bodies
_WORD = 80  # bytes that a word of a list takes, beside its own
_LATER = 5  # seconds after which a refused caller is told to come back
_MUCH = 16 << 20  # bytes after which memory is worth giving back
_IDLE = 1.0  # seconds of rest before that


class Budget:
    """Counts what is held for callers, and says no before it is too much.

    Held are bodies from their first byte until they are answered, and long answers until they are sent. What becomes
    of a body while it is worked on takes many times its bytes, so long ones take turns: at any time those that are
    worked on have `turns` bytes in all, or it is one.

    It belongs to one event loop; `held` may be read from any thread.

    Attributes:
        most: bytes that may be held.
        held: bytes that are held.
        small: those of small bodies, which have their part even where answers that nobody reads fill the rest.
    """

    def __init__(self, most: int, turns: int, queue: int) -> None:
        """Make an empty budget.

        Args:
            most: bytes to hold, at least `turns`.
            turns: bytes of the bodies that are worked on at once; the longest body.
            queue: how many wait for their turn, at most.
        """
        self.most = most
        self.held = 0
        self.small = 0
        self._kept = most // _KEPT
        self._most_large = max(turns, most - self._kept)
        self._answers = 0
        self._turns = turns
        self._queue = queue
        self._working = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._streams: deque[asyncio.Future[None]] = deque()
        self._peak = 0
        self._resting: asyncio.TimerHandle | None = None
        self._trim = _trimmer()

    def fits(self, size: int, whole: int | None = None) -> bool:
        """Say whether so many bytes more may be held, of a body of `whole` bytes or of those."""
        if (whole or size) < SMALL:
            return self.held + size <= self.most or self.small + size <= self._kept
        return self.held + size <= self._most_large

    def hold(self, size: int) -> None:
        """Count bytes, whether or not they fit; fewer, where negative."""
        self.held += size
        if self.held > self._peak:
            self._peak = self.held
        if size < 0:
            if self._streams:
                self._wake_streams()
            if self._peak > _MUCH and not self.held:
                self._rest()

    def hold_answer(self, size: int) -> None:
        """Count the bytes of an answer, which has to go out, and lets nobody have a turn while there is too much."""
        self._answers += size
        self.hold(size)
        if size < 0:
            self._admit()

    async def room(self) -> None:
        """Wait until bytes are let go of."""
        future = asyncio.get_running_loop().create_future()
        self._streams.append(future)
        await future

    @asynccontextmanager
    async def turn(self, size: int, *, patient: bool = False) -> AsyncIterator[None]:
        """Wait until a body of `size` bytes may be worked on; the first to come is the first to go.

        Raises:
            RefusalError: 503, too many wait already, and the caller is not `patient`.
        """
        if self._waiting or not self._free(size):
            if len(self._waiting) >= self._queue and not patient:
                raise full(f"{len(self._waiting)} long requests wait already; try again later")
            await self._wait(size)
        else:
            self._working += size
        try:
            yield
        finally:
            self._working -= size
            self._admit()

    async def _wait(self, size: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (size, future)
        self._waiting.append(place)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._working -= size  # the turn came at the very moment
            else:
                self._waiting.remove(place)
            self._admit()
            raise

    def _free(self, size: int) -> bool:
        return self._answers <= self.most and (not self._working or self._working + size <= self._turns)

    def _admit(self) -> None:
        while self._waiting:
            size, future = self._waiting[0]
            if future.cancelled():  # its task takes it out
                return
            if not self._free(size):
                return
            self._waiting.popleft()
            self._working += size
            future.set_result(None)

    def _wake_streams(self) -> None:
        waiting, self._streams = self._streams, deque()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def _rest(self) -> None:
        """Give memory back to the system once nothing was held for a moment."""
        if self._trim is None or self._resting is not None:
            return

        def look() -> None:
            self._resting = None
            if not self.held and self._trim is not None:
                self._peak = 0
                loop.run_in_executor(None, self._trim, 0)

        loop = asyncio.get_running_loop()
        self._resting = loop.call_later(_IDLE, look)


class Share:
    """What is held for one request.

    Attributes:
        size: bytes.
    """

    __slots__ = ("_answer", "_budget", "_small", "size")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._answer = 0
        self._small = 0
        self.size = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more.

        Raises:
            RefusalError: 503, they do not fit.
        """
        budget = self._budget
        if not budget.fits(size, self.size + size):
            raise full(f"The service holds {budget.held:,} bytes for others already; try again later.")
        self.size = whole = self.size + size
        small = whole if whole < SMALL else 0
        budget.small += small - self._small
        self._small = small
        budget.hold(size)

    def keep(self, size: int) -> None:
        """Hold no more than so many bytes."""
        self._budget.small -= self._small
        self._small = 0
        self._budget.hold(size - self.size)
        self.size = size

    def answer(self, size: int) -> None:
        """Hold so many bytes of an answer more, whether or not they fit; fewer, where negative."""
        self._answer += size
        self._budget.hold_answer(size)

    def free(self) -> None:
        """Let go of everything."""
        if self._answer:
            self.answer(-self._answer)
        if self.size:
            self.keep(0)


def full(message: str) -> RefusalError:
    """Return the refusal of what does not fit."""
    return RefusalError(503, "queue_full", message, retry_after=_LATER)


def weight_of(body: bytes) -> int:
    """Return what a body counts: its bytes, and where it has a list, what the list's items may take in memory.

    One that waits for its turn waits as it came, and counts no more than that.
    """
    if len(body) > LONG or b"[" not in body:
        return len(body)
    return len(body) + _WORD * body.count(b",")


def _trimmer() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; None where there is another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    return trim
