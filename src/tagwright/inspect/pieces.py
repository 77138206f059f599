"""What an encoder's tokenizer makes of the words: lengths in pieces, words without pieces, unknown words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.align import PieceTable
from tagwright.inspect.part import KEPT_PLACES, Part

__all__ = ["LongSentence", "UnseenWord", "find_long", "find_unseen", "piece_lengths"]


@dataclass(frozen=True, slots=True)
class LongSentence:
    """A sentence that is longer than the encoder takes at once.

    Attributes:
        split: its split.
        where: its place.
        words: how many words it has.
        pieces: how many pieces, special ones included.
        text: its first words.
    """

    split: str
    where: str
    words: int
    pieces: int
    text: str


@dataclass(frozen=True, slots=True)
class UnseenWord:
    """A word of which the encoder sees nothing.

    Attributes:
        word: the word.
        pieces: `none`: the tokenizer drops all its characters, so that it gets the unknown piece in their place;
            `unknown`: all its pieces are the unknown piece.
        count: how often it occurs.
        labelled: how many of these occurrences carry a tag other than O.
        places: `split` and `where` of the first of them.
    """

    word: str
    pieces: str
    count: int
    labelled: int
    places: tuple[Mapping[str, str], ...]


def piece_lengths(part: Part, table: PieceTable) -> NDArray[np.int64]:
    """Return the pieces of each sentence, special ones included: int64, shape (sentences,)."""
    _, counts = table.pieces(part.words)
    ends = np.append(0, np.cumsum(counts, dtype=np.int64))
    lengths: NDArray[np.int64] = np.diff(ends[part.offsets]) + table.specials
    return lengths


def find_long(part: Part, lengths: NDArray[np.int64], limit: int) -> list[LongSentence]:
    """Find the sentences of more than `limit` pieces; the longest first.

    Args:
        part: the split.
        lengths: of `piece_lengths`.
        limit: pieces that the encoder takes at once, special ones included.
    """
    over = np.flatnonzero(lengths > limit)
    order = over[np.argsort(-lengths[over], kind="stable")]
    return [
        LongSentence(
            split=part.name,
            where=part.place(row),
            words=int(part.offsets[row + 1] - part.offsets[row]),
            pieces=int(lengths[row]),
            text=" ".join(part.words[part.offsets[row] : part.offsets[row + 1]][:12]),
        )
        for row in order.tolist()
    ]


def find_unseen(parts: Sequence[Part], table: PieceTable) -> tuple[UnseenWord, ...]:
    """Find words that have no piece of their own, or none but the unknown piece.

    Returns:
        One for each distinct word: words without pieces first, then those in labelled spans, then the most
        frequent.
    """
    words: dict[int, str] = {}
    for part in parts:
        words.update(zip(part.word_ids.tolist(), part.words, strict=True))
    numbers, distinct = list(words), list(words.values())
    ids, counts = table.pieces(distinct)
    unknown = np.append(0, np.cumsum(ids != table.unk_id))
    ends = np.append(0, np.cumsum(counts, dtype=np.int64))
    suspects = np.flatnonzero(unknown[ends[1:]] == unknown[ends[:-1]]).tolist()
    kinds = {numbers[at]: "none" if _has_no_piece(distinct[at], table) else "unknown" for at in suspects}
    if not kinds:
        return ()
    places: dict[int, list[Mapping[str, str]]] = {number: [] for number in kinds}
    tallies: dict[int, list[int]] = {number: [0, 0] for number in kinds}
    for part in parts:
        for at in np.flatnonzero(np.isin(part.word_ids, list(kinds))).tolist():
            number = int(part.word_ids[at])
            tallies[number][0] += 1
            tallies[number][1] += int(part.labelled[at])
            if len(places[number]) < KEPT_PLACES:
                places[number].append({"split": part.name, "where": part.place_of_word(at)})
    found = [
        UnseenWord(words[number], kind, tallies[number][0], tallies[number][1], tuple(places[number]))
        for number, kind in kinds.items()
    ]
    found.sort(key=lambda word: (word.pieces != "none", -word.labelled, -word.count, word.word))
    return tuple(found)


def _has_no_piece(word: str, table: PieceTable) -> bool:
    """Ask the tokenizer itself: the table gives the unknown piece to a word without pieces."""
    try:
        encoding = table.tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False)
    except UnicodeEncodeError:  # half of a surrogate pair, which the table replaces
        return False
    return not encoding.ids
