"""Words get the scores that the model gives them alone, whatever stands beside them in a batch."""

import logging

import numpy as np
import pytest
import torch

from tagwright.encode.align import PieceTable
from tagwright.encode.windows import encode_words
from tagwright.errors import InputError, RunError
from tagwright.predict.decoding import tag_words, word_log_probabilities
from tagwright.predict.runtimes import load_runtime
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.tags import LabelMap, Scheme, offsets_of
from tests.models import LABELS, TEXT, tiny_bundle, tiny_model
from tests.tiny_tokenizers import build_tokenizer

MAP = LabelMap(LABELS, Scheme.IOB2)
KINDS = ["distilbert", "bert", "roberta", "unigram"]


def corpus(number=40, longest=90):
    random = np.random.default_rng(0)
    words = [*TEXT.split(), "@jack", "😀", "\ufe0f", "Ölüdeniz", "🇬🇧!?", "x" * 40]
    return [
        [str(word) for word in random.choice(words, size)] for size in random.integers(0, longest, number)
    ]


def encoded(kind="distilbert", sentences=None, **options):
    table = PieceTable(build_tokenizer(kind))
    return encode_words(table, corpus() if sentences is None else sentences, **{"limit": 64, **options})


def alone(kind, data):
    """Score each window by itself, without padding, and pick the words' rows: the plainest way."""
    model = tiny_model(kind)
    rows = []
    for start, end in zip(data.offsets[:-1], data.offsets[1:], strict=True):
        with torch.inference_mode():
            ids = torch.tensor(data.ids[start:end].astype(np.int64))[None]
            rows.append(torch.log_softmax(model(input_ids=ids).logits[0], -1).numpy())
    return np.concatenate(rows)[data.word_positions]


class Small:
    """A runtime with little memory."""

    def __init__(self, room):
        self.inner = TorchRuntime(tiny_model(), device="cpu")
        self.room = room
        self.sizes = []

    def logits(self, input_ids, attention_mask):
        if input_ids.size > self.room:
            raise MemoryError
        self.sizes.append(input_ids.size)
        return self.inner.logits(input_ids, attention_mask)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [64, 4096])
def test_words_are_scored_as_they_are_alone(kind, budget):
    data = encoded(kind, overlap=16)
    assert len(data.sentences) > 40  # some of the sentences are longer than a window
    runtime = TorchRuntime(tiny_model(kind), device="cpu")
    scores, _ = word_log_probabilities(runtime, data, MAP, batch_pieces=budget)
    expected = alone(kind, data)
    assert scores.dtype == np.float32
    assert np.abs(scores - expected).max() < 1e-4
    best_two = np.sort(expected, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > 1e-3
    assert (scores.argmax(1) == expected.argmax(1))[clear].all()
    assert clear.mean() > 0.9


def test_the_order_of_the_sentences_does_not_matter():
    sentences = corpus()
    order = np.random.default_rng(1).permutation(len(sentences))
    runtime = TorchRuntime(tiny_model(), device="cpu")
    options = {"valid_tags": True, "batch_pieces": 256}
    there = encoded(sentences=sentences)
    tags = tag_words(runtime, there, MAP, **options)
    back = encoded(sentences=[sentences[position] for position in order])
    shuffled = tag_words(runtime, back, MAP, **options)
    for place, position in enumerate(order):
        ours = slice(there.word_offsets[position], there.word_offsets[position + 1])
        theirs = slice(back.word_offsets[place], back.word_offsets[place + 1])
        assert tags.ids[ours].tolist() == shuffled.ids[theirs].tolist()
        assert tags.probabilities[ours] == pytest.approx(shuffled.probabilities[theirs], abs=1e-4)


def test_the_same_words_give_the_same_bytes():
    runtime = TorchRuntime(tiny_model(), device="cpu")
    first, second = (word_log_probabilities(runtime, encoded(), MAP, batch_pieces=512)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_valid_tags_are_valid_and_their_probabilities_are_theirs():
    runtime, data = TorchRuntime(tiny_model(), device="cpu"), encoded()
    scores, _ = word_log_probabilities(runtime, data, MAP, batch_pieces=4096)
    plain = tag_words(runtime, data, MAP, valid_tags=False, batch_pieces=4096)
    valid = tag_words(runtime, data, MAP, valid_tags=True, batch_pieces=4096)
    assert len(MAP.invalid(plain.ids, data.word_offsets))
    assert not len(MAP.invalid(valid.ids, data.word_offsets))
    assert plain.ids.tolist() == scores.argmax(1).tolist()
    for found in (plain, valid):
        assert found.ids.dtype == np.int64
        assert found.probabilities.dtype == np.float32
        assert np.array_equal(found.probabilities, np.exp(scores[np.arange(len(found.ids)), found.ids]))


@pytest.mark.parametrize("valid_tags", [True, False])
def test_words_that_were_cut_are_outside_with_probability_0(valid_tags):
    data = encoded(sentences=[["the"] * 100, ["the"]], on_overflow="truncate")
    runtime = TorchRuntime(tiny_model(), device="cpu")
    tags = tag_words(runtime, data, MAP, valid_tags=valid_tags, batch_pieces=4096)
    assert data.lost_words == 38
    assert tags.ids[62:100].tolist() == [0] * 38
    assert tags.probabilities[62:100].tolist() == [0] * 38
    assert (np.delete(tags.probabilities, np.s_[62:100]) > 0).all()


def test_words_that_were_cut_end_open_spans():
    labels = LabelMap.from_types(["x"], Scheme.BIOES)
    data = encoded(sentences=[TEXT.split() * 3], on_overflow="truncate")
    runtime = TorchRuntime(tiny_model(labels=labels.names), device="cpu")
    tags = tag_words(runtime, data, labels, valid_tags=True, batch_pieces=4096)
    assert data.lost_words
    assert not len(labels.invalid(tags.ids, data.word_offsets))


@pytest.mark.parametrize("sentences", [[], [[]], [[], ["the"], []]])
def test_sentences_without_words(sentences):
    data = encoded(sentences=sentences)
    runtime = TorchRuntime(tiny_model(), device="cpu")
    tags = tag_words(runtime, data, MAP, valid_tags=True, batch_pieces=4096)
    assert len(tags.ids) == len(tags.probabilities) == offsets_of(map(len, sentences))[-1]


def test_out_of_memory_halves_the_budget_and_goes_on(caplog):
    data = encoded()
    small = Small(300)
    with caplog.at_level(logging.WARNING):
        scores, budget = word_log_probabilities(small, data, MAP, batch_pieces=1024)
    whole, _ = word_log_probabilities(small.inner, data, MAP, batch_pieces=1024)
    assert np.abs(scores - whole).max() < 1e-4
    assert budget <= 300
    assert max(small.sizes) <= 300
    assert "out of memory: going on with batches of" in caplog.text
    assert tag_words(small, data, MAP, valid_tags=True, batch_pieces=budget).batch_pieces == budget


def test_out_of_memory_with_one_window_is_an_error():
    with pytest.raises(RunError, match="out of memory with a single window of"):
        tag_words(Small(30), encoded(), MAP, valid_tags=True, batch_pieces=1024)


def test_torch_running_out_of_memory_is_a_memory_error():
    class Hungry(torch.nn.Module):
        def forward(self, **_):
            return torch.empty(1 << 60)

    runtime = TorchRuntime(tiny_model(), device="cpu")
    runtime._model = Hungry()
    with pytest.raises(MemoryError):
        runtime.logits(np.ones((1, 4), dtype=np.int64), np.ones((1, 4), dtype=np.int64))


def test_scores_that_are_not_finite_are_an_error():
    model = tiny_model()
    model.classifier.weight.data[0, 0] = torch.nan
    runtime = TorchRuntime(model, device="cpu")
    with pytest.raises(RunError, match="the model's scores are not finite"):
        tag_words(runtime, encoded(), MAP, valid_tags=True, batch_pieces=1024)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_is_near_fp32_and_its_logits_are_not_rounded(kind):
    data = encoded(kind)
    runtime = TorchRuntime(tiny_model(kind), precision="bf16", device="cpu")
    assert runtime.precision == "bf16"
    scores, _ = word_log_probabilities(runtime, data, MAP, batch_pieces=1024)
    expected = alone(kind, data)
    assert (scores.argmax(1) == expected.argmax(1)).mean() > 0.8
    logits = torch.from_numpy(
        runtime.logits(np.ones((1, 4), dtype=np.int64), np.ones((1, 4), dtype=np.int64))
    )
    assert not torch.equal(logits, logits.bfloat16().float())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "abacus"}, "there is no runtime 'abacus'; name one of auto, torch"),
        ({"precision": "fp8"}, "there is no precision 'fp8'; name one of auto, fp32, bf16"),
        ({"device": "cuda:99"}, "there is no device 'cuda:99' here"),
        ({"device": "abacus"}, "there is no device 'abacus' here"),
    ],
)
def test_unknown_names(tmp_path, options, message):
    with pytest.raises(InputError, match=message) as caught:
        load_runtime(tiny_bundle(tmp_path / "run"), **options)
    assert "\n" not in str(caught.value)
