"""The limits of an engine: of a round, of a text, of the queue, and of what is held in memory."""

import asyncio
import gc
import weakref

import pytest

from tagwright.serve.ask import Ask
from tagwright.serve.refusal import RefusalError
from tests.models import TEXT, tiny_bundle
from tests.serve.engines import Sums, running, texts_ask, until, watched


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("limits") / "run")


def test_a_round_keeps_to_the_budget(folder):
    async def main():
        tagger = watched(folder, batch_pieces=64)
        async with running(tagger) as engine:
            await asyncio.gather(*(engine.answer(texts_ask(TEXT[:40])) for _ in range(30)))
        assert max(rows * width for rows, width in tagger.runtime.shapes) <= 64

    asyncio.run(main())


def test_texts_with_more_pieces_than_most_make_smaller_rounds(folder):
    async def main():
        sums = Sums()
        async with running(watched(folder, batch_pieces=512), sums) as engine:
            texts = ["the " * 100, "中" * 400]
            tasks = [engine.answer(texts_ask(text)) for text in texts for _ in range(12)]
            await asyncio.gather(*tasks)
        return sums.stages["decode"]

    rounds = asyncio.run(main())
    # Of the first kind, 102 pieces each, five fit, or two and one of the other, which counts 302 and fits once.
    assert rounds >= 14


class Text(str):
    """A text of which one can tell whether it is still held."""


@pytest.fixture
def _no_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("characters", [1, 4000])
@pytest.mark.parametrize(
    ("text", "options"),
    [(TEXT, {}), (TEXT * 2, {}), (TEXT + "storm" * 9, {}), (" the" * 50, {"on_overflow": "error"})],
    ids=["answered", "too many words", "failed", "too long"],
)
def test_no_text_is_held_once_it_is_answered(tmp_path, characters, text, options):
    """Nor by a refusal's traceback until the garbage collector comes: a text of 4 MB makes 40 MB of words."""
    folder = tiny_bundle(tmp_path / "run", positions=48)

    async def main():
        tagger = watched(folder)

        def before(input_ids):
            if text.endswith("stormstorm"):
                raise ValueError

        tagger.runtime.before = before
        async with running(tagger, max_words=55, short_characters=characters) as engine:
            given = Text(text)
            held = weakref.ref(given)
            task = asyncio.create_task(engine.answer(texts_ask(given, **options)))
            del given
            await asyncio.wait([task])
            assert (task.exception() is None) == (text == TEXT)
            del task
            await until(lambda: held() is None)

    asyncio.run(main())


@pytest.mark.parametrize("characters", [100, 100_000])
def test_a_text_longer_than_a_window(tmp_path, characters):
    """By either lane: cut into windows, cut off, or refused, as the ask says, or else the bundle."""
    text = " ".join(["the"] * 200)
    folder = tiny_bundle(tmp_path / "run", on_overflow="truncate")
    asks = [texts_ask("a", text, on_overflow=mode) for mode in (None, "truncate", "window", "error")]
    asks.append(texts_ask("a", "b", on_overflow="error"))
    words = Ask(words=(("a",), tuple(text.split())), on_overflow="error")
    sums = Sums()

    async def main():
        async with running(watched(folder), sums, short_characters=characters) as engine:
            return await asyncio.gather(*map(engine.answer, [*asks, words]), return_exceptions=True)

    default, cut, windows, refused, fine, refused_words = asyncio.run(main())
    assert [(answer.words, answer.lost_words) for answer in default] == [(1, 0), (200, 138)]
    assert default == cut
    assert [(answer.words, answer.lost_words) for answer in windows] == [(1, 0), (200, 0)]
    assert len(fine) == 2
    for refusal, place in ((refused, "texts[1]"), (refused_words, "words[1]")):
        assert (refusal.status, refusal.code, refusal.place) == (422, "text_too_long", place)
        assert refusal.message == (
            "202 pieces are more than a window of 64 holds; set on_overflow to window, or split the text"
        )
    assert sums.counts["overflows"] == 3
    assert sums.counts["words"] == 605


@pytest.mark.parametrize("characters", [1, 100_000])
def test_too_many_words_are_refused_before_the_model_is_asked(folder, characters):
    async def main():
        tagger = watched(folder)
        async with running(tagger, max_words=5, short_characters=characters) as engine:
            with pytest.raises(RefusalError, match="a text has 6 words and may have 5; split it") as caught:
                await engine.answer(texts_ask("a b", "a b c d e f"))
            assert (caught.value.status, caught.value.code) == (422, "too_many_words")
            assert caught.value.place == "texts[1]"
            with pytest.raises(RefusalError) as caught:
                await engine.answer(Ask(words=(("a",) * 6,)))
            assert caught.value.place == "words[0]"
            assert tagger.runtime.shapes == []
            assert [answer.words for answer in await engine.answer(texts_ask("a b c d e"))] == [5]

    asyncio.run(main())


def test_a_full_queue_refuses(folder):
    async def main():
        tagger = watched(folder)
        async with running(tagger, max_queue=3) as engine:
            await engine.answer(texts_ask("Jeff"))
            tagger.runtime.gate.clear()
            taken = [asyncio.create_task(engine.answer(texts_ask("Jeff", TEXT * 50))) for _ in range(3)]
            await until(lambda: engine.waiting == 3)
            with pytest.raises(RefusalError, match="3 requests wait already") as caught:
                await engine.answer(texts_ask("Jeff"))
            assert (caught.value.status, caught.value.code) == (503, "queue_full")
            assert 1 <= caught.value.retry_after <= 60
            taken.pop().cancel()
            await until(lambda: engine.waiting == 2)
            taken.append(asyncio.create_task(engine.answer(texts_ask("Jeff"))))
            tagger.runtime.gate.set()
            await asyncio.gather(*taken)
            assert engine.waiting == 0

    asyncio.run(main())
