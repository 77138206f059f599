"""Chunks of lines to what the tagger says of each line: the one way that `predict` and `annotate` go."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from tagwright.errors import InputError
from tagwright.predict.chunks import sentence_chunks
from tagwright.predict.decoding import WordTags
from tagwright.predict.lines import Line
from tagwright.predict.pipeline import Stoppable, overlapped
from tagwright.predict.predictions import Found
from tagwright.predict.tagger import Prepared, Tagger
from tagwright.records import Prediction, Sentence

__all__ = ["Tagged", "tagged_chunks"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Chunk(Generic[T]):
    """Lines that are tagged together.

    Attributes:
        lines: the lines.
        beside: what the caller keeps beside them.
        sentences: the sentence of each line, or what is wrong with it.
        parts: the sentences of the good lines, in order, as they are batched together; or what is wrong with one.
    """

    lines: Sequence[Line]
    beside: T
    sentences: list[Sentence | str]
    parts: list[Prepared | str]


class Tagged(Generic[T]):
    """A chunk that was tagged.

    Attributes:
        lines: its lines.
        beside: what the caller keeps beside them.
        batch_pieces: the budget of batches at its end.
        dropped_entities: entities of its that lay under the threshold of their type.
    """

    def __init__(self, tagger: Tagger, chunk: _Chunk[T], tags: Sequence[WordTags]) -> None:
        self.lines = chunk.lines
        self.beside = chunk.beside
        self.batch_pieces = tags[-1].batch_pieces if tags else tagger.batch_pieces
        self.dropped_entities = sum(part.dropped_entities for part in tags)
        self._tagger = tagger
        self._chunk = chunk
        self._tags = tags

    def predictions(self) -> Iterator[tuple[Line, str, Prediction | str]]:
        """Yield each line with its text and its prediction, or with what is wrong with it."""
        found = iter(self._tags)
        answers = (
            answer
            for part in self._chunk.parts
            for answer in ([part] if isinstance(part, str) else self._tagger.finish(part, next(found)))
        )
        yield from self._beside_lines(answers)

    def found(self) -> Iterator[tuple[Line, str, Found | str]]:
        """Yield what `predictions` does, with the entities alone, which takes a part of the time."""
        found = iter(self._tags)
        answers = (
            answer
            for part in self._chunk.parts
            for answer in ([part] if isinstance(part, str) else self._tagger.find(part, next(found)))
        )
        yield from self._beside_lines(answers)

    def _beside_lines(self, answers: Iterator[R | str]) -> Iterator[tuple[Line, str, R | str]]:
        for line, sentence in zip(self.lines, self._chunk.sentences, strict=True):
            if isinstance(sentence, str):
                yield line, "", sentence
            else:
                text = " ".join(sentence.tokens) if sentence.text is None else sentence.text
                yield line, text, next(answers)


def tagged_chunks(
    tagger: Tagger, chunks: Iterable[tuple[Sequence[Line], T]], *, overlap: bool = False
) -> Generator[Tagged[T], None, None]:
    """Tag chunks of lines, in order; the batches of one depend on nothing outside it.

    Args:
        tagger: the tagger.
        chunks: the lines of each, and whatever is to be handed on with them.
        overlap: run the model in a thread of its own, beside the reading of the next chunks and the use of the
            last; see `tagwright.predict.pipeline.overlap_pays`.

    Raises:
        Exception: what reading raised, behind the chunks that were read before. No thread is left behind.
    """
    prepared = (_prepare(tagger, lines, beside) for lines, beside in chunks)
    if overlap:
        for chunk, tags in overlapped(prepared, partial(_compute, tagger)):
            yield Tagged(tagger, chunk, tags)
            del chunk, tags
    else:
        for chunk in prepared:
            yield Tagged(tagger, chunk, _compute(tagger, chunk))
            del chunk


def _prepare(tagger: Tagger, lines: Sequence[Line], beside: T) -> _Chunk[T]:
    sentences = [_sentence(tagger, line) for line in lines]
    good = [item for item in sentences if isinstance(item, Sentence)]
    return _Chunk(lines, beside, sentences, _parts(tagger, good))


def _sentence(tagger: Tagger, line: Line) -> Sentence | str:
    if line.error is not None:
        return line.error
    name = f"{line.source}:{line.number}"
    if line.words is not None:
        return Sentence(name, line.words)
    try:
        return tagger.split(line.text or "", name)
    except InputError as error:  # a splitter's pattern that takes too long on this text
        return error.what


def _parts(tagger: Tagger, sentences: list[Sentence]) -> list[Prepared | str]:
    try:
        return [tagger.prepare(part) for part in sentence_chunks(sentences)]
    except InputError as error:  # too long, where that is an error
        if len(sentences) == 1:
            return [error.what]
        return [part for sentence in sentences for part in _parts(tagger, [sentence])]


def _compute(tagger: Tagger, chunk: _Chunk[T], stop: threading.Event | None = None) -> list[WordTags]:
    runtime = tagger.runtime if stop is None else Stoppable(tagger.runtime, stop)
    return [tagger.compute(part, runtime=runtime) for part in chunk.parts if isinstance(part, Prepared)]
