"""What serve_abuse.py does to a service: bad requests, slow clients, signals in the middle of a load."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from serve_bad import Bad, http, said
from serve_client import AnswerParser
from serving import HOST, Client, Running, load

PATIENCE = 30.0
"""Seconds after which an answer that did not come is a hang."""
EVERY = 50
"""Bad requests between two good ones."""
AT_ONCE = 32
TRICKLE = 0.25
"""Seconds between two bytes of a slow client."""


async def exchange(port: int, data: bytes, leaves: str = "stays") -> tuple[int, bytes]:
    """Send bytes and read one answer: its status and body; 0 where the connection ended without one."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 24)
    parser = AnswerParser()
    try:
        with suppress(ConnectionError):  # it may refuse before it has read all
            writer.write(data)
            if leaves == "gone":
                writer.transport.abort()
                return 0, b""
            await writer.drain()
            if leaves == "half":
                writer.write_eof()
        with suppress(ConnectionError):
            while received := await reader.read(1 << 16):
                with suppress(IndexError):
                    answer = first_answer(parser, received)
                    if answer is not None:
                        return answer
        return 0, b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def first_answer(parser: AnswerParser, received: bytes) -> tuple[int, bytes] | None:
    answer = parser.feed(received)
    return answer and answer[:2]


def complaint(bad: Bad, status: int, body: bytes) -> str | None:
    """What is wrong with the answer to a bad request; None where nothing is."""
    if status == 0:
        return None if bad.closing else "the connection ended without an answer"
    if status not in bad.statuses:
        return f"status {status}"
    if b"root:" in body or b"Traceback" in body:
        return "the answer tells what it should not"
    if bad.lines:
        lines = [line for line in body.split(b"\n") if line.startswith(b"{")]
        return None if lines and all(b'"error"' in line for line in lines) else "a bad line was not refused"
    if body.startswith(b"{"):
        error = json.loads(body).get("error", {})
        if not (error.get("code") and error.get("message") and b"request_id" in body):
            return "the answer names no code, message or request"
    elif status not in (400, 405, 408, 431):  # what is no HTTP is answered before the app sees it
        return "the refusal is no JSON"
    return None


async def send_bad(port: int, bads: list[Bad], good: bytes) -> dict[str, Any]:
    """Send bad requests, with a good one after every so many; count what came back."""
    statuses: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = {}
    wrong: Counter[str] = Counter()
    good_ones = hangs = 0
    todo = iter(enumerate(bads, 1))

    async def work() -> None:
        nonlocal good_ones, hangs
        for number, bad in todo:
            try:
                async with asyncio.timeout(PATIENCE):
                    status, body = await exchange(port, bad.data, bad.leaves)
            except TimeoutError:
                hangs += 1
                wrong[f"{bad.kind}: no answer in {PATIENCE:g} s"] += 1
                continue
            told = str(status) if status else "no answer"
            statuses[told] += 1
            kinds.setdefault(bad.kind, Counter())[told] += 1
            if why := complaint(bad, status, body):
                wrong[f"{bad.kind}: {why}"] += 1
            if number % EVERY == 0:
                status, body = await exchange(port, good)
                if status != 200 or not body.startswith(b'{"model"'):
                    wrong[f"a good request between them: status {status}"] += 1
                good_ones += 1

    begin = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return {
        "seconds": time.perf_counter() - begin,
        "statuses": dict(statuses),
        "kinds": {kind: dict(counts) for kind, counts in kinds.items()},
        "wrong": dict(wrong),
        "hangs": hangs,
        "good": good_ones,
    }


async def trickle(port: int, data: bytes, ready: int, until: asyncio.Event, ended: list[float]) -> None:
    """Send the first bytes, then a byte now and then, until the service ends the connection; then again."""
    while not until.is_set():
        begin = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(TRICKLE)
            continue
        gone = asyncio.ensure_future(reader.read())
        with suppress(ConnectionError):
            writer.write(data[:ready])
            for byte in data[ready:]:
                await asyncio.wait([gone], timeout=TRICKLE)
                if gone.done() or until.is_set():
                    break
                writer.write(bytes([byte]))
        if not until.is_set():
            ended.append(time.perf_counter() - begin)
        writer.close()
        gone.cancel()
        with suppress(ConnectionError, asyncio.CancelledError):
            await gone


async def slow_loris(
    running: Running, texts: list[str], connections: int, seconds: float
) -> tuple[dict[str, Any], list[float], list[float]]:
    """Load a service with good requests while slow clients hold connections.

    Returns the good ones' result, and the seconds after which slow heads and slow bodies were ended.
    """
    until = asyncio.Event()
    body = said({"text": texts[0] * 50})
    whole = http(body)
    head = len(whole) - len(body)
    ended: tuple[list[float], list[float]] = ([], [])
    tasks = [
        asyncio.ensure_future(trickle(running.port, whole, (1, head)[n % 2], until, ended[n % 2]))
        for n in range(connections)
    ]
    await asyncio.sleep(1)
    found = await asyncio.to_thread(load, running, texts, 8, seconds=seconds, warm=1)
    until.set()
    await asyncio.gather(*tasks)
    return found, *ended


def terminate(running: Running, texts: list[str], document: str, seconds: float) -> dict[str, Any]:
    """Send SIGTERM in the middle of a load of short texts and of long ones.

    What a service has taken stands in its log, with the status that it answered; a request that reached a connection
    as that was ended was sent, and lost, but never taken.
    """
    short = Client(running, texts, 64, seconds=2 * seconds, patience=5)
    long = Client(running, [document], 2, seconds=2 * seconds, patience=30)
    time.sleep(seconds)
    code, took = running.stop()
    counts = [client.result() for client in (short, long)]
    taken = taken_after_stop(running.log.read_text(encoding="utf-8").splitlines())
    return {"code": code, "seconds": took, "short": counts[0], "long": counts[1], "taken": taken}


def taken_after_stop(log: list[str]) -> dict[str, int]:
    """How often each status was given once the service had been told to stop."""
    lines = [json.loads(line) for line in log if line.startswith("{")]
    events = [line["event"] for line in lines]
    begin = events.index("stopping") if "stopping" in events else len(events)
    return dict(Counter(str(line["status"]) for line in lines[begin:] if line["event"] == "request"))


def kill_and_restart(running: Running, texts: list[str], seconds: float) -> tuple[Running, dict[str, Any]]:
    """Send SIGKILL in the middle of a load, start the service again on the same port, and go on."""
    client = Client(running, texts, 64, seconds=3 * seconds + 10, patience=10)
    time.sleep(seconds)
    begin = time.perf_counter()
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    again = Running(running.service, port=running.port)
    back = time.perf_counter() - begin
    return again, {"back": back, **client.result()}
