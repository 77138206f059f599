"""A closed loop of short requests over kept-alive connections, in its own process, with little work a request.

    python benchmarks/serve_client.py JOB.json RESULT.json

JOB.json: {"host", "port", "path", "texts", "connections", "seconds" or "count", "warm": seconds, "number": bool}.
Each connection sends a request, waits for its answer, and sends the next; texts are taken in turn. A request that was
sent and whose connection ended without a whole answer is counted as lost (and as cut, if some of the answer had come),
and the connection is opened again. RESULT.json has the answers of status 200 a second, the latencies in milliseconds,
statuses, the distinct answers of each text with their counts, and what of one core the client itself took.
"""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

NUMBER = b"000000000"
REOPEN = 0.02
"""Seconds until a connection that was refused or ended is tried again."""


def request_of(text: str, *, host: str, path: str, number: bool = False, key: str = "text") -> bytes:
    """The bytes of one request; with `number`, the text ends in nine digits that `numbered` sets."""
    body = json.dumps({key: f"{text} {NUMBER.decode()}" if number else text}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def numbered(request: bytes, number: int) -> bytes:
    """The request with its number set, so that no two texts are the same."""
    at = request.rindex(NUMBER)
    return b"%s%09d%s" % (request[:at], number, request[at + len(NUMBER) :])


class AnswerParser:
    """Cuts the bytes of a connection into answers: a status, the bytes of the body, whether it ends the connection.

    It reads what the services measured here send: a status line, `Content-Length` or chunks, a body.
    """

    def __init__(self) -> None:
        self.buffer = b""

    def feed(self, data: bytes) -> tuple[int, bytes, bool] | None:
        """Take bytes; return the answer if it is whole now. One request is on its way at a time."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        begin = end + 4
        if at >= 0:
            until = head.find(b"\r\n", at)
            size = int(head[at + 15 : until if until >= 0 else end])
            if len(self.buffer) < begin + size:
                return None
            body = self.buffer[begin : begin + size]
        elif b"transfer-encoding: chunked" in head:
            if not self.buffer.endswith(b"0\r\n\r\n"):
                return None
            body = self.buffer[begin:]
        else:
            raise ValueError(f"an answer of unknown length: {head!r}")
        status = int(self.buffer[9:12])
        self.buffer = b""
        return status, body, b"connection: close" in head


class Load:
    """What all connections share: the requests, the clock, and what was counted."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.number = bool(job.get("number"))
        host, path = f"{job['host']}:{job['port']}", job["path"]
        key = job.get("key", "text")
        self.requests = [
            request_of(text, host=host, path=path, number=self.number, key=key) for text in job["texts"]
        ]
        self.count: int | None = job.get("count")
        self.sent = 0
        self.latencies = array("d")
        self.statuses: Counter[int] = Counter()
        self.good = 0
        self.lost = self.cut = self.refused = self.reopened = 0
        self.answers: dict[int, Counter[bytes]] = {}
        self.counting = False
        self.stopped = False
        self.waiting: set[Connection] = set()
        self.open: set[Connection] = set()
        self.done = asyncio.Event()

    def next(self) -> tuple[int, bytes] | None:
        """The next request and the number of its text; None when enough were sent."""
        if self.stopped or (self.counting and self.count is not None and self.sent >= self.count):
            return None
        text = self.sent % len(self.requests)
        request = self.requests[text]
        if self.number:
            request = numbered(request, self.sent)
        self.sent += 1
        return text, request

    def answered(self, text: int, status: int, body: bytes, seconds: float, *, counted: bool) -> None:
        """Count an answer; `counted` is whether its request was sent once counting had begun."""
        self.good += self.counting and status == 200
        if not counted:
            return
        self.latencies.append(1000 * seconds)
        self.statuses[status] += 1
        if not self.number:
            self.answers.setdefault(text, Counter())[body] += 1


class Connection(asyncio.Protocol):
    """One connection, with one request on its way."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.parser = AnswerParser()
        self.transport: Any = None
        self.text = -1
        self.counted = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.open.add(self)
        self.send()

    def send(self) -> None:
        following = self.load.next()
        if following is None:
            self.finish()
            return
        self.text, request = following
        self.counted = self.load.counting
        self.load.waiting.add(self)
        self.begin = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        answer = self.parser.feed(data)
        if answer is None:
            return
        status, body, last = answer
        seconds = time.perf_counter() - self.begin
        self.load.answered(self.text, status, body, seconds, counted=self.counted)
        self.text = -1
        self.load.waiting.discard(self)
        if last:
            self.transport.close()
        else:
            self.send()

    def finish(self) -> None:
        self.load.stopped = True
        self.transport.close()
        if not self.load.waiting:
            self.load.done.set()

    def connection_lost(self, error: Exception | None) -> None:
        load = self.load
        load.open.discard(self)
        if self in load.waiting:
            load.waiting.discard(self)
            load.lost += self.counted
            load.cut += self.counted and bool(self.parser.buffer)
        if load.stopped:
            if not load.waiting:
                load.done.set()
            return
        load.reopened += 1
        asyncio.get_running_loop().call_later(REOPEN, lambda: keep(open_connection(load)))


running: set[asyncio.Task[None]] = set()


def keep(coroutine: Any) -> None:
    """Run a coroutine, and hold on to its task."""
    task = asyncio.get_running_loop().create_task(coroutine)
    running.add(task)
    task.add_done_callback(running.discard)


async def open_connection(load: Load) -> None:
    loop = asyncio.get_running_loop()
    while not load.stopped:
        try:
            await loop.create_connection(lambda: Connection(load), load.job["host"], load.job["port"])
        except OSError:
            load.refused += load.counting
            await asyncio.sleep(REOPEN)
        else:
            return


async def run(job: dict[str, Any], begun: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Do a job; `begun` is called when counting begins, and SIGTERM ends it early."""
    load = Load(job)
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, enough.set)
    for _ in range(job["connections"]):
        keep(open_connection(load))
    await asyncio.sleep(job.get("warm", 0))
    begun()
    load.counting, load.sent = True, 0
    cpu, begin = own_cpu(), time.perf_counter()
    if load.count is not None:
        await load.done.wait()
    else:
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), job["seconds"])
        load.stopped = True
    seconds, cpu = time.perf_counter() - begin, own_cpu() - cpu
    good = load.good
    if load.waiting:  # what is on its way is answered too, but counts for no rate
        try:
            await asyncio.wait_for(load.done.wait(), job.get("patience", 60))
        except TimeoutError:
            load.lost += len(load.waiting)
            load.waiting.clear()
    while running or load.open:  # a connection that is only now made ends with the others
        for connection in load.open:
            connection.transport.close()
        await asyncio.sleep(REOPEN)
    return {
        "seconds": seconds,
        "client_cpu": cpu / seconds,
        "rate": good / seconds,
        "latencies": load.latencies.tolist(),
        "statuses": dict(load.statuses),
        "lost": load.lost,
        "cut": load.cut,
        "refused": load.refused,
        "reopened": load.reopened,
        "answers": {
            text: [(body.decode(), count) for body, count in found.items()]
            for text, found in load.answers.items()
        },
    }


def own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    job_file, result_file = map(Path, sys.argv[1:3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    job = json.loads(job_file.read_text(encoding="utf-8"))
    try:
        from uvloop import run as run_in_loop
    except ImportError:
        run_in_loop = asyncio.run
    result = run_in_loop(run(job, begun=lambda: print("counting", flush=True)))
    result_file.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
