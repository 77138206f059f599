"""What the benchmarks of the service count with, against services that are written for it; whole runs are long."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.models import tiny_bundle
from tests.pages import write_corpus

pytest.importorskip("uvicorn", reason="the service is not installed: pip install 'tagwright[serve]'")

ROOT = Path(__file__).parents[2]
Respond = Callable[[int, bytes], bytes]


def answer(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


async def served(respond: Respond, use: Callable[[int], Awaitable[Any]], pause: float = 0.0) -> Any:
    """Run `use(port)` beside a service that answers the n-th request by `respond(n, body)`; b"" ends the connection."""
    count = 0
    handlers: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        handlers.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(size)
                count += 1
                said = respond(count, body)
                await asyncio.sleep(pause)
                if not said:
                    return
                for begin in range(0, len(said), 7):  # in pieces, as a network may bring them
                    writer.write(said[begin : begin + 7])
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        found = await use(server.sockets[0].getsockname()[1])
        await asyncio.gather(*(handler for handler in handlers if handler))
        return found


def measured(client: ModuleType, respond: Respond, pause: float = 0.0, **job: Any) -> dict[str, Any]:
    given = {"host": "127.0.0.1", "path": "/", "texts": ["a", "b", "é"], "connections": 2, **job}
    return asyncio.run(served(respond, lambda port: client.run({**given, "port": port}), pause))


def test_every_answer_is_counted_once_with_its_text(load_benchmark):
    found = measured(load_benchmark("serve_client"), lambda n, body: answer(body), count=30)

    assert found["statuses"] == {200: 30}
    assert len(found["latencies"]) == 30
    assert found["lost"] == found["refused"] == found["reopened"] == 0
    assert {
        text: [json.loads(body)["text"] for body, _ in bodies] for text, bodies in found["answers"].items()
    } == {
        0: ["a"],
        1: ["b"],
        2: ["é"],
    }
    assert [count for bodies in found["answers"].values() for _, count in bodies] == [10, 10, 10]


def test_a_latency_lasts_from_the_request_to_the_answer(load_benchmark):
    found = measured(
        load_benchmark("serve_client"), lambda n, body: answer(body), pause=0.02, count=6, connections=3
    )

    assert all(ms >= 20 for ms in found["latencies"])
    assert found["seconds"] >= 2 * 0.02
    assert found["rate"] == pytest.approx(6 / found["seconds"])


def test_statuses_are_told_apart_and_a_connection_that_is_ended_is_opened_again(load_benchmark):
    def respond(n: int, body: bytes) -> bytes:
        return answer(b"{}", b"503 No", b"Connection: close\r\n") if n % 3 == 0 else answer(b"{}")

    found = measured(load_benchmark("serve_client"), respond, count=12)

    assert found["statuses"] == {200: 8, 503: 4}
    assert found["rate"] == pytest.approx(8 / found["seconds"])
    assert found["lost"] == 0
    assert 1 <= found["reopened"] <= 4


@pytest.mark.parametrize(("left", "cut"), [(b"", 0), (answer(b"{}")[:20], 1)])
def test_an_answer_that_does_not_come_is_lost(load_benchmark, left, cut):
    """The service ends the connection with nothing said, or in the middle of an answer."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(left)
        writer.close()

    async def use() -> dict[str, Any]:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            job = {
                "host": "127.0.0.1",
                "port": port,
                "path": "/",
                "texts": ["a"],
                "connections": 1,
                "count": 3,
            }
            return await load_benchmark("serve_client").run(job)

    found = asyncio.run(use())

    assert (found["lost"], found["cut"]) == (3, 3 * cut)
    assert found["statuses"] == {}


def test_what_is_sent_to_warm_up_is_not_counted(load_benchmark):
    seen: list[int] = []

    def respond(n: int, body: bytes) -> bytes:
        seen.append(n)
        return answer(b"{}")

    found = measured(load_benchmark("serve_client"), respond, pause=0.001, count=5, warm=0.3)

    assert found["statuses"] == {200: 5}
    assert len(seen) > 5


def test_numbered_texts_differ(load_benchmark):
    bodies: list[bytes] = []

    def respond(n: int, body: bytes) -> bytes:
        bodies.append(body)
        return answer(b"{}")

    found = measured(load_benchmark("serve_client"), respond, count=20, number=True)

    assert len({json.loads(body)["text"] for body in bodies}) == len(bodies) >= 20
    assert found["answers"] == {}


def test_chunked_answers_are_read(load_benchmark):
    parser = load_benchmark("serve_client").AnswerParser()
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

    assert parser.feed(said[:-3]) is None
    assert parser.feed(said[-3:]) == (200, b"2\r\n{}\r\n0\r\n\r\n", False)


def test_other_entities_and_near_ties_are_counted(load_benchmark, tmp_path):
    texts = ["Jeff Bezos bought the Post .", "a storm in New York"]
    reference = load_benchmark("serving").Reference(tiny_bundle(tmp_path / "run"), texts)

    def body(text: int, *, without: int = 0) -> str:
        entities = [entity.to_dict() for entity in reference.predictions[text].entities]
        return json.dumps({"results": [{"entities": entities[without:]}]})

    assert all(reference.spans)
    answers = {0: [(body(0), 3), (body(0, without=1), 2)], 1: [(body(1), 4), ('{"error": {}}', 1)]}

    assert reference.differing({"answers": answers}) == (9, 2, 0)
    reference.tagger.probabilities = lambda words: (
        [dict.fromkeys(reference.tagger.labels.names, 0.1)] * len(words)
    )
    assert reference.differing({"answers": answers}) == (9, 2, 2)


def test_percentiles_take_the_nearest_rank(load_benchmark):
    assert load_benchmark("serving").percentiles(float(n) for n in range(1, 101)) == "51.0 / 96.0 / 100.0"


def test_tenths_are_medians(load_benchmark):
    assert load_benchmark("serve_mixed").tenths([float(n // 5) for n in range(50)]) == [
        float(n) for n in range(10)
    ]


def test_a_row_tells_what_was_refused_or_lost(load_benchmark):
    cell = {
        "rate": 10.0,
        "statuses": {"200": 5, "500": 5},
        "lost": 1,
        "latencies": [1.0],
        "differing": (5, 1, 1),
        "client_cpu": 0.1,
        "server_cpu": 1.5,
        "resident_mb": 100.0,
    }
    good = {**cell, "rate": 20.0, "statuses": {"200": 10}, "lost": 0}

    rows = load_benchmark("serve").table({"ours": {8: [good]}, "direct": {8: [cell]}}, "direct").splitlines()

    assert rows[2].startswith("| ours | 8 | 20.0 | 2.0 | 1.0 / 1.0 / 1.0 | 0 | 5 | 1 (1) |")
    assert rows[3].startswith("| direct | 8 | 10.0 | 1.0 | 1.0 / 1.0 / 1.0 | 5 × 500, 1 × lost |")


def test_bad_requests_are_of_every_kind_and_the_same_for_a_seed(load_benchmark):
    bad = load_benchmark("serve_bad")
    limits = {"max_body": 1000, "max_texts": 3, "max_words": 5}

    drawn = bad.draw_bad(3000, ["one", "two"], seed=1, **limits)

    assert drawn == bad.draw_bad(3000, ["one", "two"], seed=1, **limits)
    assert drawn != bad.draw_bad(3000, ["one", "two"], seed=2, **limits)
    assert {each.kind for each in drawn} == set(bad.kinds(**limits))
    assert len({each.data for each in drawn}) > 500


@pytest.mark.parametrize(
    ("given", "status", "body", "wrong"),
    [
        ({}, 422, b'{"error": {"code": "a", "message": "b"}, "request_id": "c"}', False),
        ({}, 422, b'{"error": {"code": "a"}, "request_id": "c"}', True),
        ({}, 422, b"Traceback (most recent call last)", True),
        ({}, 400, b"Invalid HTTP request received.", False),
        ({}, 500, b'{"error": {"code": "a", "message": "b"}, "request_id": "c"}', True),
        ({}, 200, b'{"results": []}', True),
        ({}, 0, b"", True),
        ({"closing": True}, 0, b"", False),
        ({"lines": True, "statuses": frozenset({200})}, 200, b'{"line": 1, "error": {}}\n', False),
        ({"lines": True, "statuses": frozenset({200})}, 200, b'{"line": 1, "entities": []}\n', True),
    ],
)
def test_a_wrong_answer_to_a_bad_request_is_found(load_benchmark, given, status, body, wrong):
    bad = load_benchmark("serve_bad").Bad("kind", b"", **given)

    assert (load_benchmark("serve_attacks").complaint(bad, status, body) is not None) is wrong


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> list[str]:
    """A bundle and a corpus, as arguments."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "corpus").mkdir()
    return [str(tiny_bundle(folder / "tiny")), write_corpus(folder / "corpus")]


@pytest.mark.long
def test_services_are_measured_side_by_side(sources, tmp_path):
    short = ["--seconds", "0.5", "--warm", "0.2", "--rounds", "1", "--trials", "1", "--connections", "2", "4"]

    printed = run("benchmarks/serve.py", *sources, *short, "--json", str(tmp_path / "all.json"))

    rows = [line.split(" | ") for line in printed.splitlines() if line.startswith("| `tagwright serve`")]
    assert [row[1] for row in rows] == ["2", "4"]
    assert all(row[5] == "0" for row in rows)  # nothing refused or lost
    assert "The fastest in fp32, measured below: FastAPI + `pipeline`" in printed
    made = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert all(len(some) == 1 for cells in made["cells"].values() for some in cells.values())


@pytest.mark.long
def test_short_texts_and_memory_are_measured(sources):
    mixed = run(
        "benchmarks/serve.py", *sources, "--mixed", "--seconds", "1", "--rounds", "1", "--words", "2000"
    )
    assert [line.count("|") for line in mixed.splitlines() if line.startswith(("| 1 |", "| 8 |"))] == [8] * 4

    memory = run("benchmarks/serve.py", *sources, "--memory", "300", "--connections", "4")
    assert "| requests | 300 |" in memory
    assert "| not 200 | 0 |" in memory


@pytest.mark.long
def test_abuse_is_borne(sources):
    printed = run(
        *("benchmarks/serve_abuse.py", *sources, "--bad", "400", "--connections", "100"),
        *("--slow", "20", "--seconds", "1"),
    )

    assert "| of status 5xx; without an answer in 30 s | 0; 0 |" in printed
    assert "Not as it should be" not in printed
