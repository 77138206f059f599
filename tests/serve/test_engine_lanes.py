"""Neither lane holds up the other; told by the order of events, never by the clock."""

import asyncio

import numpy as np
import pytest

from tests.models import TEXT, tiny_bundle
from tests.serve.engines import Sums, answers_of, running, texts_ask, until, watched

SHORT = " ".join([TEXT] * 19)
"""Nearly as long as the short lane takes; four of them are a round."""

LONG = " ".join(["storm"] * 3200)
"""A batch of 4,096 pieces, which makes eight slices, and one slice more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("lanes") / "run")


class Log(Sums):
    """Writes down each `slice` of a long ask as it begins, and each `round` of short ones (or long ask) as it ends."""

    def __init__(self, tagger):
        super().__init__()
        self.calls: list[str] = []
        [storm] = tagger.table.pieces(["storm"])[0].tolist()
        [the] = tagger.table.pieces(["the"])[0].tolist()

        def before(input_ids: np.ndarray) -> None:
            if storm in input_ids and the not in input_ids:
                self.calls.append("slice")

        tagger.runtime.before = before

    def stage(self, model, name, seconds):
        if name == "compute":
            self.calls.append("round")


def test_rounds_and_slices_take_turns(folder):
    async def main():
        tagger = watched(folder, batch_pieces=4096)
        log = Log(tagger)
        async with running(tagger, log, max_wait=0) as engine:
            tagger.runtime.gate.clear()
            long = asyncio.create_task(engine.answer(texts_ask(LONG)))
            await until(tagger.runtime.entered.is_set)
            order = []
            short = [asyncio.create_task(engine.answer(texts_ask(SHORT))) for _ in range(48)]
            for task in [*short, long]:
                task.add_done_callback(order.append)
            await until(lambda: engine.waiting == 49)
            tagger.runtime.gate.set()
            found = await asyncio.gather(*short)
            [answer] = await long
        return tagger, log.calls, found, answer, order.index(long)

    tagger, calls, found, answer, place = asyncio.run(main())
    assert calls[:15] == ["slice", "round"] * 7 + ["slice"]
    assert calls.count("slice") == 9
    assert 28 <= place < 48  # neither waited for the other's end
    [expected] = answers_of(tagger.predict([LONG]))
    assert (answer.words, len(answer.entities)) == (expected.words, len(expected.entities))
    texts = [[entity.text for entity in answer.entities] for [answer] in found]
    assert all(each == texts[0] for each in texts)


def test_short_asks_without_end_do_not_keep_a_long_one_from_ending(folder):
    async def main():
        tagger = watched(folder, batch_pieces=512)
        async with running(tagger) as engine:
            done = False
            answered = 0

            async def client():
                nonlocal answered
                while not done:
                    await engine.answer(texts_ask("Jeff Bezos left"))
                    answered += 1

            clients = [asyncio.create_task(client()) for _ in range(12)]
            [answer] = await engine.answer(texts_ask(LONG))
            done = True
            await asyncio.gather(*clients)
        assert answer.words == 3200
        assert answered > 12

    asyncio.run(main())


def test_a_short_ask_waits_for_one_slice_at_most(folder):
    async def main():
        tagger = watched(folder, batch_pieces=4096)
        log = Log(tagger)
        calls = log.calls
        async with running(tagger, log) as engine:
            long = asyncio.create_task(engine.answer(texts_ask(LONG * 4)))
            await until(lambda: "slice" in calls)
            while not long.done():
                calls.append("ask")
                await engine.answer(texts_ask("Jeff Bezos left"))
            await long
        waits = [part.split("round")[0].count("slice") for part in " ".join(calls).split("ask")[1:]]
        # The one that was under way or about to begin, and the one whose turn it was.
        assert max(waits) <= 2
        assert len(waits) > 3

    asyncio.run(main())


def test_long_asks_take_turns_with_one_another(folder):
    async def main():
        tagger = watched(folder, batch_pieces=4096)
        kinds = []
        [storm] = tagger.table.pieces(["storm"])[0].tolist()

        def before(input_ids):
            kinds.append("a" if storm in input_ids else "b")

        async with running(tagger, long_threads=2) as engine:
            tagger.runtime.before = before
            tagger.runtime.gate.clear()
            tasks = [asyncio.create_task(engine.answer(texts_ask(LONG)))]
            await until(tagger.runtime.entered.is_set)
            tasks.append(asyncio.create_task(engine.answer(texts_ask(LONG.replace("storm", "the")))))
            await until(lambda: len(engine._lanes._batches) == 1)
            tagger.runtime.gate.set()
            await asyncio.gather(*tasks)
        assert "".join(kinds[:14]) == "ab" * 7

    asyncio.run(main())


def test_a_lone_asker_does_not_wait_for_company(folder):
    """`max_wait` is longer than the test may take."""

    async def main():
        async with running(watched(folder), max_wait=600.0) as engine:
            for _ in range(5):
                await engine.answer(texts_ask("Jeff"))

    asyncio.run(asyncio.wait_for(main(), 60))


def test_company_that_was_there_is_waited_for(folder):
    """Of eight askers, those who are back first wait until half are there."""

    async def main():
        tagger = watched(folder)
        async with running(tagger, max_wait=600.0) as engine:
            tagger.runtime.gate.clear()
            first = asyncio.create_task(engine.answer(texts_ask("Jeff")))
            await until(tagger.runtime.entered.is_set)
            others = [asyncio.create_task(engine.answer(texts_ask("Jeff"))) for _ in range(8)]
            await until(lambda: engine.waiting == 9)
            tagger.runtime.gate.set()
            await asyncio.gather(first, *others)
            back = [asyncio.create_task(engine.answer(texts_ask("Jeff"))) for _ in range(3)]
            await until(lambda: engine.waiting == 3)
            assert len(tagger.runtime.shapes) == 2
            await asyncio.gather(engine.answer(texts_ask("Jeff")), *back)
        assert [rows for rows, _ in tagger.runtime.shapes] == [1, 8, 4]

    asyncio.run(asyncio.wait_for(main(), 60))


def test_those_who_do_not_come_back_are_not_waited_for_long(folder):
    async def main():
        tagger = watched(folder)
        async with running(tagger, max_wait=0.01) as engine:
            await asyncio.gather(*(engine.answer(texts_ask("Jeff")) for _ in range(50)))
            await engine.answer(texts_ask("Jeff"))

    asyncio.run(asyncio.wait_for(main(), 60))
