"""What an export is tried on: labelled sentences, and made-up rows of the lengths at which exports go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.encode.align import PieceTable
from tagwright.errors import InputError, TagwrightError
from tagwright.model.bundle import BundleMeta
from tagwright.score.validation import read_with_validation
from tagwright.tags import Scheme, convert_tags

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["PARTS", "SPLIT", "Trials", "trial_data", "trials_of"]

SPLIT = "validation"
PARTS = (SPLIT, "one word", "full window", "longer than a window")

MOST_WORDS = 100_000
"""Words of the split that are tried at most; beyond them, sentences are drawn."""

SHORT = 16
LONG = (1.5, 2.6, 4.3)
"""Lengths of the documents that are cut into windows, in windows."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Sentences to try an export on.

    Attributes:
        sentences: the words of each.
        names: what to call each in a message: where it stands, or how it was made up.
        parts: int64, shape (sentences,): index into `PARTS`.
        gold: the tags of the sentences of the split, which come first, in the tagger's scheme; None where the
            data's tags are of another kind.
        labels: the tags that occur in `gold`.
        source: the data, as it was named.
        sha256: of the data.
        drawn_from: sentences in the split.
    """

    sentences: Sequence[Sequence[str]]
    names: Sequence[str]
    parts: np.ndarray
    gold: Sequence[Sequence[str]] | None
    source: str
    sha256: str
    drawn_from: int

    @property
    def count(self) -> int:
        """Sentences of the split, which come first."""
        return int((self.parts == 0).sum())


def trial_data(
    meta: BundleMeta,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    settings: DataSettings | None = None,
) -> tuple[Corpus, list[str]]:
    """Read the data that an export is tried on.

    Args:
        meta: what the bundle says of itself.
        data: labelled data with a validation split; None takes what the bundle was trained on, or, where that is
            gone or has changed, the sample that comes with Tagwright.
        settings: how the data is read.

    Returns:
        The corpus, which has a validation split, and notices.

    Raises:
        InputError: `data` was named and cannot be read, or has no validation split.
    """
    if data is not None:
        return read_with_validation(meta, data, settings=settings)
    try:
        corpus, notices = read_with_validation(meta, settings=settings)
    except TagwrightError as error:  # the Hub out of reach is no InputError
        reason = error.what if error.where is None else f"{error.where}: {error.what}"
    else:
        if not notices:
            return corpus, []
        reason = notices[0]
    corpus, _ = read_with_validation(meta.model_copy(update={"made": {}}), "sample")
    return corpus, [
        f"{reason}; tried on the sample that comes with Tagwright instead (--data names other data)"
    ]


def trials_of(corpus: Corpus, meta: BundleMeta, table: PieceTable) -> Trials:
    """Take the sentences of the validation split, and make up the hard rows out of them.

    The rows are: single words; documents of sentences joined that fill a window to the last piece; and documents
    that are cut into several windows.

    Raises:
        InputError: the split has no words.
    """
    split = corpus.splits[SPLIT]
    sentences, identifiers = split["tokens"][:], split["id"][:]
    rows = _drawn([len(words) for words in sentences])
    if not rows:
        raise InputError("the validation split has no words", where=corpus.source, mend="name other data")
    places = corpus.places.get(SPLIT)
    names = [
        f"{SPLIT}, sentence {identifiers[row]}" + (f" ({places.of(row)})" if places else "") for row in rows
    ]
    gold = None
    if (corpus.labels.scheme is Scheme.WORD) == (meta.scheme is Scheme.WORD):
        tags = split["ner_tags"][:]
        gold = [[corpus.labels.names[tag] for tag in tags[row]] for row in rows]
        if corpus.labels.scheme is not meta.scheme:
            gold = convert_tags(gold, corpus.labels.scheme, meta.scheme)
    tried = [sentences[row] for row in rows]
    made = [
        *_single_words(tried),
        *_full_windows(tried, table, meta.max_pieces),
        *_documents(tried, table, meta.max_pieces),
    ]
    return Trials(
        sentences=[*tried, *(words for _, words, _ in made)],
        names=[*names, *(name for _, _, name in made)],
        parts=np.array([0] * len(tried) + [part for part, _, _ in made], dtype=np.int64),
        gold=gold,
        source=corpus.source,
        sha256=corpus.sha256,
        drawn_from=len(sentences),
    )


def _drawn(sizes: Sequence[int]) -> list[int]:
    """Return the sentences to try: all that have words, or a seeded draw of about `MOST_WORDS` words."""
    rows = [row for row, size in enumerate(sizes) if size]
    if sum(sizes) <= MOST_WORDS:
        return rows
    order = np.random.Generator(np.random.PCG64(0)).permutation(rows)
    ends = np.cumsum(np.asarray(sizes)[order])
    return sorted(order[: max(1, int(np.searchsorted(ends, MOST_WORDS)))].tolist())


def _single_words(sentences: Sequence[Sequence[str]]) -> list[tuple[int, list[str], str]]:
    words = islice(dict.fromkeys(chain.from_iterable(sentences)), SHORT)
    return [(1, [word], f"made up: the word {word} alone") for word in words]


def _full_windows(
    sentences: Sequence[Sequence[str]], table: PieceTable, limit: int
) -> list[tuple[int, list[str], str]]:
    """Join sentences, from the first on and from the last on backwards, until a window is full to the last piece."""
    room = limit - table.specials
    made = []
    for name, order in (("first", sentences), ("last", sentences[::-1])):
        words = _take(order, table, room)
        short = next((word for word in words if int(table.pieces([word])[1][0]) == 1), None)
        left = room - int(table.pieces(words)[1].sum())
        if short is not None:
            words += [short] * left
            made.append((2, words, f"made up: the {name} sentences of {SPLIT}, {limit} pieces"))
    return made


def _documents(
    sentences: Sequence[Sequence[str]], table: PieceTable, limit: int
) -> list[tuple[int, list[str], str]]:
    made = []
    for number, length in enumerate(LONG):
        start = number * len(sentences) // len(LONG)
        size = int(length * limit)
        words = _take([*sentences[start:], *sentences[:start]], table, size)
        made.append((3, words, f"made up: sentences of {SPLIT} from {start + 1} on, about {size} pieces"))
    return made


def _take(sentences: Sequence[Sequence[str]], table: PieceTable, size: int) -> list[str]:
    """Join sentences, again from the first where they do not suffice, up to a number of pieces."""
    words: list[str] = []
    counted = 0
    while counted < size:
        for sentence in sentences:
            ends = counted + np.cumsum(table.pieces(list(sentence))[1])
            fitting = int(np.searchsorted(ends, size, side="right"))
            words += sentence[:fitting]
            if fitting < len(sentence):
                return words or list(sentence[:1])
            counted = int(ends[-1])
    return words
