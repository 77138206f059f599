"""Encoded splits as tf.data: any lengths, every row once, seeded orders, and errors that name what is wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DataCollatorForTokenClassification

import tagwright as tw
from tagwright.errors import InputError
from tests.tiny_tokenizers import build_tokenizer

tf = pytest.importorskip("tensorflow", reason="the extra keras is not installed")
pytest.importorskip("keras", reason="the extra keras is not installed")

from tagwright.keras import to_tf_dataset  # noqa: E402
from tagwright.keras.buckets import widths  # noqa: E402

WORDS = ("the", "storm", "in", "New", "York", "was", "bad", "@paulwalk")


def encode(lengths, kind="distilbert") -> Dataset:
    """Build a split with sentences of these lengths; row n begins with the word n % 8 and has the tags n % 3."""
    rows = {
        "id": [f"s{row}" for row in range(len(lengths))],
        "tokens": [
            [WORDS[(row + place) % len(WORDS)] for place in range(size)] for row, size in enumerate(lengths)
        ],
        "ner_tags": [[row % 3] * size for row, size in enumerate(lengths)],
    }
    return Dataset.from_dict(rows).map(tw.Aligner(build_tokenizer(kind)), batched=True)


def collator_of(kind="distilbert", **settings):
    return DataCollatorForTokenClassification(build_tokenizer(kind), **{"return_tensors": "np"} | settings)


@pytest.fixture(scope="module")
def split() -> Dataset:
    return encode([1, 9, 3, 20, 2, 2, 7, 40, 5, 1, 1])


@pytest.fixture(scope="module")
def collator():
    return collator_of()


def rows_of(dataset):
    """Return the pieces and labels of each row, in order, without padding."""
    found = []
    for inputs, labels in dataset:
        for ids, mask, row in zip(inputs["input_ids"], inputs["attention_mask"], labels, strict=True):
            size = int(tf.reduce_sum(mask))
            assert not np.any(mask[size:])
            assert np.all(row[size:] == -100)
            found.append((ids[:size].numpy().tolist(), row[:size].numpy().tolist()))
    return found


def rows_in(split):
    return [(row["input_ids"], row["labels"]) for row in split]


def test_every_row_is_there_as_it_was(split, collator):
    dataset = to_tf_dataset(split, collate_fn=collator, batch_size=4)
    assert rows_of(dataset) == rows_in(split)
    assert len(dataset) == 3
    assert [len(labels) for _, labels in dataset] == [4, 4, 3]


def test_the_signature_is_that_of_any_lengths(split, collator):
    for same in (split, split.select([0, 9])):
        inputs, labels = to_tf_dataset(same, collate_fn=collator).element_spec
        any_batch = tf.TensorSpec((None, None), tf.int32)
        assert inputs == {"input_ids": any_batch, "attention_mask": any_batch}
        assert labels == any_batch


def test_one_long_row_ends_an_epoch_of_datasets_own_and_not_of_ours(collator):
    sizes = [5] * 400
    sizes[200] = 9
    skewed = Dataset.from_list(
        [{"input_ids": [7] * size, "attention_mask": [1] * size, "labels": [0] * size} for size in sizes]
    )
    random.seed(0)  # its sample is drawn with it
    theirs = skewed.to_tf_dataset(
        batch_size=4,
        columns=["input_ids", "attention_mask"],
        label_cols="labels",
        collate_fn=collator,
        num_test_batches=3,
    )
    batches = iter(theirs)
    for _ in range(40):
        next(batches)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not compatible with expected shape"):
        list(batches)
    assert rows_of(to_tf_dataset(skewed, collate_fn=collator, batch_size=4)) == rows_in(skewed)


def test_each_epoch_has_another_order_and_a_seed_repeats_them(split, collator):
    first, again, other = (
        to_tf_dataset(split, collate_fn=collator, batch_size=3, shuffle=True, seed=seed) for seed in (7, 7, 8)
    )
    epochs = [rows_of(first) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert [rows_of(again) for _ in range(3)] == epochs
    assert rows_of(other) != epochs[0]
    for epoch in epochs:
        assert sorted(epoch) == sorted(rows_in(split))


def test_repeated_and_prefetched_it_goes_on_with_the_next_order(split, collator):
    settings = {"collate_fn": collator, "batch_size": 3, "shuffle": True}
    epochs = [rows_of(dataset) for dataset in [to_tf_dataset(split, **settings)] * 2]
    repeated = to_tf_dataset(split, **settings).prefetch(2).repeat(2)
    assert rows_of(repeated) == epochs[0] + epochs[1]
    assert len(repeated) == 8


def test_widths_are_those_of_the_ladder_and_none_beyond_the_longest_row(split, collator):
    longest = max(map(len, split["input_ids"]))
    found = {labels.shape[1] for _, labels in to_tf_dataset(split, collate_fn=collator, batch_size=2)}
    assert found <= set(widths(longest))
    assert max(found) == longest
    plain = [
        labels.shape[1]
        for _, labels in to_tf_dataset(split, collate_fn=collator, batch_size=2, buckets=False)
    ]
    assert plain == [
        max(len(row) for row in split["input_ids"][start : start + 2]) for start in range(0, 11, 2)
    ]


def test_padding_is_the_tokenizers_piece():
    split = encode([1, 6], "roberta")
    collator = collator_of("roberta")
    [(inputs, _)] = to_tf_dataset(split, collate_fn=collator)
    padding = inputs["attention_mask"].numpy() == 0
    assert padding.any()
    assert set(inputs["input_ids"].numpy()[padding]) == {collator.tokenizer.pad_token_id} != {0}


def test_a_collator_may_pad_wider_than_the_longest_row(split, collator):
    wide = collator_of(pad_to_multiple_of=64)
    assert {labels.shape[1] for _, labels in to_tf_dataset(split, collate_fn=wide)} == {64}


def test_token_types_come_along_where_the_tokenizer_gives_them():
    dataset = to_tf_dataset(encode([3, 4], "bert"), collate_fn=collator_of("bert"))
    assert set(dataset.element_spec[0]) == {"input_ids", "attention_mask", "token_type_ids"}
    assert len(rows_of(dataset)) == 2


def test_a_collator_of_ones_own_gets_the_columns_that_are_named(split):
    def collate(rows):
        assert set(rows[0]) == {"id", "input_ids", "labels"}
        width = max(len(row["labels"]) for row in rows)
        return {
            "input_ids": [row["input_ids"] + [0] * (width - len(row["labels"])) for row in rows],
            "attention_mask": [[1] * len(row["labels"]) + [0] * (width - len(row["labels"])) for row in rows],
            "labels": [row["labels"] + [-100] * (width - len(row["labels"])) for row in rows],
            "names": [row["id"] for row in rows],
        }

    dataset = to_tf_dataset(split, collate_fn=collate, columns=["id", "input_ids", "labels"])
    assert set(dataset.element_spec[0]) == {"input_ids", "attention_mask"}
    assert rows_of(dataset) == rows_in(split)


def test_a_format_that_was_set_does_not_matter(split, collator):
    assert rows_of(to_tf_dataset(split.with_format("numpy"), collate_fn=collator)) == rows_in(split)


@settings(max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=12),
    batch_size=st.integers(1, 5),
    shuffle=st.booleans(),
    buckets=st.booleans(),
)
def test_no_row_is_lost_or_doubled(lengths, batch_size, shuffle, buckets):
    rows = [{"input_ids": [1] * size, "attention_mask": [1] * size, "labels": [row] * size}
            for row, size in enumerate(lengths)]  # fmt: skip
    dataset = to_tf_dataset(
        Dataset.from_list(rows),
        collate_fn=_pad,
        batch_size=batch_size,
        shuffle=shuffle,
        seed=3,
        buckets=buckets,
    )
    batches = [labels.numpy() for _, labels in dataset]
    assert len(dataset) == len(batches)
    found = [row[row != -100].tolist() for batch in batches for row in batch]
    assert sorted(found) == sorted([row] * size for row, size in enumerate(lengths))


def _pad(rows):
    width = max(len(row["labels"]) for row in rows)
    fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    return {
        name: np.array([row[name] + [value] * (width - len(row[name])) for row in rows])
        for name, value in fill.items()
    }


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda split: split, {"collate_fn": collator_of(return_tensors="pt")}, 'return_tensors="np"'),
        (lambda split: split.remove_columns("labels"), {}, "no column 'labels'.*Aligner"),
        (lambda split: split.select([]), {}, "the split is empty"),
        (lambda split: DatasetDict(train=split), {}, r"the splits train; give one of them: data\[.train.\]"),
        (lambda split: split.to_iterable_dataset(), {}, "a IterableDataset is no split"),
        (lambda split: split, {"columns": ["input_ids"]}, "no column 'labels' in input_ids; add 'labels'"),
        (lambda split: split, {"columns": ["input_ids", "labels", "pos"]}, "no column 'pos'"),
        (lambda split: split, {"batch_size": 0}, "batch_size = 0"),
        (lambda split: split, {"batch_size": None}, "batch_size = None"),
        (lambda split: split, {"seed": -1}, "seed = -1"),
        (lambda split: split, {"seed": 1.5}, "seed = 1.5"),
        (lambda split: split, {"collate_fn": collator_of(label_pad_token_id=-1)}, "the label -1; let it pad"),
        (lambda split: split, {"collate_fn": lambda rows: {"input_ids": [[1]]}}, "gives no 'attention_mask'"),
        (
            lambda split: split,
            {"collate_fn": lambda rows: {name: [row[name] for row in rows] for name in rows[0]}},
            "rows of different lengths; let it pad",
        ),
        (
            lambda split: split,
            {"collate_fn": lambda rows: _pad(rows) | {"labels": np.zeros(len(rows))}},
            r"other shapes than \(rows, pieces\)",
        ),
    ],
)
def test_what_is_wrong_is_named_before_training(split, collator, change, settings, message):
    with pytest.raises(InputError, match=message):
        to_tf_dataset(change(split), **{"collate_fn": collator} | settings)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 0], [0]], "row 1: 2 pieces and 1 labels"),
        ([[0, 0], [0, -1]], "row 1: the label -1 is neither the id of a tag nor -100"),
        ([[0, 0], [0, None]], "row 1: a label is missing"),
        ([["O", "O"], ["O", "O"]], "labels are string, not ids of tags"),
    ],
)
def test_labels_that_cannot_be_are_named_with_their_row(labels, message):
    rows = Dataset.from_dict(
        {"input_ids": [[1, 2], [3, 4]], "attention_mask": [[1, 1], [1, 1]], "labels": labels}
    )
    with pytest.raises(InputError, match=message):
        to_tf_dataset(rows, collate_fn=_pad)
