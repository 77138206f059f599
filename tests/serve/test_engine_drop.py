"""What nobody waits for is not computed, and an engine that is closed finishes, refuses and lets go."""

import asyncio
import gc

import pytest

from tagwright.serve import engine as module
from tagwright.serve.engine import Engine
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings
from tests.models import TEXT, tiny_bundle
from tests.serve.engines import BOUND, running, texts_ask, threads_of, until, watched

LONG = " ".join(["storm"] * 3200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("drop") / "run")


def cancelled(task):
    """Cancel a task and wait for its end."""
    task.cancel()
    return asyncio.gather(task, return_exceptions=True)


def test_asks_that_are_cancelled_before_they_begin_are_not_computed(folder):
    async def main():
        tagger = watched(folder)
        async with running(tagger, long_threads=1) as engine:
            tagger.runtime.gate.clear()
            first = asyncio.create_task(engine.answer(texts_ask(LONG)))
            await until(tagger.runtime.entered.is_set)
            short = [asyncio.create_task(engine.answer(texts_ask("Jeff Bezos"))) for _ in range(6)]
            long = asyncio.create_task(engine.answer(texts_ask(LONG)))
            await until(lambda: engine.waiting == 8)
            for task in [first, long, *short[::2]]:
                await cancelled(task)
            assert engine.waiting == 3
            before = tagger.runtime.pieces
            tagger.runtime.gate.set()
            await asyncio.gather(*short[1::2])
            assert [rows for rows, width in tagger.runtime.shapes if width < 64] == [3]
            assert before == 0
            # Beside the slice that had begun, three short texts.
            [_, counts] = tagger.table.pieces(["Jeff", "Bezos"])
            assert tagger.runtime.pieces == 512 + 3 * (counts.sum() + 2)
            [answer] = await engine.answer(texts_ask(LONG))
            assert answer.words == 3200

    asyncio.run(main())
    gc.collect()


def test_a_long_text_stops_at_its_next_slice(folder):
    async def main():
        tagger = watched(folder, batch_pieces=4096)
        async with running(tagger) as engine:
            tagger.runtime.gate.clear()
            long = asyncio.create_task(engine.answer(texts_ask(LONG)))
            await until(tagger.runtime.entered.is_set)
            await cancelled(long)
            tagger.runtime.gate.set()
            await engine.answer(texts_ask("Jeff"))
            assert len(tagger.runtime.shapes) == 2
            assert engine.waiting == 0

    asyncio.run(main())


def test_an_asker_who_leaves_as_the_answer_comes(folder):
    """Neither an answer nor a refusal that nobody takes is reported as one that was never looked at."""
    reports = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reports.append(context))
        tagger = watched(folder)
        async with running(tagger, max_words=1) as engine:
            for text in ("Jeff", "Jeff Bezos"):
                tasks = [asyncio.create_task(engine.answer(texts_ask(text))) for _ in range(20)]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert engine.waiting == 0

    asyncio.run(main())
    gc.collect()
    assert reports == []


def test_closing_finishes_what_was_taken_and_refuses_what_comes(folder):
    async def main():
        tagger = watched(folder)
        engine = Engine("tiny", tagger, Settings(long_threads=1))
        engine.start()
        tagger.runtime.gate.clear()
        asks = [texts_ask(LONG), texts_ask("Jeff"), texts_ask(LONG, TEXT), texts_ask(TEXT)]
        taken = [asyncio.create_task(engine.answer(ask)) for ask in asks]
        await until(lambda: engine.waiting == 4)
        closing = asyncio.create_task(engine.close(BOUND))
        await asyncio.sleep(0)
        with pytest.raises(RefusalError) as caught:
            await engine.answer(texts_ask("Jeff"))
        assert (caught.value.status, caught.value.code) == (503, "stopping")
        assert not closing.done()
        tagger.runtime.gate.set()
        found = await asyncio.gather(*taken)
        await closing
        assert [[answer.words for answer in answers] for answers in found] == [[3200], [1], [3200, 41], [41]]
        assert not threads_of(engine)

    asyncio.run(main())


def test_what_is_not_done_within_the_grace_period_is_dropped(folder, caplog):
    async def main():
        tagger = watched(folder, batch_pieces=4096)
        engine = Engine("tiny", tagger, Settings(long_threads=1))
        engine.start()
        tagger.runtime.gate.clear()
        taken = [asyncio.create_task(engine.answer(texts_ask(LONG)))]
        await until(tagger.runtime.entered.is_set)
        taken += [asyncio.create_task(engine.answer(texts_ask(text))) for text in ("Jeff", LONG)]
        await until(lambda: engine.waiting == 3)
        closing = asyncio.create_task(engine.close(0.01))
        refused = await asyncio.gather(*taken, return_exceptions=True)
        assert [(each.status, each.code) for each in refused] == [(503, "stopping")] * 3
        assert engine.waiting == 0
        tagger.runtime.gate.set()
        await closing
        assert not threads_of(engine)
        assert len(tagger.runtime.shapes) == 1

    asyncio.run(main())
    assert "3 requests were not answered in time" in caplog.text


def test_a_model_that_hangs_does_not_keep_the_engine_open(folder, caplog, monkeypatch):
    monkeypatch.setattr(module, "LAST_TURN", 0.01)

    async def main():
        tagger = watched(folder)
        engine = Engine("tiny", tagger, Settings())
        engine.start()
        tagger.runtime.gate.clear()
        task = asyncio.create_task(engine.answer(texts_ask("Jeff")))
        await until(tagger.runtime.entered.is_set)
        await engine.close(0)
        assert (await asyncio.gather(task, return_exceptions=True))[0].code == "stopping"
        assert "is still at work and is left behind" in caplog.text
        tagger.runtime.gate.set()
        await until(lambda: not threads_of(engine))

    asyncio.run(main())


def test_answers_that_come_after_the_event_loop_is_gone(folder):
    tagger = watched(folder)
    engine = Engine("tiny", tagger, Settings())
    engine.start()
    tagger.runtime.gate.clear()

    async def main():
        tasks = [asyncio.create_task(engine.answer(texts_ask(text))) for text in ("Jeff", LONG)]
        await until(tagger.runtime.entered.is_set)
        return tasks

    tasks = asyncio.run(main())  # which cancels them
    assert all(task.cancelled() for task in tasks)
    tagger.runtime.gate.set()

    async def again():
        assert [answer.words for answer in await engine.answer(texts_ask("Jeff"))] == [1]
        await engine.close(BOUND)

    asyncio.run(again())
    assert not threads_of(engine)
