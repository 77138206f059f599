"""What is batched together: borders at fixed places of the input, and sooner where texts are long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tagwright.records import Sentence

__all__ = ["CHUNK_CHARACTERS", "CHUNK_TEXTS", "Border", "sentence_chunks"]

CHUNK_TEXTS = 1024
"""Texts that are batched together; a chunk's batches depend on nothing outside it."""

CHUNK_CHARACTERS = 1 << 20
"""A chunk ends early at so many characters, which bounds the memory that long texts take."""


class Border:
    """Tells where chunks end: at each multiple of their size in what is counted, and early where they grow long.

    A chunk that ends early moves no border but its own: what stands behind a multiple is cut in the same way
    whatever stands before it. So reading may begin at any multiple, or behind any chunk.

    >>> border = Border(4)
    >>> [number for number in (1, 2, 3, 6, 7, 8) if border.before(number) or border.behind(1)]
    [1, 6, 8]
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._length = 0
        self._source = ""
        self._number = 0

    def before(self, number: int, source: str = "") -> bool:
        """Go on to the next one, and tell whether a border lies between the last one and it.

        Args:
            number: which one of its file it is, from 1; some may be missing.
            source: its file; each file is cut by itself.
        """
        same = source == self._source and number > self._number
        lies = not same or (number - 1) // self._size != (self._number - 1) // self._size
        self._source, self._number = source, number
        if lies:
            self._length = 0
        return lies

    def behind(self, length: int) -> bool:
        """Tell whether a border lies behind the one that `before` went to.

        Args:
            length: its characters or bytes.
        """
        self._length += length
        lies = self._number % self._size == 0 or self._length >= CHUNK_CHARACTERS
        if lies:
            self._length = 0
        return lies


def sentence_chunks(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    """Cut a stream of sentences into chunks by their number and their length."""
    chunk: list[Sentence] = []
    border = Border(CHUNK_TEXTS)
    for number, sentence in enumerate(sentences, 1):
        border.before(number)  # none is missing, so that chunks end behind a sentence
        chunk.append(sentence)
        if border.behind(sum(map(len, sentence.tokens))):
            yield chunk
            chunk = []
    if chunk:
        yield chunk
