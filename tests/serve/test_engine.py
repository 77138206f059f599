"""What an engine promises: the tagger's own answers, whatever else is in flight, and no ask forgotten."""

import asyncio
import gc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError, MissingExtraError
from tagwright.model.bundle import BundleMeta, save_bundle
from tagwright.model.minilm import minilm_files
from tagwright.model.network import build_network
from tagwright.predict.tagger import Tagger
from tagwright.serve.ask import Ask
from tagwright.serve.engine import Engine
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings
from tagwright.tags import LabelMap, Scheme
from tests.models import LABELS, TEXT, tiny_bundle
from tests.serve.engines import BOUND, Sums, answers_of, running, texts_ask, threads_of, until, watched

NEAR = 1e-4
"""Probabilities nearer than this may be decided either way in other company."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("engine") / "run")


@pytest.fixture(scope="module")
def plain(folder):
    return Tagger.load(folder, precision="fp32", device="cpu")


def predicted(tagger, ask):
    return tagger.predict(ask.texts) if ask.texts is not None else tagger.predict_words(ask.words)


def is_near_tie(tagger, words) -> bool:
    """Whether a word of a sentence has two tags between which rounding may decide."""
    best = [sorted(row.values())[-2:] for row in tagger.probabilities(words)]
    return any(second > first - NEAR for second, first in best)


def check(tagger, ask, answers) -> int:
    """Compare with the tagger's own answers; return how many near-ties fell the other way."""
    expected = predicted(tagger, ask)
    assert len(answers) == len(expected) == len(ask)
    ties = 0
    for answer, prediction in zip(answers, expected, strict=True):
        [wanted] = answers_of([prediction])
        assert (answer.words, answer.lost_words) == (wanted.words, 0)
        places = [[(e.label, e.start, e.end, e.text) for e in each.entities] for each in (answer, wanted)]
        if places[0] != places[1]:
            assert is_near_tie(tagger, prediction.words)
            ties += 1
            continue
        for one, other in zip(answer.entities, wanted.entities, strict=True):
            assert (one.word_start, one.word_end) == (other.word_start, other.word_end)
            assert one.score == pytest.approx(other.score, abs=1e-4)
    return ties


WORDS = [*TEXT.split(), "😀", "e\u0301", "שָׁלוֹם", "\ud800", "don't", "\u202eabc"]
some_words = st.lists(st.sampled_from(WORDS), max_size=80)
some_texts = st.one_of(some_words.map(" ".join), st.text(max_size=30), st.sampled_from(["", " \t\u00a0"]))
some_asks = st.one_of(
    st.lists(some_texts, max_size=4).map(lambda texts: Ask(texts=tuple(texts))),
    st.lists(some_words, max_size=4).map(lambda rows: Ask(words=tuple(map(tuple, rows)))),
)


@settings(max_examples=25, deadline=None)
@given(
    asks=st.lists(some_asks, min_size=1, max_size=12), wait=st.sampled_from([0.0, 0.002]), order=st.randoms()
)
def test_the_answers_are_the_taggers_own_whatever_else_is_in_flight(folder, plain, asks, wait, order):
    """Short and long asks at once, in rounds and slices as they fall."""

    async def main():
        sums = Sums()
        tagger = watched(folder, batch_pieces=128)
        async with running(tagger, sums, short_characters=200, max_wait=wait) as engine:
            tasks = {}
            for number in order.sample(range(len(asks)), len(asks)):
                tasks[number] = asyncio.create_task(engine.answer(asks[number]))
                if order.random() < 0.3:
                    await asyncio.sleep(0)
            found = [await tasks[number] for number in range(len(asks))]
        assert tagger.runtime.threads <= {"tagwright-tiny-compute"}
        return found, sums

    found, sums = asyncio.run(main())
    ties = sum(check(plain, ask, answers) for ask, answers in zip(asks, found, strict=True))
    assert ties <= 1  # none with the tiny model's scores, as a rule
    assert sums.counts["words"] == sum(answer.words for answers in found for answer in answers)
    assert sum(sums.types.values()) == sum(len(answer.entities) for answers in found for answer in answers)
    assert sums.counts["windows"] == sum(windows for windows, _ in sums.batches)
    assert sums.stages["queue"] == len(asks)
    assert sums.waiting[-1] == 0


def test_nothing_to_answer(folder):
    async def main():
        async with running(watched(folder)) as engine:
            assert await engine.answer(Ask(texts=())) == []
            assert await engine.answer(Ask(words=())) == []
            for ask in (texts_ask(""), texts_ask(" \n\u00a0"), Ask(words=((),))):
                [answer] = await engine.answer(ask)
                assert (answer.entities, answer.words, answer.lost_words) == ((), 0, 0)
            assert engine.tagger.runtime.shapes == []

    asyncio.run(main())


def test_types_and_least_score_leave_entities_out(folder, plain):
    [prediction] = plain.predict([TEXT])
    scores = sorted(entity.score for entity in prediction.entities)
    least, label = scores[len(scores) // 2], prediction.entities[0].label

    async def main():
        async with running(watched(folder)) as engine:
            [whole] = await engine.answer(texts_ask(TEXT, tokens=True))
            [high] = await engine.answer(texts_ask(TEXT, min_score=whole.entities[0].score))
            [one] = await engine.answer(
                texts_ask(TEXT, types=frozenset([label]), min_score=least, tokens=True)
            )
            [none] = await engine.answer(texts_ask(TEXT, types=frozenset()))
        assert (whole.tokens, whole.tags) == (tuple(prediction.words), tuple(prediction.tags))
        assert (high.tokens, high.tags) == (None, None)
        assert high.entities[0] == whole.entities[0]  # a score that is just reached is reached
        assert one.entities == tuple(e for e in whole.entities if e.label == label and e.score >= least)
        assert (one.tags, one.words) == (whole.tags, whole.words)
        assert none.entities == ()

    asyncio.run(main())


def test_what_waits_is_computed_together(folder):
    async def main():
        tagger = watched(folder)
        async with running(tagger) as engine:
            tagger.runtime.gate.clear()
            first = asyncio.create_task(engine.answer(texts_ask("Jeff")))
            await until(tagger.runtime.entered.is_set)
            others = [asyncio.create_task(engine.answer(texts_ask("New York"))) for _ in range(20)]
            await until(lambda: engine.waiting == 21)
            tagger.runtime.gate.set()
            await asyncio.gather(first, *others)
        assert [rows for rows, _ in tagger.runtime.shapes] == [1, 20]

    asyncio.run(main())


def test_engines_live_side_by_side(tmp_path):
    folders = [tiny_bundle(tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    taggers = [Tagger.load(folder, precision="fp32", device="cpu") for folder in folders]
    ask = texts_ask(TEXT, " ".join([TEXT] * 9))

    async def main():
        engines = [Engine(name, watched(f), Settings()) for name, f in zip("ab", folders, strict=True)]
        for engine in engines:
            engine.start()
        found = await asyncio.gather(*(engine.answer(ask) for engine in engines for _ in range(3)))
        for engine in engines:
            await engine.close(BOUND)
            assert not threads_of(engine)
        return found

    found = asyncio.run(main())
    for place, answers in enumerate(found):
        assert check(taggers[place // 3], ask, answers) == 0


def test_beginning_and_end(folder):
    async def main():
        engine = Engine("tiny", watched(folder), Settings())
        with pytest.raises(RefusalError) as caught:
            await engine.answer(texts_ask("Jeff"))
        assert (caught.value.status, caught.value.code) == (503, "not_ready")
        engine.start()
        with pytest.raises(InputError, match="started before"):
            engine.start()
        assert not engine.failed
        await engine.close(0)
        await engine.close(0)
        with pytest.raises(RefusalError) as caught:
            await engine.answer(texts_ask("Jeff"))
        assert (caught.value.status, caught.value.code) == (503, "stopping")
        assert not engine.failed
        assert not threads_of(engine)
        await Engine("never started", watched(folder), Settings()).close(1)

    asyncio.run(main())
    gc.collect()  # an exception that nobody looked at would be reported here


@pytest.mark.real
def test_real_weights_answer_real_text_as_the_tagger_does(wnut17, tmp_path):
    try:
        minilm_files()
    except MissingExtraError as error:
        pytest.skip(str(error))
    network = build_network("minilm", LabelMap(LABELS, Scheme.IOB2), seed=0)
    with torch.no_grad():
        network.model.classifier.weight.mul_(20)  # a head that has made up its mind
    meta = BundleMeta(labels=LABELS, scheme="iob2", max_pieces=512, overlap=64)
    folder = tmp_path / "run"
    save_bundle(folder, network.model, network.tokenizer, meta)
    blocks = (wnut17 / "emerging.dev.conll").read_text("utf-8").strip().split("\n\n")
    rows = [tuple(line.split("\t")[0] for line in block.split("\n")) for block in blocks[:25]]
    asks = [Ask(words=(words,)) for words in rows]
    asks.append(Ask(words=(tuple(word for words in rows for word in words) * 2,)))  # more than a window
    asks.append(Ask(texts=tuple(" ".join(words) for words in rows)))

    async def main():
        async with running(watched(folder)) as engine:
            return await asyncio.gather(*map(engine.answer, asks))

    plain = Tagger.load(folder, precision="fp32", device="cpu")
    found = asyncio.run(main())
    ties = sum(check(plain, ask, answers) for ask, answers in zip(asks, found, strict=True))
    assert ties <= 1
