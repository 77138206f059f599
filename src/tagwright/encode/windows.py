"""Long text in overlapping windows, cut at word borders; every word keeps its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Encoded"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sentences as windows of pieces, in flat arrays.

    A sentence that fits the limit is one window. Each word takes its scores (and, in training, carries its label)
    in exactly one window: the one where it has most context.

    Attributes:
        ids: int32, shape (pieces,): the pieces of all windows, special ones included, one after another.
        offsets: int64, shape (windows + 1,): where each window begins in `ids`.
        sentences: int64, shape (windows,): the sentence each window was cut from.
        word_offsets: int64, shape (sentences + 1,): where each sentence begins in the per-word arrays.
        word_positions: int64, shape (words,): the index in `ids` of each word's first piece, in the window from
            which it takes its scores; -1 where the word was cut (`on_overflow = "truncate"`).
        word_pieces: int32, shape (words,): how many pieces of the word stand there, at least 1; 0 where cut.
        pad_id: the padding piece.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    sentences: NDArray[np.int64]
    word_offsets: NDArray[np.int64]
    word_positions: NDArray[np.int64]
    word_pieces: NDArray[np.int32]
    pad_id: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Pieces in each window, special ones included: int64, shape (windows,)."""
        return np.diff(self.offsets)

    @property
    def lost_words(self) -> int:
        """Words that no window holds."""
        return int((self.word_positions < 0).sum())
