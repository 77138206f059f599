"""The service on a socket: slow callers, odd heads, callers that read nothing, and how it stops."""

from __future__ import annotations

import inspect
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import tagwright
from tagwright.errors import InputError
from tagwright.serve.models import Bundle
from tagwright.serve.protocol import MAX_AHEAD
from tagwright.serve.server import listen_at, serve
from tests.serve.services import (
    BOUND,
    TEXT,
    Response,
    folder_of,
    head,
    post,
    running,
    wait_for,
)

BODY = json.dumps({"text": TEXT}).encode()


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny), sockets=True, max_body=200_000) as service:
        yield service


@pytest.fixture(scope="module")
def hasty(tiny):
    """A service that waits half a second for heads, for pieces of bodies, and for answers to be read."""
    with running(folder_of(tiny), sockets=True, head_timeout=0.5, max_body=200_000) as service:
        yield service


@pytest.fixture
def connection(service):
    with service.connect() as connection:
        yield connection


@pytest.fixture
def hasty_connection(hasty):
    with hasty.connect() as connection:
        yield connection


def closed(connection: socket.socket) -> bool:
    """Read to the end, and tell whether nothing came."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_requests_follow_one_another_on_a_connection(connection):
    for _ in range(3):
        connection.sendall(post(BODY))
        answer = Response(connection)
        assert answer.status == 200
        assert answer.json()["results"][0]["words"] == 9
    assert "server" not in answer.headers


def test_requests_that_are_sent_at_once_are_answered_in_order(connection):
    texts = ["Jeff", "Jeff Bezos", "Jeff Bezos left"]
    connection.sendall(b"".join(post(json.dumps({"text": text}).encode()) for text in texts))
    file = connection.makefile("rb")
    words = []
    for _ in texts:
        while (line := file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        words.append(json.loads(file.read(length))["results"][0]["words"])
    assert words == [1, 2, 3]


def test_too_many_requests_at_once_on_a_connection_are_no_http(connection):
    connection.sendall(post(BODY) * (MAX_AHEAD + 1))
    data = b""
    while piece := connection.recv(1 << 16):
        data += piece
    assert b"HTTP/1.1 400" in data


def test_a_caller_who_hangs_up_is_noticed_behind_further_requests(tiny):
    with running(folder_of(tiny), sockets=True) as service:
        service.runtime().gate.clear()
        with service.connect() as connection:
            connection.sendall(post(BODY) * 3)
            wait_for(lambda: service.service.models[0].engine.waiting == 1)
        wait_for(lambda: service.service.models[0].engine.waiting == 0)
        service.runtime().gate.set()
        assert [line["status"] for line in service.requests()] == [499]


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_head_has_the_same_headers_and_no_body(connection, method):
    connection.sendall(head("/health/live", method=method) + head("/nothing", method="GET"))
    file = connection.makefile("rb")
    lines = []
    while (line := file.readline()) != b"\r\n":
        lines.append(line)
    assert b"content-length: 15\r\n" in lines
    rest = file.read(15)
    assert rest == (b'{"status":"ok"}' if method == "GET" else b"HTTP/1.1 404 No")


@pytest.mark.parametrize("sent", [b"", b"POST /v1/ent", b"\r\n", head()[:-2]])
def test_a_head_that_does_not_end_closes_the_connection(hasty_connection, sent):
    hasty_connection.sendall(sent)
    assert closed(hasty_connection)


def test_a_head_that_trickles_closes_the_connection(hasty_connection):
    begin = time.monotonic()
    with pytest.raises(OSError):  # noqa: PT012 - one of these fails
        for byte in head() * 100:
            hasty_connection.sendall(bytes([byte]))
            time.sleep(0.01)
            assert time.monotonic() - begin < BOUND


def test_a_second_head_that_does_not_end_closes_the_connection(hasty_connection):
    hasty_connection.sendall(post(BODY) + b"POST /v1")
    assert Response(hasty_connection).status == 200
    hasty_connection.sendall(b"/ent")
    assert closed(hasty_connection)


def test_a_connection_may_be_idle_between_requests(hasty, hasty_connection):
    hasty_connection.sendall(post(BODY))
    assert Response(hasty_connection).status == 200
    time.sleep(2 * hasty.settings.head_timeout)
    hasty_connection.sendall(post(BODY))
    assert Response(hasty_connection).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 500_000,
        b"GET /" + b"x" * 500_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
    ],
)
def test_an_endless_head_is_431(connection, sent):
    try:
        connection.sendall(sent)
    except ConnectionError:
        return
    answer = Response(connection)
    assert (answer.status, answer.json()["error"]["code"]) == (431, "head_too_large")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        head(Content_Length=5, Transfer_Encoding="chunked"),
        head(Content_Length="five"),
        head(Transfer_Encoding="chunked") + b"zz\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400_in_the_same_shape(service, connection, sent):
    name = 'tagwright_http_requests_total{route="other",status="400"}'
    before = service.counts().get(name, 0)
    connection.sendall(sent)
    answer = Response(connection)
    assert answer.status == 400
    assert set(answer.json()) == {"error", "request_id"}
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert closed(connection)
    assert service.counts()[name] == before + 1


def test_a_body_that_stops_arriving_is_408_and_never_reaches_the_model(hasty, hasty_connection):
    calls = len(hasty.runtime().shapes)
    hasty_connection.sendall(head(Content_Length=len(BODY)) + BODY[:10])
    answer = Response(hasty_connection)
    assert (answer.status, answer.json()["error"]["code"]) == (408, "body_timeout")
    assert closed(hasty_connection)
    assert len(hasty.runtime().shapes) == calls


def test_a_body_that_trickles_is_408(hasty, hasty_connection):
    hasty_connection.sendall(head(Content_Length=10_000))
    begin = time.monotonic()
    hasty_connection.setblocking(False)
    while time.monotonic() - begin < BOUND:
        try:
            hasty_connection.send(b" ")
            status = hasty_connection.recv(100)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        break
    assert b"HTTP/1.1 408" in status


def test_the_refusal_of_a_large_body_arrives_while_it_is_sent(service, connection):
    with pytest.raises(OSError):  # noqa: PT012 - one of these fails
        connection.sendall(head(Transfer_Encoding="chunked"))
        piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        connection.sendall(piece * 8)
        assert Response(connection).status == 413
        for _ in range(10_000):
            connection.sendall(piece)


def test_a_caller_that_waits_for_leave_to_send_gets_it(connection):
    connection.sendall(head(Content_Length=len(BODY), Expect="100-continue"))
    file = connection.makefile("rb")
    assert file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert file.readline() == b"\r\n"
    connection.sendall(BODY)
    assert file.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_of_another_protocol_is_passed_over(connection, protocol):
    more = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": protocol, "HTTP2-Settings": "AAMA"}
    for _ in range(2):
        connection.sendall(post(BODY, **more))
        answer = Response(connection)
        assert (answer.status, answer.json()["results"][0]["words"]) == (200, 9)


@pytest.mark.long
def test_an_answer_that_nobody_reads_is_given_up(hasty):
    body = json.dumps({"text": "Jeff " * 39_000}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(BOUND)
        connection.connect(("127.0.0.1", hasty.port))
        before = len(hasty.requests())
        connection.sendall(post(body) * 3)
        wait_for(lambda: len(hasty.requests()) > before)
        assert hasty.server is not None
        wait_for(lambda: not hasty.server.server_state.connections)


@pytest.mark.long
def test_a_slow_reader_gets_all_of_a_long_answer(hasty):
    text = "Jeff " * 39_000
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(BOUND)
        connection.connect(("127.0.0.1", hasty.port))
        connection.sendall(post(json.dumps({"text": text}).encode(), Connection="close"))
        data, pieces = b"", 0
        while piece := connection.recv(1 << 18):
            data += piece
            pieces += 1
            if pieces < 20:
                time.sleep(0.05)  # longer in all than an answer waits of which nothing is read
    answer = json.loads(data.partition(b"\r\n\r\n")[2])
    assert "error" not in answer
    assert answer["results"][0]["words"] == 39_000


def test_many_connections_at_once(service):
    connections = [service.connect() for _ in range(200)]
    try:
        for connection in connections:
            connection.sendall(post(BODY))
        assert {Response(connection).status for connection in connections} == {200}
    finally:
        for connection in connections:
            connection.close()


def test_what_was_taken_is_answered_and_new_work_is_refused_while_it_stops(tiny):
    with running(folder_of(tiny), sockets=True) as service:
        service.runtime().gate.clear()
        service.runtime().entered.clear()
        with service.connect() as taken, service.connect() as idle, service.connect() as late:
            idle.sendall(head("/health/ready", method="GET"))
            assert Response(idle, method="GET").status == 200
            taken.sendall(post(BODY))
            assert service.runtime().entered.wait(BOUND)
            late.sendall(head(Content_Length=len(BODY))[:-2])
            service.stop()
            assert closed(idle)
            assert service.get("/health/ready").status_code == 503
            assert service.ask({"text": TEXT}).json()["error"]["code"] == "stopping"
            wait_for(lambda: not can_connect(service.port))
            service.runtime().gate.set()
            answer = Response(taken)
            assert (answer.status, answer.json()["results"][0]["words"]) == (200, 9)
            assert answer.headers["connection"] == "close"
    assert service.error is None


def test_a_stop_under_load_loses_no_request(tiny):
    answered: list[int] = []

    def ask_on() -> None:
        with service.connect() as connection:
            while True:
                connection.sendall(post(BODY))
                answer = Response(connection)
                answered.append(answer.status)
                if answer.headers.get("connection") == "close":
                    return

    with running(folder_of(tiny), sockets=True) as service, ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_on) for _ in range(8)]
        wait_for(lambda: len(answered) > 50)
        service.stop()
        for each in asking:
            each.result(BOUND)  # no connection was cut off
    assert answered.count(200) > 50
    assert set(answered) <= {200, 503}


def test_what_is_not_answered_within_the_grace_period_is_503(tiny):
    with running(folder_of(tiny), sockets=True, grace=0.3) as service:
        service.runtime().gate.clear()
        service.runtime().entered.clear()
        with service.connect() as taken:
            taken.sendall(post(BODY))
            assert service.runtime().entered.wait(BOUND)
            service.stop()
            answer = Response(taken)
            assert (answer.status, answer.json()["error"]["code"]) == (503, "stopping")
            service.runtime().gate.set()
    assert service.error is None


def test_callers_that_do_nothing_do_not_hold_up_the_stop(tiny):
    with running(folder_of(tiny), sockets=True, grace=0.3) as service:
        silent, halfway = service.connect(), service.connect()
        halfway.sendall(head(Content_Length=100) + b" ")
        wait_for(lambda: len(service.server.server_state.tasks) == 1)
    silent.close()
    halfway.close()
    assert service.error is None


def test_a_model_that_cannot_be_loaded_ends_the_service(tiny):
    class Broken(Bundle):
        def load(self):
            raise InputError("the weights are damaged", where="here")

    with running(Broken.read(tiny), sockets=True, wait=False) as service:
        with pytest.raises(InputError, match="damaged"):
            service.do(service.service.wait_ready())
        assert isinstance(service.service.failure, InputError)
        assert [line["message"] for line in service.log() if line["event"] == "load_failed"] == [
            "here: the weights are damaged"
        ]


def can_connect(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), BOUND).close()
    except ConnectionError:
        return False
    return True


def test_the_room_is_callable():
    assert inspect.signature(tagwright.serve) == inspect.signature(serve)


def test_a_taken_port_and_an_unknown_address_are_refused():
    with listen_at("127.0.0.1", 0) as taken, pytest.raises(InputError, match="--port"):
        listen_at("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="--port"):
        listen_at("127.0.0.1", 70_000)
    with pytest.raises(InputError, match="--host"):
        listen_at("no.such.host.invalid", 0)
    with pytest.raises(InputError, match="--host"):
        listen_at("192.0.2.1", 0)
