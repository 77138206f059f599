"""Long text in overlapping windows, cut at word borders; every word keeps its place."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.pieces import PieceTable, ranges
from tagwright.errors import InputError
from tagwright.tags import offsets_of

__all__ = ["Encoded", "encode_words"]

_UNLIMITED = np.iinfo(np.int64).max  # context towards a true border of the sentence


@dataclass(frozen=True, slots=True)
class Encoded:
    """Sentences as windows of pieces, in flat arrays.

    A sentence that fits the limit is one window. Each word takes its scores (and, in training, carries its
    label) in exactly one window: the one where it has most context.

    Attributes:
        ids: int32, shape (pieces,): the pieces of all windows, special ones included, one after another.
        offsets: int64, shape (windows + 1,): where each window begins in `ids`.
        sentences: int64, shape (windows,): the sentence each window was cut from.
        word_offsets: int64, shape (sentences + 1,): where each sentence begins in the per-word arrays.
        word_positions: int64, shape (words,): the index in `ids` of each word's first piece, in the window
            from which it takes its scores; -1 where the word was cut (`on_overflow = "truncate"`).
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


def encode_words(
    table: PieceTable,
    sentences: Sequence[Sequence[str]],
    *,
    limit: int,
    overlap: int = 64,
    on_overflow: str = "window",
    names: Sequence[str] | None = None,
) -> Encoded:
    """Encode sentences, and cut those that are longer than a window.

    Windows are cut at word borders. A word takes its scores from the window in which the nearer of the
    window's two ends is farthest from it (an end of the sentence is no end of context); of two such windows,
    from the first. A single word longer than a window fills one with its first pieces. A sentence without
    words has no window.

    Args:
        table: the pieces of words.
        sentences: the words of each sentence.
        limit: pieces in a window at most, special ones included.
        overlap: pieces that neighbouring windows share, as nearly as words allow; at most half a window is
            taken.
        on_overflow: what to do with a sentence longer than a window: `"window"`; `"truncate"`: keep its first
            pieces, and count the words beyond (`Encoded.lost_words`); `"error"`.
        names: what to call each sentence in an error; by default its number, from 1.

    Raises:
        InputError: the limit leaves no room for a word, a word is not a string, or, with `"error"`, a
            sentence is too long.
    """
    if on_overflow not in ("window", "truncate", "error"):
        raise InputError(f"on_overflow is {on_overflow!r}", mend="it is 'window', 'truncate' or 'error'")
    room = limit - table.specials
    if room < 1:
        raise InputError(
            f"a limit of {limit} pieces leaves no room for a word beside {table.specials} special pieces",
            mend="raise max_pieces",
        )
    sentences = sentences if isinstance(sentences, (list, tuple)) else list(sentences)
    word_offsets = offsets_of(map(len, sentences))
    ids, counts = table.pieces(list(chain.from_iterable(sentences)))
    borders = np.zeros(len(counts) + 1, dtype=np.int64)  # where each word begins in ids
    np.cumsum(counts, out=borders[1:])
    sizes = np.diff(borders[word_offsets])
    long = np.flatnonzero(sizes > room)
    if len(long) and on_overflow == "error":
        raise _too_long(sizes[long] + table.specials, long, limit, names)
    cut = long if on_overflow == "window" else long[:0]

    firsts, lasts, owners = _windows(word_offsets, borders, cut, room, max(0, min(overlap, room // 2)))
    begins = borders[firsts]
    filled = np.minimum(borders[lasts] - begins, room)
    framed, offsets, _ = table.frame(ids[ranges(begins, filled)], filled)

    homes = _homes(word_offsets, borders, firsts, lasts, owners, cut)
    ahead = borders[:-1] - begins[homes]  # pieces before the word in its window
    seen = ahead < room
    return Encoded(
        ids=framed,
        offsets=offsets,
        sentences=owners,
        word_offsets=word_offsets,
        word_positions=np.where(seen, offsets[homes] + len(table.before) + ahead, -1),
        word_pieces=np.where(seen, np.minimum(counts, room - ahead), 0).astype(np.int32),
        pad_id=table.pad_id,
    )


def _too_long(
    sizes: NDArray[np.int64], long: NDArray[np.int64], limit: int, names: Sequence[str] | None
) -> InputError:
    name = names[int(long[0])] if names is not None else f"sentence {long[0] + 1}"
    others = f" (and {len(long) - 1} more like it)" if len(long) > 1 else ""
    return InputError(
        f"{sizes[0]} pieces are more than a window of {limit} holds{others}",
        where=name,
        mend="set on_overflow to 'window', raise max_pieces, or split the text",
    )


def _windows(
    word_offsets: NDArray[np.int64],
    borders: NDArray[np.int64],
    cut: NDArray[np.int64],
    room: int,
    overlap: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the windows' first words, one past their last words, and their sentences, in order."""
    number = (np.diff(word_offsets) > 0).astype(np.int64)
    pairs = [
        _cut(borders, int(word_offsets[sentence]), int(word_offsets[sentence + 1]), room, overlap)
        for sentence in cut
    ]
    number[cut] = [len(found) for found in pairs]
    owners = np.repeat(np.arange(len(number)), number)
    firsts, lasts = word_offsets[owners], word_offsets[owners + 1]
    if pairs:
        places = ranges((np.cumsum(number) - number)[cut], number[cut])
        firsts[places], lasts[places] = np.concatenate(pairs).T
    return firsts, lasts, owners


def _cut(borders: NDArray[np.int64], start: int, stop: int, room: int, overlap: int) -> list[tuple[int, int]]:
    """Cut the words `start` to `stop` into windows of at most `room` pieces (one word may have more)."""
    at = borders[start : stop + 1].tolist()
    size = stop - start
    found = []
    first = 0
    while True:
        last = min(max(bisect_right(at, at[first] + room) - 1, first + 1), size)
        found.append((start + first, start + last))
        if last == size:
            return found
        # The next window must hold the next word as well, or it would end where this one does.
        first = bisect_left(at, max(at[last] - overlap, at[last + 1] - room), first + 1, last)


def _homes(
    word_offsets: NDArray[np.int64],
    borders: NDArray[np.int64],
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
    owners: NDArray[np.int64],
    cut: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return, for each word, the window in which it has most context."""
    first_windows = np.searchsorted(owners, np.arange(len(word_offsets) - 1))
    homes = np.repeat(first_windows, np.diff(word_offsets))
    several = np.flatnonzero(np.isin(owners, cut))
    if not len(several):
        return homes
    held = lasts[several] - firsts[several]
    windows = np.repeat(several, held)
    words = ranges(firsts[several], held)
    first, last, owner = firsts[windows], lasts[windows], owners[windows]
    left = np.where(first == word_offsets[owner], _UNLIMITED, borders[words] - borders[first])
    right = np.where(last == word_offsets[owner + 1], _UNLIMITED, borders[last] - borders[words + 1])
    order = np.lexsort((-np.minimum(left, right), words))
    chosen = order[np.flatnonzero(np.diff(words[order], prepend=-1))]
    homes[words[chosen]] = windows[chosen]
    return homes
