"""Gold and predicted tags laid side by side, part by part, and checked for the same sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ne
from pathlib import Path

import numpy as np

from tagwright.data.conll import stream_conll
from tagwright.data.rows import Rows
from tagwright.errors import InputError
from tagwright.score.parting import first_difference, parting_error, place_of_word
from tagwright.tags.labels import offsets_of
from tagwright.tags.spans import IntArray

__all__ = ["PART_WORDS", "Pair", "Tags", "read_pairs"]

Tags = str | Path | Sequence[Sequence[str]]
"""A CoNLL file, or one list of tags a sentence."""

PART_WORDS = 1 << 17
"""About how many words are held at a time."""

_DOCUMENT_WORDS = 1 << 20  # a longer document is cut, so that memory stays bounded


@dataclass(frozen=True, slots=True)
class Pair:
    """A part of the gold and predicted tags: some whole sentences, the same on both sides.

    Attributes:
        gold: the gold side; words only when read from a file.
        pred: the predicted side.
        names: the tags of both sides, in the order in which they turned up so far.
        gold_ids: int64, shape (words,): the index of each gold tag in `names`.
        pred_ids: int64, shape (words,): the same for the predicted tags.
        offsets: int64, shape (sentences + 1,): where each sentence begins.
        before: sentences in earlier parts.
        differing: words that are not the same at the same position.
        first_differing: the first of them, and their places, in words.
    """

    gold: Rows
    pred: Rows
    names: Sequence[str]
    gold_ids: IntArray
    pred_ids: IntArray
    offsets: IntArray
    before: int = 0
    differing: int = 0
    first_differing: str = ""

    @property
    def words(self) -> Sequence[str] | None:
        """Gold's words, if they are known, every one."""
        return self.gold.words if self.gold.words and all(self.gold.words) else None

    @property
    def documents(self) -> Sequence[str | None] | None:
        """The document of each sentence, where gold marks documents."""
        return self.gold.documents or None

    def ids(self, side: int) -> IntArray:
        """Return the tags of a side: 0 is gold, 1 the prediction."""
        return self.pred_ids if side else self.gold_ids

    def place(self, side: int, word: int) -> str:
        """Return the place of a word of a side, in words."""
        sentence = int(np.searchsorted(self.offsets, word, side="right")) - 1
        rows = self.pred if side else self.gold
        return place_of_word(rows, sentence, word - int(self.offsets[sentence]), self.before)


def read_pairs(
    gold: Tags,
    pred: Tags,
    *,
    word_column: int = 0,
    tag_column: int = -1,
    ignore_words: bool = False,
    names: Sequence[str] = (),
    part_words: int = PART_WORDS,
) -> Iterator[Pair]:
    """Read two sides together, so that memory does not grow with their size.

    Files are read as they are consumed. A part ends with a document where documents are marked, unless one is
    longer than a million words.

    Args:
        gold: the gold tags.
        pred: the predicted tags.
        word_column: the column of the word in files; negative counts from the end.
        tag_column: the column of the tag in files.
        ignore_words: do not compare words, and let lines hold a tag alone.
        names: tags that are known already, for the numbers of `Pair.names`.
        part_words: about how many words to hold at a time.

    Raises:
        InputError: a side cannot be read, or the two have different sentences; the first place where they
            part is named.
    """
    numbers = _Numbers({name: number for number, name in enumerate(names)})
    ours, theirs = (
        _Side(_blocks(tags, name, word_column, tag_column, not ignore_words, part_words))
        for tags, name in ((gold, "gold"), (pred, "pred"))
    )
    before, sooner = 0, ""
    while ours.fill(part_words) + theirs.fill(part_words):
        count = _whole_documents(ours, theirs, part_words)
        one, other = ours.take(count), theirs.take(count)
        compare = not ignore_words and bool(one.words and other.words)
        if not count or one.lengths != other.lengths:
            taken = (one, other) if count else (ours.rows, theirs.rows)
            totals = ours.drain(), theirs.drain()
            raise parting_error(*taken, totals=totals, before=before, sooner=sooner, compare=compare)
        differing = sum(map(ne, one.words, other.words)) if compare else 0
        first = first_difference(one, other, before) if differing else ""
        sooner = sooner or first
        gold_ids, pred_ids = (numbers.of(rows.tags) for rows in (one, other))
        offsets = offsets_of(one.lengths)
        yield Pair(one, other, list(numbers), gold_ids, pred_ids, offsets, before, differing, first)
        before += count


class _Numbers(dict[str, int]):
    """Tags to numbers, counted as they turn up."""

    def of(self, tags: Sequence[str]) -> IntArray:
        return np.fromiter(map(self.__getitem__, tags), np.int64, len(tags))

    def __missing__(self, tag: str) -> int:
        self[tag] = number = len(self)
        return number


def _blocks(
    tags: Tags, name: str, word_column: int, tag_column: int, need_words: bool, part_words: int
) -> Iterator[Rows]:
    """Read one side in blocks of whole sentences."""
    if isinstance(tags, str | Path):
        yield from stream_conll(
            tags,
            word_column=word_column,
            tag_column=tag_column,
            need_words=need_words,
            block_bytes=8 * part_words,
        )
        return
    if len(tags) and isinstance(tags[0], str):
        raise InputError(f"{name} is a list of strings", mend="give one list of tags a sentence")
    step = max(1, part_words // 16)
    for begin in range(0, max(len(tags), 1), step):
        some = tags[begin : begin + step]
        yield Rows(name, tags=list(chain.from_iterable(some)), lengths=list(map(len, some)))


class _Side:
    """One side's sentences, as far as they were read and not yet taken."""

    def __init__(self, blocks: Iterator[Rows]) -> None:
        self._blocks = blocks
        self.has_ended = False
        self.words = 0  # taken or not
        self.rows = Rows("")
        self._held = 0

    def fill(self, words: int) -> int:
        """Read on until so many words are held; return the number of sentences held."""
        while self._held < words and not self.has_ended:
            block = next(self._blocks, None)
            if block is None:
                self.has_ended = True
                break
            self._held += len(block.tags)
            self.words += len(block.tags)
            if len(self.rows):
                for field in ("words", "tags", "lengths", "lines", "documents", "notices"):
                    getattr(self.rows, field).extend(getattr(block, field))
            else:
                block.notices[:0] = self.rows.notices
                self.rows = block
        return len(self.rows)

    def take(self, sentences: int) -> Rows:
        """Hand over the first sentences; notices go with the first that are taken after them."""
        rows = self.rows
        words = sum(rows.lengths[:sentences])
        rest = Rows(rows.source, word_lines=rows.word_lines)
        if sentences < len(rows):
            for field, cut in (
                ("words", words),
                ("tags", words),
                ("lengths", sentences),
                ("lines", sentences),
                ("documents", sentences),
            ):
                values = getattr(rows, field)
                setattr(rest, field, values[cut:])
                del values[cut:]
        self.rows = rest
        self._held -= words
        return rows

    def drain(self) -> int:
        """Read to the end, keeping nothing; return how many words there were."""
        self.words += sum(len(block.tags) for block in self._blocks)
        return self.words


def _whole_documents(gold: _Side, pred: _Side, part_words: int) -> int:
    """Return how many sentences both sides hold, without those of a document that goes on; read on if need be."""
    while True:
        ready = min(len(gold.rows), len(pred.rows))
        documents = gold.rows.documents[: ready + 1]
        if not ready or not documents or documents[ready - 1] is None:
            return ready
        if ready == len(gold.rows) and gold.has_ended:
            return ready
        if len(documents) == ready:  # whether the document goes on is not known
            documents.append(documents[-1])
        count = next((place for place in range(ready, 0, -1) if documents[place] != documents[place - 1]), 0)
        if count or part_words >= _DOCUMENT_WORDS or pred.has_ended:
            return count or ready
        part_words *= 2
        gold.fill(part_words)
        pred.fill(part_words)
