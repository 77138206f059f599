"""Sentences that are batched together, cut from a stream of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tagwright.records import Sentence

__all__ = ["CHUNK_CHARACTERS", "CHUNK_TEXTS", "sentence_chunks"]

CHUNK_TEXTS = 1024
"""Texts that are batched together; a chunk's batches depend on nothing outside it."""

CHUNK_CHARACTERS = 1 << 20
"""A chunk ends early at so many characters, which bounds the memory that long texts take."""


def sentence_chunks(sentences: Iterable[Sentence]) -> Iterator[list[Sentence]]:
    """Cut a stream of sentences into chunks by their number and their length."""
    chunk: list[Sentence] = []
    characters = 0
    for sentence in sentences:
        chunk.append(sentence)
        characters += sum(map(len, sentence.tokens))
        if len(chunk) == CHUNK_TEXTS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
