"""Windows to batches: by length, within a budget of pieces, or at random among their like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.align import IGNORED, continued, inside_ids
from tagwright.encode.pieces import ranges
from tagwright.encode.windows import Encoded
from tagwright.errors import InputError
from tagwright.tags import LabelMap

__all__ = ["budget_batches", "collate", "grouped_batches", "pad_batch", "piece_labels"]

_BATCHES_IN_POOL = 50


def budget_batches(lengths: NDArray[np.integer], budget: int) -> list[NDArray[np.int64]]:
    """Batch windows of similar length, so that no batch holds more pieces than a budget, padding included.

    The batches depend on the lengths alone; the longest come first, so that memory runs out early or not at
    all.

    Args:
        lengths: shape (windows,): pieces in each window.
        budget: pieces in a batch; a longer window is a batch by itself.

    Returns:
        The windows of each batch: int64, shape (windows in the batch,).
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    widths = np.maximum(lengths[order], 1).tolist()
    batches = []
    start = 0
    while start < len(order):
        stop = start + max(1, budget // widths[start])
        batches.append(order[start:stop])
        start = stop
    return batches


def grouped_batches(
    lengths: NDArray[np.integer], batch_size: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Batch windows at random, those of similar length together.

    The windows are shuffled and dealt into at least two pools of at most fifty batches; a pool is sorted by
    length and cut into batches, and the batches are shuffled. Larger pools pad less, smaller ones give a window
    other company in each epoch. Same arguments, same batches, on every machine and process.

    Args:
        lengths: shape (windows,): pieces in each window.
        batch_size: windows in a batch; one batch may have fewer.
        seed: the run's seed, at least 0.
        epoch: the pass over the data, at least 0; each has its own order.

    Returns:
        The windows of each batch: int64, shape (windows in the batch,); every window is in exactly one.
    """
    if batch_size < 1:
        raise InputError(f"a batch of {batch_size} windows", mend="batch_size is at least 1")
    lengths = np.asarray(lengths, dtype=np.int64)
    random = np.random.Generator(np.random.PCG64([seed, epoch]))
    order = random.permutation(len(lengths))
    batches_in_pool = max(1, min(_BATCHES_IN_POOL, -(-len(order) // (2 * batch_size))))
    pools = np.arange(len(order)) // (batches_in_pool * batch_size)
    order = order[np.lexsort((lengths[order], pools))]
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return [batches[place] for place in random.permutation(len(batches))]


def pad_batch(encoded: Encoded, windows: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lay windows out as one batch, padded on the right to the longest.

    Returns:
        The pieces and the attention mask (1 on pieces, 0 on padding): int64, shape (windows, longest).
    """
    places, taken = _layout(encoded, windows)
    input_ids = np.full(places.shape, encoded.pad_id, dtype=np.int64)
    input_ids[places] = encoded.ids[taken]
    return input_ids, places.astype(np.int64)


def collate(
    encoded: Encoded, windows: NDArray[np.integer], labels: NDArray[np.integer] | None = None
) -> dict[str, NDArray[np.int64]]:
    """Make the batch that `DataCollatorForTokenClassification` makes of the same windows, padded right.

    Args:
        encoded: the windows.
        windows: shape (windows in the batch,): which.
        labels: shape (pieces,): a label for each of `encoded.ids`, as `piece_labels` gives them.

    Returns:
        `input_ids`, `attention_mask` and, where given, `labels`: int64, shape (windows in the batch,
        longest), padded with the padding piece, 0 and -100.
    """
    input_ids, attention_mask = pad_batch(encoded, windows)
    batch = {"input_ids": input_ids, "attention_mask": attention_mask}
    if labels is not None:
        places, taken = _layout(encoded, windows)
        batch["labels"] = np.full(places.shape, IGNORED, dtype=np.int64)
        batch["labels"][places] = labels[taken]
    return batch


def piece_labels(
    encoded: Encoded,
    tags: NDArray[np.integer],
    *,
    label_pieces: str = "first",
    labels: LabelMap | None = None,
) -> NDArray[np.int64]:
    """Give each word's tag to its pieces, in the one window from which the word takes its scores.

    Args:
        encoded: the windows.
        tags: shape (words,): the id of each word's tag, flat over sentences.
        label_pieces: `"first"`: only a word's first piece is labelled; `"all"`: later pieces carry the inside
            tag.
        labels: the label map; needed with `"all"`.

    Returns:
        int64, shape (pieces,): a label for each of `encoded.ids`; -100 where there is none. Words that were
        cut have no piece to carry their tag.
    """
    result = np.full(len(encoded.ids), IGNORED, dtype=np.int64)
    held = np.flatnonzero(encoded.word_positions >= 0)
    positions, tags = encoded.word_positions[held], np.asarray(tags, dtype=np.int64)[held]
    later = inside_ids(label_pieces, labels)
    if later is not None:
        sizes = encoded.word_pieces[held]
        result[ranges(positions, sizes)] = np.repeat(continued(tags, later), sizes)
    result[positions] = tags
    return result


def _layout(encoded: Encoded, windows: NDArray[np.integer]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which places of the padded batch hold a piece, and, row by row, its index in `encoded.ids`."""
    lengths = encoded.lengths[windows]
    places = np.arange(lengths.max(initial=0)) < lengths[:, None]
    return places, ranges(encoded.offsets[windows], lengths)
