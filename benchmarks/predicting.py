"""How each arm of predict.py is measured, in its own process: start-up, answers one at a time, all at once, memory.

An arm is opened by a function that returns `answer(documents, batch)`: documents are lists of words; the answer is a
list of entities `(start, end, type)` for each. Where `batch` is None the arm chooses.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Entities = list[tuple[int, int, str]]
Answer = Callable[[Sequence[list[str]], int | None], list[Entities]]

STARTED = "TAGWRIGHT_BENCHMARK_STARTED"
"""The variable in which the caller leaves the time, in seconds since 1970, at which it started the process."""

SHORT = ["Jeff", "Bezos", "bought", "the", "Washington", "Post", "in", "New", "York", "."]
BATCHES = (1, 4, 8, 16, 32, 64, 128, 256)
SEARCHED = 400
"""The batch size is searched on every second document, third, and so on, down to so many."""
WARMED = 5
"""Every fifth document is tagged once before anything is timed."""
LEAST, MOST = 3.0, 5
"""All is tagged again until so many seconds were timed, at most so many times."""


def read_documents(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["words"] for line in file]


def peak_mb() -> float:
    """The largest resident memory of this process, in MB of 2**20 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with what the parent had
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def seconds_of(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def search_batch(answer: Answer, documents: Sequence[list[str]]) -> dict[int, float]:
    """Seconds by batch size; it ends after two in a row that are slower than the best by a tenth."""
    some = documents[:: max(1, len(documents) // SEARCHED)]
    answer(documents[::WARMED], 8)
    found: dict[int, float] = {}
    slower = 0
    for batch in BATCHES:
        found[batch] = seconds_of(lambda batch=batch: answer(some, batch))
        slower = slower + 1 if found[batch] > 1.1 * min(found.values()) else 0
        if slower == 2:
            break
    return found


def measure(
    load: Callable[[], Answer], source: Path, *, batch: int | None, calls: int, search: bool = False
) -> dict[str, Any]:
    """Open an arm and measure it.

    Args:
        load: opens the arm.
        source: JSON lines with `words`.
        batch: documents in a batch; None is the arm's own choice.
        calls: how many short texts, and how many documents, are tagged one at a time.
        search: look for the best batch size, and for nothing else.
    """
    begin = time.perf_counter()
    answer = load()
    loaded = time.perf_counter() - begin
    answer([SHORT], 1)
    started = time.time() - float(os.environ.get(STARTED, "nan"))
    documents = read_documents(source)
    if search:
        found = search_batch(answer, documents)
        return {"batches": found, "best_batch": min(found, key=found.__getitem__)}

    for _ in range(10):
        answer([SHORT], 1)
    short = [1000 * seconds_of(lambda: answer([SHORT], 1)) for _ in range(calls)]
    apart = max(1, len(documents) // max(1, calls))
    some = documents[::apart][:calls]
    single = [1000 * seconds_of(lambda one=one: answer([one], 1)) for one in some]
    answer(documents[::WARMED], batch)
    rounds: list[float] = []
    entities: list[Entities] = []
    while len(rounds) < MOST and sum(rounds) < LEAST:
        begin = time.perf_counter()
        entities = answer(documents, batch)
        rounds.append(time.perf_counter() - begin)
    words = sum(map(len, documents))
    return {
        "words_per_second": words / statistics.median(rounds),
        "best_batch": batch,
        "rounds": rounds,
        "load_seconds": loaded,
        "start_seconds": started,
        "first_answer_ms": short,
        "single_ms": single,
        "peak_mb": peak_mb(),
        "entities": entities,
    }
