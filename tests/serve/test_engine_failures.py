"""One ask's failure is its own: the others are answered, the engine goes on, and the log holds no text."""

import asyncio
import logging

import pytest

from tagwright.errors import RunError
from tagwright.predict.tagger import Tagger
from tagwright.serve.ask import Ask
from tagwright.serve.engine import Engine
from tagwright.serve.lanes import Lanes
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings
from tests.models import TEXT, tiny_bundle
from tests.serve.engines import Sums, answers_of, running, texts_ask, threads_of, until, watched

SECRET = "storm over Lisbon"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("failures") / "run")


async def together(engine, asks):
    """Have asks computed in one round, where they are short; return their answers and refusals."""
    runtime = engine.tagger.runtime
    runtime.gate.clear()
    runtime.entered.clear()
    first = asyncio.create_task(engine.answer(texts_ask("the")))
    await until(runtime.entered.is_set)
    tasks = [asyncio.create_task(engine.answer(ask)) for ask in asks]
    await until(lambda: engine.waiting == len(asks) + 1)
    runtime.gate.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("characters", [1, 4000])
@pytest.mark.parametrize("error", [ValueError, RunError, KeyError, SystemExit])
def test_only_the_ask_that_breaks_the_model_is_refused(folder, caplog, characters, error):
    sums = Sums()

    async def main():
        tagger = watched(folder)
        [storm] = tagger.table.pieces(["storm"])[0].tolist()

        def before(input_ids):
            if (input_ids == storm).any():
                raise error(SECRET)

        async with running(tagger, sums, short_characters=characters) as engine:
            tagger.runtime.before = before
            asks = [
                texts_ask("Jeff"),
                texts_ask("a", "storm"),
                texts_ask(TEXT.replace("storm", "")),
                texts_ask("b"),
            ]
            found = await together(engine, asks)
            assert not engine.failed
            assert len(await engine.answer(texts_ask("Jeff"))) == 1
        return asks, found

    with caplog.at_level(logging.DEBUG):
        asks, found = asyncio.run(main())
    refused = found.pop(1)
    assert (refused.status, refused.code, refused.place) == (500, "failed", None)
    plain = Tagger.load(folder, precision="fp32", device="cpu")
    for ask, answers in zip(asks[:1] + asks[2:], found, strict=True):
        assert [answer.words for answer in answers] == [len(each.words) for each in plain.predict(ask.texts)]
    assert "a request failed" in caplog.text
    assert error.__name__ in caplog.text
    assert "engines.py" in caplog.text  # where it was raised
    if error is not RunError:
        assert SECRET not in caplog.text
    assert sums.counts["words"] == sum(answer.words for answers in found for answer in answers) + 2


def test_a_text_that_cannot_be_split(tmp_path, caplog):
    """A pattern that matches the empty string on some texts: the bundle is at fault, and the text is named."""
    folder = tiny_bundle(tmp_path / "run", splitter=r"regex:(?=b)|\w+")

    async def main():
        async with running(watched(folder)) as engine:
            fine, refused, other = await together(
                engine, [texts_ask("Jeff left"), texts_ask("Jeff", "a b"), Ask(words=(("b",),))]
            )
        assert ([answer.words for answer in fine], [answer.words for answer in other]) == ([2], [1])
        assert (refused.status, refused.code, refused.place) == (422, "text_refused", "texts[1]")
        assert "matches the empty string" in refused.message

    asyncio.run(main())


def test_texts_that_are_too_long_are_refused_alone(folder):
    async def main():
        tagger = watched(folder)
        async with running(tagger) as engine:
            long = " ".join(["the"] * 100)
            asks = [texts_ask("Jeff", on_overflow="error"), texts_ask(long, on_overflow="error")]
            asks += [
                texts_ask(long),
                texts_ask(long, on_overflow="truncate"),
                texts_ask("a", long, on_overflow="error"),
            ]
            found = await together(engine, asks)
        assert [answer.words for answer in found[0]] == [1]
        assert [answer.lost_words for answer in found[2]] == [0]
        assert [answer.lost_words for answer in found[3]] == [38]
        assert [(found[place].status, found[place].place) for place in (1, 4)] == [
            (422, "texts[0]"),
            (422, "texts[1]"),
        ]
        assert found[1].message.startswith(
            "102 pieces are more than a window of 64 holds; "
        )  # its own, no other's

    asyncio.run(main())


@pytest.mark.parametrize("characters", [1, 4000])
def test_memory_that_runs_out_makes_batches_smaller(folder, characters):
    async def main():
        tagger = watched(folder, batch_pieces=2048)

        def before(input_ids):
            if input_ids.size > 200:
                raise MemoryError("no memory")

        async with running(tagger, short_characters=characters) as engine:
            tagger.runtime.before = before
            return await engine.answer(texts_ask(*[TEXT] * 10))

    expected = answers_of(Tagger.load(folder, precision="fp32", device="cpu").predict([TEXT] * 10))
    found = asyncio.run(main())
    assert [[e.text for e in answer.entities] for answer in found] == [
        [e.text for e in answer.entities] for answer in expected
    ]


@pytest.mark.parametrize("characters", [1, 4000])
def test_memory_that_does_not_suffice_at_all(folder, characters):
    async def main():
        tagger = watched(folder)

        def before(input_ids):
            if input_ids.shape[1] > 20:
                raise MemoryError("no memory")

        async with running(tagger, short_characters=characters) as engine:
            tagger.runtime.before = before
            fine, refused = await together(engine, [texts_ask("Jeff"), texts_ask(TEXT)])
        assert [answer.words for answer in fine] == [1]
        assert (refused.status, refused.code) == (503, "out_of_memory")
        assert refused.retry_after >= 1

    asyncio.run(main())


def test_scores_that_are_not_finite(folder, caplog):
    async def main():
        tagger = watched(folder)
        logits = tagger.runtime._runtime.logits
        tagger.runtime._runtime.logits = lambda *batch: logits(*batch) * float("nan")
        async with running(tagger) as engine:
            with pytest.raises(RefusalError) as caught:
                await engine.answer(texts_ask("Jeff"))
        assert (caught.value.status, caught.value.code) == (500, "failed")

    asyncio.run(main())
    assert "the model's scores are not finite" in caplog.text


def test_every_asker_hears_of_an_engine_whose_thread_has_ended(folder, caplog, monkeypatch):
    async def main():
        tagger = watched(folder)
        engine = Engine("tiny", tagger, Settings())
        engine.start()
        tagger.runtime.gate.clear()
        tasks = [asyncio.create_task(engine.answer(texts_ask("Jeff")))]
        await until(tagger.runtime.entered.is_set)
        tasks += [asyncio.create_task(engine.answer(texts_ask(text))) for text in ("New", TEXT * 50)]
        await until(lambda: engine.waiting == 3)

        def broken(lanes):
            raise ZeroDivisionError

        monkeypatch.setattr(Lanes, "after_round", broken)
        tagger.runtime.gate.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [(each.status, each.code) for each in found] == [(500, "failed")] * 3
        assert engine.failed
        with pytest.raises(RefusalError, match="has to be started anew"):
            await engine.answer(texts_ask("Jeff"))
        await engine.close(1)
        assert not threads_of(engine)

    asyncio.run(main())
    assert "a thread of the engine has ended: ZeroDivisionError" in caplog.text
