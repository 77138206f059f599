"""An encoded split as a `tf.data.Dataset` whose signature is fixed, whatever lengths come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tagwright.encode.align import IGNORED
from tagwright.errors import InputError
from tagwright.keras.buckets import pad_to_bucket
from tagwright.keras.encoder import INPUTS
from tagwright.keras.inputs import SPEC
from tagwright.keras.schedule import whole

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["to_tf_dataset"]

LABELS = "labels"

_Collate = Callable[[list[dict[str, Any]]], Mapping[str, Any]]
_ALIGN = "map tw.Aligner(tokenizer) over the data first: data.map(tw.Aligner(tokenizer), batched=True)"


def to_tf_dataset(
    split: Dataset,
    *,
    collate_fn: _Collate,
    batch_size: int = 16,
    shuffle: bool = False,
    seed: int = 0,
    columns: Sequence[str] | None = None,
    buckets: bool = True,
) -> tf.data.Dataset:
    """Turn an encoded split into batches for `fit`, `evaluate` and `EntityF1`.

    `Dataset.to_tf_dataset` of datasets finds the shapes of its batches from sampled rows: where these are by
    chance of one length, it takes that length for a law, and the first other one ends the epoch. Here the
    signature says of every batch that it has any number of rows, each of any number of pieces.

    Args:
        split: one split, encoded: `input_ids`, `attention_mask` and `labels`, as `tw.Aligner` gives them. Other
            columns are dropped.
        collate_fn: turns rows into a padded batch of NumPy arrays, as
            `DataCollatorForTokenClassification(tokenizer, return_tensors="np")` does.
        batch_size: rows in a batch; the last one may have fewer.
        shuffle: draw another order each time the batches are gone through. The n-th order depends on `seed`
            and the number of rows alone.
        seed: of the orders, at least 0.
        columns: the columns that `collate_fn` is given; by default those that are named above, and
            `token_type_ids` where the split has it.
        buckets: pad each batch on the right to the next width of `tagwright.keras.buckets.widths`, so that XLA,
            which compiles every shape anew, meets few; no batch becomes longer than the split's longest row.

    Returns:
        Pairs of inputs, a dict of `input_ids`, `attention_mask` and, where the collator gives it,
        `token_type_ids`, and labels: all int32, shape (None, None), that is (rows, pieces). It has a length, can be
        gone through any number of times, and collates ahead of the training step.

    Raises:
        InputError: the split is none, is empty, or has no labels; a label is no tag id; the collator gives
            tensors of torch or no attention mask.

    >>> train = to_tf_dataset(encoded["train"], collate_fn=collator, shuffle=True)  # doctest: +SKIP
    """
    batch_size = whole("batch_size", batch_size, least=1)
    seed = whole("seed", seed, least=0)
    rows = _select(split, columns)
    lengths = _check_rows(rows)
    longest = int(lengths.max())
    pad_id = int(getattr(getattr(collate_fn, "tokenizer", None), "pad_token_id", None) or 0)
    epochs = count()

    def batches() -> Iterator[tuple[dict[str, NDArray[np.int32]], NDArray[np.int32]]]:
        order = np.arange(len(rows))
        if shuffle:
            order = np.random.Generator(np.random.PCG64([seed, next(epochs)])).permutation(order)
        for start in range(0, len(order), batch_size):
            batch: dict[str, Any] = _collate(rows, order[start : start + batch_size], collate_fn)
            if buckets:
                limit = max(longest, batch["input_ids"].shape[1])
                batch = pad_to_bucket(batch, limit, pad_id=pad_id)
            labels = batch.pop(LABELS)
            yield batch, labels

    # One batch now: what is wrong with the collator is said here, and not by TensorFlow in the middle of `fit`.
    unlike = np.unique([lengths.argmin(), lengths.argmax()])
    names = [name for name in _collate(rows, unlike, collate_fn) if name != LABELS]
    dataset = tf.data.Dataset.from_generator(batches, output_signature=(dict.fromkeys(names, SPEC), SPEC))
    size = -(-len(rows) // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(size)).prefetch(tf.data.AUTOTUNE)


def _select(split: Dataset, columns: Sequence[str] | None) -> Dataset:
    """Return the split with the columns that the collator is given, as Python lists."""
    if isinstance(split, Mapping):
        raise InputError(
            f"this is a whole data set, with the splits {', '.join(map(str, split))}",
            mend='give one of them: data["train"]',
        )
    if not (hasattr(split, "select_columns") and hasattr(split, "__len__")):
        raise InputError(
            f"a {type(split).__name__} is no split that can be shuffled and counted",
            mend="give a datasets.Dataset, such as data['train']; a streamed one is loaded first",
        )
    known = split.column_names
    if len(split) == 0:
        raise InputError("the split is empty", mend="give a split with at least one sentence")
    wanted = columns if columns is not None else [name for name in (*INPUTS, LABELS) if name in known]
    for name in dict.fromkeys(("input_ids", LABELS, *wanted)):
        if name not in known or name not in wanted:
            raise InputError(
                f"there is no column {name!r} in {', '.join(wanted if name in known else known)}",
                mend=_ALIGN if name not in known else f"add {name!r} to columns",
            )
    return split.with_format(None).select_columns(list(wanted))


def _check_rows(rows: Dataset) -> NDArray[np.int64]:
    """Return the number of pieces in each row: int64, shape (rows,); refuse rows that cannot be a batch's."""
    found = [np.zeros(0, dtype=np.int64)]
    start = 0
    for part in rows.with_format("arrow").iter(10_000):
        pieces, labels = (_list_lengths(part[name]) for name in ("input_ids", LABELS))
        differ = np.flatnonzero(pieces != labels)
        if len(differ):
            place = int(differ[0])
            raise InputError(
                f"{pieces[place]} pieces and {labels[place]} labels",
                where=f"row {start + place}",
                mend="give each piece one label, -100 where it has none",
            )
        _check_labels(part[LABELS].combine_chunks().flatten(), np.cumsum(labels), start)
        found.append(pieces)
        start += len(part)
    return np.concatenate(found)


def _check_labels(labels: Any, ends: NDArray[np.int64], start: int) -> None:
    """Refuse labels that are neither tag ids nor -100; `ends` is where each row ends in them, `start` the first."""
    if str(labels.type).strip("u") not in ("int8", "int16", "int32", "int64"):
        raise InputError(f"labels are {labels.type}, not ids of tags", mend=_ALIGN)
    missing = labels.is_null().to_numpy(zero_copy_only=False)
    values = labels.cast("int64").fill_null(IGNORED).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(missing | ((values < 0) & (values != IGNORED)))
    if len(wrong):
        first = int(wrong[0])
        named = f"the label {values[first]} is neither the id of a tag nor {IGNORED}"
        raise InputError(
            "a label is missing" if missing[first] else named,
            where=f"row {start + int(np.searchsorted(ends, first, side='right'))}",
            mend=f"label a piece {IGNORED} that the loss shall leave out",
        )


def _list_lengths(column: Any) -> NDArray[np.int64]:
    import pyarrow.compute as pc

    lengths: NDArray[np.int64] = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    return lengths


def _collate(rows: Dataset, chosen: NDArray[np.int64], collate_fn: _Collate) -> dict[str, NDArray[np.int32]]:
    """Return one batch: what the network reads, and the labels; int32, shape (rows, pieces)."""
    columns = rows[chosen]
    features = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    batch = collate_fn(features)
    found = {name: batch[name] for name in (*INPUTS, LABELS) if name in batch}
    for name in ("input_ids", "attention_mask", LABELS):
        if name not in found:
            raise InputError(
                f"the collator gives no {name!r}, but {', '.join(map(repr, batch))}",
                mend='DataCollatorForTokenClassification(tokenizer, return_tensors="np") does',
            )
    for name, value in found.items():
        if type(value).__module__.partition(".")[0] == "torch":
            raise InputError(
                f"the collator gives {name!r} as a tensor of torch",
                mend='build it with return_tensors="np"',
            )
    try:
        arrays = {name: np.asarray(value, dtype=np.int32) for name, value in found.items()}
    except ValueError:
        raise InputError(
            "the collator gives rows of different lengths", mend="let it pad them: padding=True"
        ) from None
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        shown = ", ".join(f"{name!r} {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"the collator gives arrays of other shapes than (rows, pieces): {shown}",
            mend="let it pad every array of a batch to the same length",
        )
    padded = arrays[LABELS]
    wrong = padded[(padded < 0) & (padded != IGNORED)]
    if wrong.size:
        raise InputError(
            f"the collator gives the label {wrong[0]}", mend=f"let it pad labels with {IGNORED}, its default"
        )
    return arrays
