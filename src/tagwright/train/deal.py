"""Who takes which windows of a batch, so that processes that train together end each batch together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["computed_pieces", "deal"]


def deal(lengths: NDArray[np.integer], hands: int) -> list[NDArray[np.int64]]:
    """Deal the windows of a batch out, so that the one who computes most computes as little as can be.

    Each hand is padded to its own longest window. So windows are sorted by length and cut into runs, few long ones
    here and many short ones there: of all ways to deal, one of these has the least maximum.

    Args:
        lengths: shape (windows,): pieces in each window of the batch, at least 1.
        hands: how many processes there are.

    Returns:
        For each process the places of its windows in the batch: int64, shape (windows it takes,). With fewer windows
        than processes the last ones get none.
    """
    order = np.argsort(-np.asarray(lengths), kind="stable")
    widths = np.asarray(lengths)[order].tolist()
    least, most = (widths[0], widths[0] * len(widths)) if widths else (0, 0)
    while least < most:
        bound = (least + most) // 2
        least, most = (least, bound) if _runs(widths, bound) <= hands else (bound + 1, most)
    dealt = []
    start = 0
    for hand in range(hands):
        left = len(widths) - start
        take = min(most // widths[start], max(1, left - (hands - hand - 1))) if left else 0
        dealt.append(order[start : start + take])
        start += take
    return dealt


def _runs(widths: list[int], bound: int) -> int:
    """Return into how many runs sorted windows fall, where none computes more pieces than a bound."""
    count = start = 0
    while start < len(widths):
        start += bound // widths[start]
        count += 1
    return count


def computed_pieces(lengths: NDArray[np.integer], windows: NDArray[np.integer]) -> int:
    """Return the pieces that a batch of windows computes, padding included."""
    return len(windows) * int(np.asarray(lengths)[windows].max(initial=0))
