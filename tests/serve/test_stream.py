"""Streams: JSON lines in and out, in order, in bounded memory, and each bad line alone."""

from __future__ import annotations

import json
import time

import pytest

from tagwright.serve import stream
from tagwright.serve.stream import WINDOW
from tests.serve.services import LINES, TEXT, folder_of, head, running, wait_for


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny), max_body=20_000) as service:
        yield service


@pytest.fixture
def online(tiny):
    with running(folder_of(tiny), sockets=True, max_body=4000) as service:
        yield service


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def open_stream(service):
    connection = service.connect()
    connection.sendall(head(kind=LINES, Transfer_Encoding="chunked"))
    return connection, connection.makefile("rb")


def read_line(file) -> dict:
    size = int(file.readline(), 16)
    data = file.read(size + 2)
    return json.loads(data)


def read_head(file) -> bytes:
    status = file.readline()
    while file.readline() != b"\r\n":
        pass
    return status


def test_lines_are_answered_in_order_with_their_numbers_and_ids(service):
    lines = [
        {"text": TEXT, "id": "a"},
        {"words": TEXT.split(), "id": 2**70},
        {"text": ""},
        {"text": "a\ud800", "id": "\ud800"},
    ]
    content = "\n \r\n".join(json.dumps(line) for line in lines)
    found = service.stream(content)
    assert [line["line"] for line in found] == [1, 3, 5, 7]
    assert [line.get("id") for line in found] == ["a", 2**70, None, "\ud800"]
    whole = service.ask({"text": TEXT}).json()["results"][0]
    assert {key: found[0][key] for key in ("entities", "words")} == whole
    assert [entity["label"] for entity in found[1]["entities"]] == [
        each["label"] for each in whole["entities"]
    ]
    assert found[2]["entities"] == []


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n"])
def test_the_last_line_needs_no_end(service, end):
    assert [line["line"] for line in service.stream('{"text": "a"}\n{"text": "b"}' + end)] == [1, 2]


def test_an_empty_stream_is_answered_by_nothing(service):
    assert service.stream(b"") == service.stream(b"\n\n \n") == []


def test_a_bad_line_is_answered_by_an_error_and_the_next_ones_go_on(service):
    lines = [
        b'{"text": "a"}',
        b"no JSON",
        b'{"text": "\xff"}',
        b'{"text": 7, "id": 1}',
        b'{"id": true, "text": "a"}',
        b'{"texts": ["a"]}',
        b'{"text": "a", "min_score": 1}',
        b'{"words": ["a", null], "id": "x"}',
        b'{"text": "' + b"a" * 20_000 + b'"}',
        b"{}",
        b'{"text": "b"}',
    ]
    found = service.stream(b"\n".join(lines))
    assert [line["line"] for line in found] == list(range(1, len(lines) + 1))
    assert [position for position, line in enumerate(found) if "error" not in line] == [0, len(lines) - 1]
    codes = {line["line"]: line["error"]["code"] for line in found if "error" in line}
    assert codes[2] == codes[3] == "invalid_json"
    assert codes[9] == "line_too_long"
    assert found[1]["error"]["place"] == "line 1, column 1"
    assert (found[3]["id"], found[3]["error"]["place"]) == (1, "text")
    assert found[6]["error"]["message"].endswith("options stand in the query.")
    assert (found[7]["id"], found[7]["error"]["place"]) == ("x", "words[1]")


def test_options_stand_in_the_query(service):
    [line] = service.stream(json.dumps({"text": TEXT}), query="?tokens=true&min_score=1")
    assert line["entities"] == []
    assert line["tokens"] == TEXT.split()
    [line] = service.stream(json.dumps({"text": "word " * 100}), query="?on_overflow=error")
    assert (line["error"]["code"], line["error"]["place"]) == ("text_too_long", "text")
    [line] = service.stream(json.dumps({"text": "word " * 100}), query="?on_overflow=truncate")
    assert line["lost_words"] > 0


def test_many_lines_are_computed_together_and_answered_once_each(service):
    before = len(service.runtime().shapes)
    number = 5 * WINDOW
    found = service.stream(
        "".join(json.dumps({"text": f"{TEXT} {n}", "id": n}) + "\n" for n in range(number))
    )
    assert [line["id"] for line in found] == list(range(number))
    assert len(service.runtime().shapes) - before < number / 4
    last = service.requests()[-1]
    assert (last["texts"], last["status"], last["model"]) == (number, 200, "tiny")
    assert last["words"] > number


def test_a_full_queue_holds_a_stream_up_and_fails_no_line(tiny):
    with running(folder_of(tiny), max_queue=3) as service:
        found = service.stream('{"text": "a"}\n' * 40)
    assert [line["line"] for line in found] == list(range(1, 41))
    assert all("error" not in line for line in found)


def test_a_late_line_is_an_error_of_its_own(tiny):
    with running(folder_of(tiny), timeout=0.05) as service:
        service.runtime().gate.clear()
        [line] = service.stream('{"text": "a"}\n')
        assert line["error"]["code"] == "timeout"


def test_a_line_that_fails_is_an_error_of_its_own(service, monkeypatch):
    dump_line = stream.dump_line

    async def fail(head, answer):
        if answer.words == 2:
            raise ZeroDivisionError("secret")
        return await dump_line(head, answer)

    monkeypatch.setattr(stream, "dump_line", fail)
    found = service.stream('{"text": "a"}\n{"text": "a b"}\n{"text": "a"}')
    assert [line.get("error", {}).get("code") for line in found] == [None, "failed", None]
    assert "secret" not in f"{found}{service.log()}"


def test_answers_come_while_further_lines_are_sent(online):
    connection, file = open_stream(online)
    with connection, file:
        assert read_head(file).startswith(b"HTTP/1.1 200")
        for number in range(1, 4):
            connection.sendall(chunk(b'{"text": "Jeff Bezos"}\n'))
            assert read_line(file)["line"] == number
        connection.sendall(chunk(b'{"text": "New') + chunk(b' York"}') + b"0\r\n\r\n")
        assert read_line(file)["line"] == 4
        assert file.readline() == b"0\r\n"


def test_a_stream_that_stops_arriving_is_ended_with_an_error(tiny):
    with running(folder_of(tiny), sockets=True, head_timeout=0.3) as service:
        connection, file = open_stream(service)
        with connection, file:
            read_head(file)
            connection.sendall(chunk(b'{"text": "a"}\n{"text": '))
            assert read_line(file)["line"] == 1
            last = read_line(file)
            assert (last["line"], last["error"]["code"]) == (2, "body_timeout")
            assert file.readline() == b"0\r\n"
            file.readline()
            assert file.read() == b""  # and the connection is closed


def test_a_stream_takes_no_more_than_its_window_while_nobody_reads(online):
    online.runtime().gate.clear()
    connection, file = open_stream(online)
    with connection, file:
        read_head(file)
        line = json.dumps({"text": "x" * 100}).encode() + b"\n"
        connection.settimeout(0.05)
        sent = 0
        end = time.monotonic() + 30
        try:
            while time.monotonic() < end:
                sent += connection.send(chunk(line * 100))
        except TimeoutError:
            pass
        assert online.service.models[0].engine.waiting <= 4000 // len(line) + 1
        assert sent < 64 << 20  # what lies in the buffers of both sides
    online.runtime().gate.set()
    wait_for(lambda: online.service.models[0].engine.waiting == 0)
    wait_for(lambda: [line["status"] for line in online.requests()] == [499])
    assert online.requests()[0]["texts"] < sent / len(line)


def test_a_caller_who_hangs_up_ends_the_work_on_its_lines(online):
    online.runtime().gate.clear()
    connection, file = open_stream(online)
    with connection, file:
        read_head(file)
        connection.sendall(chunk(b'{"text": "a"}\n' * 10))
        wait_for(lambda: online.service.models[0].engine.waiting == 10)
    wait_for(lambda: online.service.models[0].engine.waiting == 0)
    online.runtime().gate.set()
    wait_for(lambda: [line["status"] for line in online.requests()] == [499])


def test_a_service_that_is_told_to_stop_answers_the_lines_it_has(online):
    connection, file = open_stream(online)
    with connection, file:
        read_head(file)
        connection.sendall(chunk(b'{"text": "a"}\n'))
        assert read_line(file)["line"] == 1
        online.stop()
        wait_for(lambda: online.service.stopping)
        connection.sendall(chunk(b'{"text": "b"}\n'))
        last = read_line(file)
        assert (last["line"], last["error"]["code"]) == (2, "stopping")
        assert file.readline() == b"0\r\n"
