"""Batches: every window once, little padding, and what the collator of transformers would make of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorForTokenClassification

from tagwright.encode.align import PieceTable, align_labels
from tagwright.encode.batches import budget_batches, collate, grouped_batches, pad_batch, piece_labels
from tagwright.encode.windows import encode_words
from tagwright.errors import InputError
from tagwright.tags import LabelMap, Scheme
from tests.tiny_tokenizers import GUIDE_TAGS, GUIDE_WORDS, KINDS, TEXT, build_tokenizer

SENTENCES = [GUIDE_WORDS, *(text.split() for text in TEXT), ["storm"]]
TAGS = [GUIDE_TAGS, *([position % 13 for position in range(len(words))] for words in SENTENCES[1:])]
lengths_of_windows = st.lists(st.integers(3, 200), max_size=80).map(
    lambda lengths: np.array(lengths, dtype=np.int64)
)


def padded(lengths, batches) -> float:
    """Computed over real pieces."""
    return float(sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum())


@given(lengths=lengths_of_windows, budget=st.integers(1, 1000))
def test_budget_batches(lengths, budget):
    batches = budget_batches(lengths, budget)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert batch.dtype == np.int64
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget
    assert (np.diff([lengths[index] for batch in batches for index in batch]) <= 0).all()
    again = budget_batches(lengths.astype(np.int32), budget)
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches]


@given(lengths=lengths_of_windows, size=st.integers(1, 20), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_grouped_batches(lengths, size, seed, epoch):
    batches = grouped_batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1) if batches else True
    again = grouped_batches(lengths, size, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in again] == [batch.tolist() for batch in batches]


def test_each_seed_and_epoch_has_its_own_order():
    lengths = np.random.default_rng(0).integers(5, 60, 500)
    orders = [
        tuple(np.concatenate(grouped_batches(lengths, 16, seed=seed, epoch=epoch)))
        for seed in range(4)
        for epoch in range(4)
    ]
    assert len(set(orders)) == 16
    first = grouped_batches(lengths, 16, seed=0, epoch=0)
    second = grouped_batches(lengths, 16, seed=0, epoch=1)
    mates = [
        {frozenset(pair) for batch in batches for pair in _pairs(batch.tolist())}
        for batches in (first, second)
    ]
    assert len(mates[0] & mates[1]) < 0.5 * len(mates[0])  # other company, not only another order


def _pairs(batch: list[int]):
    return ((a, b) for a in batch for b in batch if a < b)


def test_lengths_come_in_no_order():
    lengths = np.random.default_rng(0).integers(5, 60, 4000)
    widths = np.array([lengths[batch].max() for batch in grouped_batches(lengths, 16, seed=1, epoch=0)])
    assert abs(np.corrcoef(widths, np.arange(len(widths)))[0, 1]) < 0.2
    assert abs(np.corrcoef(widths[1:], widths[:-1])[0, 1]) < 0.2


def test_the_same_batches_in_another_process():
    code = (
        "import numpy as np; from tagwright.encode.batches import grouped_batches; lengths = np.arange(300) * 7 % 50;"
        "print([b.tolist() for b in grouped_batches(lengths, 8, seed=3, epoch=2)])"
    )
    here = [batch.tolist() for batch in grouped_batches(np.arange(300) * 7 % 50, 8, seed=3, epoch=2)]
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str(here)


def test_a_batch_holds_at_least_one_window():
    with pytest.raises(InputError, match="batch_size is at least 1"):
        grouped_batches(np.array([3, 4]), 0, seed=0, epoch=0)


@pytest.mark.real
def test_little_is_padded_on_wnut17(wnut17):
    blocks = (wnut17 / "wnut17train.conll").read_text("utf-8").replace("\n\t\n", "\n\n").strip().split("\n\n")
    sentences = [[line.split("\t")[0] for line in block.split("\n")] for block in blocks]
    lengths = encode_words(PieceTable(build_tokenizer("bert")), sentences, limit=512).lengths
    assert len(lengths) == 3394
    for epoch in range(3):
        assert padded(lengths, grouped_batches(lengths, 16, seed=42, epoch=epoch)) < 1.05
    order = np.random.default_rng(0).permutation(len(lengths))
    assert padded(lengths, np.array_split(order, len(order) // 16)) > 1.4
    assert padded(lengths, budget_batches(lengths, 4096)) < 1.05


@pytest.mark.parametrize("kind", KINDS)
def test_collate_makes_the_collators_batch(kind):
    tokenizer = build_tokenizer(kind)
    encoded = encode_words(PieceTable(tokenizer), SENTENCES, limit=512)
    labels = piece_labels(encoded, np.concatenate(TAGS))
    aligned = align_labels({"tokens": SENTENCES, "ner_tags": TAGS}, tokenizer)
    for windows in ([0, 1, 2], [6, 3], [6], list(range(7))):
        rows = [
            {name: aligned[name][row] for name in ("input_ids", "attention_mask", "labels")}
            for row in windows
        ]
        expected = DataCollatorForTokenClassification(tokenizer)(rows)
        found = collate(encoded, np.array(windows), labels)
        assert list(found) == list(expected)
        for name, values in found.items():
            assert values.dtype == np.int64
            assert values.tolist() == expected[name].tolist()
        assert list(collate(encoded, np.array(windows))) == ["input_ids", "attention_mask"]


def test_pad_batch():
    encoded = encode_words(PieceTable(build_tokenizer("roberta")), SENTENCES, limit=16, overlap=4)
    windows = np.array([3, 0, len(encoded.lengths) - 1])
    input_ids, attention_mask = pad_batch(encoded, windows)
    assert input_ids.shape == attention_mask.shape == (3, encoded.lengths[windows].max())
    for row, window in enumerate(windows):
        pieces = encoded.ids[encoded.offsets[window] : encoded.offsets[window + 1]]
        assert input_ids[row][attention_mask[row] == 1].tolist() == pieces.tolist()
        assert set(input_ids[row][attention_mask[row] == 0].tolist()) <= {encoded.pad_id}
        assert (np.diff(attention_mask[row]) <= 0).all()
    assert pad_batch(encoded, np.zeros(0, dtype=np.int64))[0].shape == (0, 0)


@settings(deadline=None)
@given(limit=st.integers(3, 40), overflow=st.sampled_from(["window", "truncate"]))
def test_each_word_is_labelled_once(limit, overflow):
    encoded = encode_words(
        PieceTable(build_tokenizer("roberta")), SENTENCES, limit=limit, on_overflow=overflow
    )
    tags = np.arange(len(encoded.word_positions))
    labels = piece_labels(encoded, tags)
    kept = encoded.word_positions >= 0
    assert sorted(labels[labels != -100].tolist()) == tags[kept].tolist()
    assert labels[encoded.word_positions[kept]].tolist() == tags[kept].tolist()
    assert len(labels) == len(encoded.ids)


def test_all_pieces_are_labelled_as_align_labels_does():
    labels = LabelMap.from_types(["a", "b", "c"], Scheme.BIOES)
    tokenizer = build_tokenizer("roberta")
    encoded = encode_words(PieceTable(tokenizer), SENTENCES, limit=512)
    found = piece_labels(encoded, np.concatenate(TAGS), label_pieces="all", labels=labels)
    aligned = align_labels(
        {"tokens": SENTENCES, "ner_tags": TAGS}, tokenizer, label_pieces="all", labels=labels
    )
    assert found.tolist() == [label for row in aligned["labels"] for label in row]
    with pytest.raises(InputError, match="needs the label map"):
        piece_labels(encoded, np.concatenate(TAGS), label_pieces="all")
