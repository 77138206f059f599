"""Batches padded to a few widths, so that what is compiled for a shape is compiled a few times only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.align import IGNORED
from tagwright.errors import InputError

__all__ = ["bucket", "pad_to_bucket", "widths"]

_FIRST = (8, 16, 24)


def widths(limit: int) -> list[int]:
    """Return the widths that batches are padded to: two to each doubling from 16 on, and last the limit itself.

    A batch wider than 16 pieces is padded by half its width at most.

    Args:
        limit: pieces that the encoder takes at once, special ones included.

    Raises:
        InputError: the limit is less than one piece.

    >>> widths(100)
    [8, 16, 24, 32, 48, 64, 96, 100]
    """
    if limit < 1:
        raise InputError(f"limit = {limit!r} pieces", mend="give what the encoder takes at once, such as 512")
    ladder = list(_FIRST)
    while ladder[-1] < limit:
        ladder.append(ladder[-2] * 2)
    return [*(width for width in ladder if width < limit), limit]


def bucket(length: int, limit: int) -> int:
    """Return the least width that holds this many pieces.

    Raises:
        InputError: there are more pieces than the limit.
    """
    for width in widths(limit):
        if width >= length:
            return width
    raise InputError(
        f"a batch is {length} pieces wide, and the encoder takes {limit} at once",
        mend="truncate the sentences, or cut them into windows",
    )


def pad_to_bucket(
    batch: Mapping[str, NDArray[np.integer]], limit: int, *, pad_id: int = 0
) -> dict[str, NDArray[np.integer]]:
    """Pad a batch on the right to the next of `widths`.

    Nothing that is padded is seen: the mask is 0 there and the label -100.

    Args:
        batch: `input_ids`, `attention_mask` and, where there are, `token_type_ids` and `labels`: (batch, pieces).
        limit: pieces that the encoder takes at once, special ones included.
        pad_id: the padding piece.

    Returns:
        The same arrays, of the same types, padded.

    Raises:
        InputError: the batch is wider than the limit, or holds an unknown array.
    """
    fill = {"input_ids": pad_id, "attention_mask": 0, "token_type_ids": 0, "labels": IGNORED}
    length = batch["input_ids"].shape[1]
    width = bucket(length, limit)
    padded: dict[str, NDArray[np.integer]] = {}
    for name, values in batch.items():
        if name not in fill:
            raise InputError(f"it is unknown how to pad {name!r}", mend=f"known are {', '.join(fill)}")
        padded[name] = np.pad(values, ((0, 0), (0, width - length)), constant_values=fill[name])
    return padded
