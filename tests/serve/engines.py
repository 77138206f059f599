"""Engines for tests: tiny models whose calls can be counted, held up and broken, and hooks that add up."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from tagwright.predict.tagger import Tagger
from tagwright.records import Prediction
from tagwright.serve.ask import Answer, Ask
from tagwright.serve.engine import Engine
from tagwright.serve.settings import Settings

BOUND = 60.0
"""Seconds after which a test gives up waiting; nothing depends on how fast a machine is."""


class Watched:
    """A runtime that keeps what it was given, and can be held up or made to fail.

    Attributes:
        shapes: of each batch, in order.
        pieces: those of all batches, padding left out.
        gate: while it is clear, calls wait.
        entered: set by each call before it waits at the gate.
        before: called with each batch, and may raise.
    """

    def __init__(self, runtime: Any) -> None:
        self.name, self.precision, self.device = runtime.name, runtime.precision, runtime.device
        self.batch_pieces = runtime.batch_pieces
        self.shapes: list[tuple[int, int]] = []
        self.pieces = 0
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.threads: set[str] = set()
        self.before: Callable[[np.ndarray], None] = lambda input_ids: None
        self._runtime = runtime

    def logits(self, input_ids, attention_mask):
        self.entered.set()
        assert self.gate.wait(BOUND)
        self.threads.add(threading.current_thread().name)
        self.before(input_ids)
        self.shapes.append(input_ids.shape)
        self.pieces += int(attention_mask.sum())
        return self._runtime.logits(input_ids, attention_mask)


def watched(folder: Any, *, batch_pieces: int | None = None, **options: Any) -> Tagger:
    """Load a tagger, in fp32 on the processor, whose runtime is watched."""
    tagger = Tagger.load(folder, precision="fp32", device="cpu", **options)
    tagger.runtime = Watched(tagger.runtime)
    if batch_pieces is not None:
        tagger.batch_pieces = tagger.runtime.batch_pieces = batch_pieces
    return tagger


class Sums:
    """Hooks that add up what they are told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.stages: Counter[str] = Counter()
        self.batches: list[tuple[int, int]] = []
        self.waiting: list[int] = []
        self.models: set[str] = set()

    def batch(self, model: str, windows: int, pieces: int) -> None:
        self.models.add(model)
        self.batches.append((windows, pieces))

    def words(self, model: str, n: int) -> None:
        self.counts["words"] += n

    def windows(self, model: str, n: int) -> None:
        self.counts["windows"] += n

    def overflows(self, model: str, n: int) -> None:
        self.counts["overflows"] += n

    def entities(self, model: str, counts: Mapping[str, int]) -> None:
        self.types.update(counts)

    def stage(self, model: str, name: str, seconds: float) -> None:
        assert 0 <= seconds < BOUND
        self.stages[name] += 1

    def queue(self, model: str, asks: int) -> None:
        self.waiting.append(asks)


@asynccontextmanager
async def running(
    tagger: Tagger, metrics: Sums | None = None, *, grace: float = BOUND, **limits: Any
) -> AsyncIterator[Engine]:
    """Run an engine; at the end it is closed, and no thread of it is left."""
    engine = Engine("tiny", tagger, Settings(**limits), metrics)
    engine.start()
    try:
        yield engine
    finally:
        if isinstance(tagger.runtime, Watched):
            tagger.runtime.gate.set()
        await engine.close(grace)
        assert not threads_of(engine)


def threads_of(engine: Engine) -> list[str]:
    """Return the names of an engine's threads that are alive."""
    return [
        thread.name for thread in threading.enumerate() if thread.name.startswith(f"tagwright-{engine.name}-")
    ]


async def until(true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(BOUND):
        while not true():
            await asyncio.sleep(0.001)


def answers_of(predictions: list[Prediction]) -> list[Answer]:
    """Return what an engine answers where a tagger predicts."""
    return [Answer(tuple(found.entities), len(found.words), found.lost_words) for found in predictions]


def texts_ask(*texts: str, **options: Any) -> Ask:
    """Ask about texts."""
    return Ask(texts=texts, **options)
