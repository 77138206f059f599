"""Labelled sentences as they come out of one file, in flat lists, with the place of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from tagwright.data.annotations.spans import Misfit

__all__ = ["Rows"]


@dataclass(slots=True)
class Rows:
    """Sentences of one file or table.

    Attributes:
        source: the file or table, for messages.
        words: every word, one sentence after another.
        tags: the tag of each word.
        lengths: words in each sentence.
        lines: the line (or row) on which each sentence begins, counted from 1.
        ids: the sentence's own id, where it has one.
        documents: the document each sentence belongs to, where the source says so.
        texts: the running text of each sentence, or None for the whole file.
        starts: where each word begins in its text, in code points; empty without texts.
        ends: one past where each word ends in its text; empty without texts.
        misfits: character spans off word borders.
        declared: tags that the source declares (a feature's label list), whether they occur or not.
        notices: counted losses and facts, in words.
        ragged: the first line with another number of columns than the first one; 0 if there is none.
        word_lines: whether each word stands on a line of its own.
    """

    source: str
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    documents: list[str | None] = field(default_factory=list)
    texts: list[str] | None = None
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    ragged: int = 0
    word_lines: bool = False

    def __len__(self) -> int:
        return len(self.lengths)

    def offsets(self) -> list[int]:
        """Return where each sentence begins in the flat lists, and, last, their length."""
        return list(accumulate(self.lengths, initial=0))

    def sequences(self, values: list[str]) -> Iterator[list[str]]:
        """Cut a flat list (`words` or `tags`) into sentences."""
        offsets = self.offsets()
        return (values[start:end] for start, end in pairwise(offsets))

    def place(self, sentence: int, word: int = 0) -> str:
        """Return `file:line` of a word of a sentence, both counted from 0."""
        return f"{self.source}:{self.lines[sentence] + word * self.word_lines}"
