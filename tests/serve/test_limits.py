"""Limits: each is kept, and what goes beyond it gets its status and costs nothing further."""

from __future__ import annotations

import json
from concurrent.futures import Future

import pytest

from tagwright.errors import InputError
from tagwright.serve.settings import Settings
from tests.serve.services import TEXT, Response, folder_of, head, post, running, wait_for

BODY = json.dumps({"text": TEXT}).encode()


@pytest.fixture
def start(tiny):
    """Start a service whose model can be held up."""
    entered = []

    def start(**values):
        entered.append(running(folder_of(tiny), **values))
        return entered[-1].__enter__()

    yield start
    for each in reversed(entered):
        each.__exit__(None, None, None)


def held(service) -> None:
    """Hold the model up, and wait until a request stands before it."""
    runtime = service.runtime()
    runtime.gate.clear()
    runtime.entered.clear()


def test_a_body_of_the_limit_passes_and_one_byte_more_is_413(start):
    service = start(max_body=len(BODY))
    assert service.ask(BODY).status_code == 200
    answer = service.ask(BODY + b" ")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert f"{len(BODY)} bytes" in answer.json()["error"]["message"]


def test_a_body_without_a_length_is_not_read_to_its_end(start):
    service = start(max_body=1000)
    sent = []

    async def receive():
        sent.append(1)
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    async def asked():
        answer = []

        async def send(message):
            answer.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/entities",
            "raw_path": b"/v1/entities",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        await service.app(scope, receive, send)
        return answer[0]["status"]

    assert service.do(asked()) == 413
    assert len(sent) == 11


@pytest.mark.parametrize("size", [1_000_000, 7_000_000])
def test_who_sends_all_of_a_body_that_is_too_long_sees_why(start, size):
    service = start(sockets=True, max_body=1000)
    for _ in range(3):
        with service.connect() as connection:
            connection.sendall(post(b" " * size))
            assert Response(connection).status == 413


@pytest.mark.parametrize("length", ["1001", "9" * 30])
def test_a_length_beyond_the_limit_is_refused_before_the_body_is_read(start, length):
    service = start(sockets=True, max_body=1000)
    with service.connect() as connection:
        connection.sendall(head(Content_Length=length))
        answer = Response(connection)
    if length == "1001":
        assert (answer.status, answer.json()["error"]["code"]) == (413, "body_too_large")
        assert answer.headers["connection"] == "close"
    else:  # no number that the protocol knows
        assert answer.status == 400


def test_a_full_queue_is_503_and_says_when_to_come_again(start):
    service = start(max_queue=2)
    held(service)
    waiting: list[Future] = [
        service.start_request("POST", "/v1/entities", json={"text": TEXT}) for _ in range(2)
    ]
    wait_for(lambda: service.service.models[0].engine.waiting == 2)
    answer = service.ask({"text": TEXT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    service.runtime().gate.set()
    assert [each.result(60).status_code for each in waiting] == [200, 200]
    assert service.ask({"text": TEXT}).status_code == 200


def test_a_late_answer_is_504_and_its_work_is_dropped(start):
    service = start(timeout=0.05)
    held(service)
    blocker = service.start_request("POST", "/v1/entities", json={"text": TEXT})
    assert service.runtime().entered.wait(60)
    calls = len(service.runtime().shapes)
    answer = service.ask({"text": TEXT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    assert blocker.result(60).status_code == 504
    wait_for(lambda: service.service.models[0].engine.waiting == 0)
    service.runtime().gate.set()
    wait_for(lambda: len(service.runtime().shapes) == calls + 1)  # the one that had begun, and no other


def test_a_caller_who_hangs_up_gets_its_work_dropped(start):
    service = start(sockets=True)
    held(service)
    with service.connect() as blocker:
        blocker.sendall(post(BODY))
        assert service.runtime().entered.wait(60)
        calls = len(service.runtime().shapes)
        for _ in range(3):
            with service.connect() as connection:
                connection.sendall(post(BODY))
                wait_for(lambda: service.service.models[0].engine.waiting == 2)
            wait_for(lambda: service.service.models[0].engine.waiting == 1)
        service.runtime().gate.set()
        assert Response(blocker).status == 200
    assert len(service.runtime().shapes) == calls + 1
    assert [line["status"] for line in service.requests()] == [499, 499, 499, 200]
    assert all("code" not in line for line in service.requests())


def test_before_the_models_are_loaded_requests_are_503(tiny):
    bundle = folder_of(tiny)
    with running(bundle, wait=False) as service:
        served = service.service.models[0]
        service.do(service.service.wait_ready())
        tagger, served.tagger = served.tagger, None
        assert service.get("/health/live").status_code == 200
        for answer in (service.get("/health/ready"), service.ask({"text": TEXT})):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
            assert int(answer.headers["retry-after"]) >= 1
        assert service.get("/v1/models").json()["models"][0]["ready"] is False
        served.tagger = tagger


def test_a_failure_of_the_model_is_500_without_its_words(start):
    service = start()

    def fail(input_ids):
        raise ZeroDivisionError("secret")

    service.runtime().before = fail
    answer = service.ask({"text": TEXT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "failed")
    assert "secret" not in answer.text
    service.runtime().before = lambda input_ids: None
    assert service.ask({"text": TEXT}).status_code == 200


def test_an_engine_that_has_ended_makes_the_service_neither_ready_nor_alive(start):
    service = start()
    service.service.models[0].engine._failed = True
    for path in ("/health/ready", "/health/live"):
        answer = service.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "failed")
    service.service.models[0].engine._failed = False


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_body", 0), ("max_texts", -1), ("timeout", 0.0), ("timeout", float("nan")), ("grace", -1.0)],
)
def test_limits_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        Settings(**{name: value})
