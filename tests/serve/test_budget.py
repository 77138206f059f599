"""The budget: bytes are counted while they are held, those that do not fit are refused, and turns are in order."""

from __future__ import annotations

import asyncio
import json

import pytest

from tagwright.errors import InputError
from tagwright.serve.budget import LONG, SMALL, Budget, Share, weight_of
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings
from tests.serve.services import LINES, TEXT, Response, folder_of, head, post, running, wait_for

LARGE = json.dumps({"text": "word " * 20_000}).encode()  # 100 KB
ROOM = 160_000


@pytest.fixture
def start(tiny):
    """Start services whose model can be held up."""
    entered = []

    def start(**values):
        entered.append(running(folder_of(tiny), **{"max_body": 120_000, "max_held": ROOM} | values))
        return entered[-1].__enter__()

    yield start
    for each in reversed(entered):
        each.__exit__(None, None, None)


def test_an_eighth_is_kept_for_small_bodies():
    budget = Budget(800_000, 100_000, 10)
    large, small = Share(budget), Share(budget)
    large.take(700_000)
    with pytest.raises(RefusalError) as refused:
        large.take(1)
    assert (refused.value.status, refused.value.code) == (503, "queue_full")
    assert refused.value.retry_after
    small.take(SMALL - 1)
    assert budget.held == 700_000 + SMALL - 1
    large.free()
    small.free()
    assert budget.held == 0


def test_small_bodies_have_their_part_whatever_is_not_read():
    budget = Budget(800_000, 100_000, 10)
    unread, large, *small = (Share(budget) for _ in range(4))
    unread.answer(5_000_000)
    with pytest.raises(RefusalError):
        large.take(SMALL)
    small[0].take(SMALL - 1)
    with pytest.raises(RefusalError):
        small[1].take(40_000)  # beyond the eighth
    small[0].free()
    small[1].take(40_000)


def test_the_longest_body_fits_into_an_empty_budget():
    share = Share(Budget(1000, 1000, 10))
    share.take(1000)


def test_turns_come_in_order_and_are_not_lost():
    async def check():
        budget = Budget(1000, 100, 10)
        begun, gates = [], [asyncio.Event() for _ in range(4)]

        async def work(number, size):
            async with budget.turn(size):
                begun.append(number)
                await gates[number].wait()

        tasks = [asyncio.create_task(work(*each)) for each in enumerate((60, 90, 30, 20))]
        await asyncio.sleep(0)
        assert begun == [0]  # the second does not fit, and the third does not pass it
        tasks[1].cancel()
        await asyncio.gather(tasks[1], return_exceptions=True)
        await asyncio.sleep(0)
        assert begun == [0, 2]
        gates[0].set()
        await tasks[0]
        await asyncio.sleep(0)
        assert begun == [0, 2, 3]
        for gate in gates:
            gate.set()
        await asyncio.gather(tasks[2], tasks[3])
        async with budget.turn(100):
            return True

    assert asyncio.run(check())


def test_a_turn_that_comes_as_its_task_is_cancelled_goes_to_the_next():
    async def check():
        budget = Budget(1000, 100, 10)

        async def work():
            async with budget.turn(100):
                await asyncio.sleep(0)

        async with budget.turn(100):
            first, second = (asyncio.create_task(work()) for _ in range(2))
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(second, 60)
        assert first.cancelled()

    asyncio.run(check())


def test_so_many_wait_for_a_turn_and_no_more():
    async def check():
        budget = Budget(1000, 100, 1)
        async with budget.turn(100):
            waiting = asyncio.ensure_future(budget.turn(100).__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(RefusalError):
                await budget.turn(1).__aenter__()
        await waiting

    asyncio.run(check())


def test_nobody_has_a_turn_while_too_many_answers_are_not_read():
    async def check():
        budget = Budget(1000, 100, 10)
        share = Share(budget)
        share.answer(1001)
        turn = asyncio.ensure_future(budget.turn(1).__aenter__())
        await asyncio.sleep(0)
        assert not turn.done()
        share.free()
        await asyncio.wait_for(turn, 60)

    asyncio.run(check())


def test_a_list_weighs_what_its_items_may_take():
    assert weight_of(b'{"text": "a, b"}') == 16
    assert weight_of(b'{"words": [["a","b"]]}') == 22 + 80
    assert weight_of(b"[" + b"," * LONG) == LONG + 1  # waits as it came


def test_a_body_that_does_not_fit_is_503_before_it_is_read_and_small_ones_go_on(start):
    service = start(sockets=True)
    service.runtime().gate.clear()
    with service.connect() as first, service.connect() as second:
        first.sendall(post(LARGE))
        wait_for(lambda: service.service.budget.held == len(LARGE))
        second.sendall(head(Content_Length=len(LARGE)))
        answer = Response(second)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "queue_full")
        assert int(answer.headers["retry-after"]) >= 1
        small = service.start_request("POST", "/v1/entities", json={"text": TEXT})
        wait_for(lambda: service.service.budget.held > len(LARGE))
        assert service.counts()["tagwright_held_bytes"] == service.service.budget.held
        service.runtime().gate.set()
        assert Response(first).status == 200
        assert small.result(60).status_code == 200
    wait_for(lambda: service.service.budget.held == 0)


def test_a_body_without_a_length_is_503_once_it_does_not_fit(start):
    service = start(sockets=True)
    with service.connect() as first, service.connect() as second:
        first.sendall(head(Content_Length=110_000))
        wait_for(lambda: service.service.budget.held == 110_000)
        second.sendall(head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n" % (90_000, b" " * 90_000))
        answer = Response(second)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "queue_full")
    wait_for(lambda: service.service.budget.held == 0)  # both have gone


def test_words_of_a_small_body_count_what_they_take(start):
    service = start()
    answer = service.ask({"words": [["a"] * 3000]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
    assert service.service.budget.held == 0


def test_a_long_answer_counts_until_it_is_sent(start):
    service = start(max_held=1 << 20)
    held = []

    async def asked():
        came = []

        async def receive():
            if came:
                await asyncio.Event().wait()
            came.append(1)
            return {"type": "http.request", "body": LARGE, "more_body": False}

        async def send(message):
            held.append((service.service.budget.held, len(message.get("body", b""))))

        headers = [(b"content-type", b"application/json")]
        path = {"path": "/v1/entities", "raw_path": b"/v1/entities", "query_string": b"tokens=true"}
        await service.app({"type": "http", "method": "POST", "headers": headers, **path}, receive, send)

    service.do(asked())
    left = sum(size for _, size in held)
    assert left > 3 * SMALL
    for counted, size in held:
        assert counted == left
        left -= size
    assert service.service.budget.held == 0


def test_streams_wait_for_room_and_each_has_one_line(start):
    service = start()
    taken = Share(service.service.budget)
    service.do(in_loop(lambda: taken.answer(ROOM)))
    line = json.dumps({"text": "word " * 1000})  # 5 KB
    found = service.stream("\n".join([line] * 5))
    assert [each["words"] for each in found] == [1000] * 5
    service.do(in_loop(taken.free))
    assert service.service.budget.held == 0


def test_a_long_line_that_finds_no_room_is_an_error_of_its_own(start):
    service = start(timeout=0.2, sockets=True)
    taken = Share(service.service.budget)
    service.do(in_loop(lambda: taken.take(110_000)))
    part = b'{"text": "' + b"word " * 20_000
    with service.connect() as connection, connection.makefile("rb") as file:
        connection.sendall(head(kind=LINES, Transfer_Encoding="chunked", Connection="close"))
        connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        wait_for(lambda: service.service.budget._streams)  # it waits for room
        rest = b'"}\n{"text": "a"}\n'
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
        while file.readline() != b"\r\n":
            pass
        lines = [json.loads(each) for each in file if each.startswith(b"{")]
    codes = [each.get("error", {}).get("code") for each in lines]
    assert codes == ["queue_full", None]
    service.do(in_loop(taken.free))
    wait_for(lambda: service.service.budget.held == 0)


async def in_loop(function):
    function()


def test_a_word_without_an_end_is_refused(start):
    service = start(max_body=1 << 20, max_held=1 << 20)
    for content, place in (
        ({"text": "!" * 65_536}, "text"),
        ({"texts": ["a", "b " * 30_000 + "!" * 65_536]}, "texts[1]"),
        ({"words": [["a"], ["b", "a" * 32_769]]}, "words[1][1]"),
    ):
        answer = service.ask(content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "word_too_long")
        assert answer.json()["error"]["place"] == place
    assert service.ask({"text": "a" * 32_767}).status_code == 200


def test_less_room_than_a_body_is_refused():
    with pytest.raises(InputError, match=r"max_held is 10.*at least 20"):
        Settings(max_body=20, max_held=10)
