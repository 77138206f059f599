"""The log: one JSON object a line, no texts, and never in a request's way."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading

import pytest

from tagwright.serve.logs import JsonHandler, JsonLog
from tests.serve.services import TEXT, folder_of, running


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny)) as service:
        yield service


def read(file) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def log(file):
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    log = JsonLog(descriptor)
    yield log
    log.close()
    os.close(descriptor)


def test_a_request_is_one_line_without_its_text(service):
    service.ask(
        {"text": TEXT},
        query="?min_score=0.5",
        headers={"content-type": "application/json", "x-request-id": "r1"},
    )
    line = service.requests()[-1]
    assert line.pop("time").startswith("20")
    assert line.pop("seconds") > 0
    assert line == {
        "level": "info",
        "event": "request",
        "request_id": "r1",
        "method": "POST",
        "path": "/v1/entities",
        "status": 200,
        "model": "tiny",
        "texts": 1,
        "words": 9,
        "bytes": len(json.dumps({"text": TEXT})),
    }
    assert "Bezos" not in str(service.log())


def test_a_refusal_says_why_and_not_what_was_sent(service):
    service.ask({"text": TEXT, "secret-key": 1})
    service.ask(b'{"text": "Jeff Bezos')
    service.stream(b'{"text": "Jeff Bezos", "x": 1}\nJeff Bezos\n')
    lines = service.requests()
    assert [line.get("code") for line in lines[-3:]] == ["invalid_request", "invalid_json", None]
    assert "Bezos" not in str(service.log())
    assert "secret-key" not in str(service.log())


def test_a_failure_is_logged_by_its_kind_and_place_without_its_message(service):
    def fail(input_ids):
        raise ZeroDivisionError(TEXT)

    service.runtime().before = fail
    assert service.ask({"text": TEXT}).status_code == 500
    service.runtime().before = lambda input_ids: None
    assert [line["level"] for line in service.requests()][-1] == "error"
    assert "Bezos" not in str(service.log())


def test_texts_are_logged_where_that_is_asked_for(tiny):
    with running(folder_of(tiny), log_texts=True) as service:
        service.ask({"text": TEXT})
        service.ask({"words": [["Jeff", "Bezos"]]})
        service.stream(json.dumps({"text": TEXT}))
        asked = [line["asked"] for line in service.log() if "asked" in line]
    assert asked == [[TEXT], [["Jeff", "Bezos"]], [TEXT]]


def test_lines_are_whole_objects_whatever_they_hold(log, file):
    log.write("info", "odd", text="a\nb\ud800 \u2028", number=float("nan"), thing=object(), nothing=None)
    assert log.flush()
    [line] = read(file)
    assert (line["event"], line["text"]) == ("odd", "a\nb\ud800 \u2028")
    assert "nothing" not in line


def test_what_libraries_log_goes_the_same_way(log, file):
    logger = logging.getLogger("tests.of.logs")
    logger.propagate = False
    logger.addHandler(JsonHandler(log))
    try:
        raise KeyError(TEXT)
    except KeyError:
        logger.exception("it %s", "broke")
    logger.warning("%d %d", 1)  # whose arguments do not fit
    assert log.flush()
    [line] = read(file)
    assert (line["level"], line["message"], line["error"]) == ("error", "it broke", "KeyError")
    assert line["place"].startswith("test_logs.py:")
    assert "Bezos" not in str(line)


def test_many_writers_lose_no_line(log, file):
    def write(writer: int) -> None:
        for number in range(200):
            log.write("info", "line", writer=writer, number=number)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(30)
    assert {(line["writer"], line["number"]) for line in read(file)} == {
        (w, n) for w in range(4) for n in range(200)
    }


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_costs_lines_and_nothing_else():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log = JsonLog(descriptor)
    for _ in range(3):
        log.write("info", "line")
    assert log.flush()
    assert log.lost == 3
    log.close()
    os.close(descriptor)


def test_a_closed_stderr_costs_lines_and_nothing_else(file):
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY)
    log = JsonLog(descriptor)
    os.close(descriptor)
    log.write("info", "line")
    assert log.flush()
    assert log.lost == 1
    log.close()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes differ")
def test_a_pipe_that_nobody_reads_holds_nobody_up_and_the_loss_is_told():
    reader, writer = os.pipe()
    log = JsonLog(writer)
    for _ in range(25_000):
        log.write("info", "line", filler="x" * 100)
    assert not log.flush(0.2)
    data = b""
    while b"log_lines_lost" not in data:
        log.write("info", "line")
        data += os.read(reader, 1 << 20)
    os.set_blocking(writer, False)
    log.close()
    os.close(writer)
    os.close(reader)
