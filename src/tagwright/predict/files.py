"""Tag files or a stream: chunks of lines in, whole lines out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from tagwright.errors import InputError, RunError
from tagwright.predict.readers import Line
from tagwright.predict.tagger import CHUNK_CHARACTERS, Tagger
from tagwright.predict.writers import bad_line, conll, jsonl, marked
from tagwright.records import Prediction, Sentence

__all__ = ["Render", "Summary", "Writable", "predict_lines", "renderer"]

Render = Callable[[Line, str, Prediction], str]
"""Writes an answer as text that ends in a line break."""


class Writable(Protocol):
    """Where bytes go: a binary file or stream."""

    def write(self, data: bytes, /) -> Any:
        """Take bytes."""

    def flush(self) -> Any:
        """Pass on what was taken."""


@dataclass(slots=True)
class Summary:
    """What was done.

    Attributes:
        lines: lines read (sentences, of CoNLL), bad ones included.
        words: words tagged.
        entities: entities found.
        lost_words: words cut by `on_overflow = "truncate"`, which got O unseen.
        dropped_entities: entities under the threshold of their type, whose words got O.
        bad: lines that could not be tagged.
        first_bad: where the first of them stands and what is wrong with it.
    """

    lines: int = 0
    words: int = 0
    entities: int = 0
    lost_words: int = 0
    dropped_entities: int = 0
    bad: int = 0
    first_bad: str | None = None


def renderer(target: str, *, several: bool = False) -> Render:
    """Return the writer of a format: `jsonl`, `conll` or `text`.

    Args:
        target: the format.
        several: there are several files, so that a line's number alone does not place it.
    """
    if target == "jsonl":
        return partial(jsonl, several=several)
    return {"conll": conll, "text": marked}[target]


def predict_lines(
    tagger: Tagger,
    lines: Iterable[Line],
    out: Writable,
    *,
    render: Render,
    chunk: int = 1024,
    rejects: Writable | None = None,
    errors_to_out: bool = True,
    several: bool = False,
) -> Summary:
    """Tag lines and write the answers, in order, a chunk at a time.

    The lines of a chunk are batched together, and its batches depend on nothing outside it. Chunks are written
    whole: Ctrl-C waits for the end of a write.

    Args:
        tagger: the tagger.
        lines: what to tag; see `tagwright.predict.readers.read_lines`.
        out: where the answers go.
        render: writes an answer.
        chunk: lines in a chunk; it ends early at 1 MiB of input.
        rejects: where bad lines go, as JSON lines with their number, the reason and the line itself.
        errors_to_out: without `rejects`, write `{"line": n, "error": "..."}` in a bad line's place.
        several: there are several files: `file` is added to what is said of bad lines.

    Raises:
        OSError: the output cannot be written to.
        RunError: the input breaks off; the lines before are tagged and written.
        KeyboardInterrupt: Ctrl-C; it says how many lines were done.
    """
    summary = Summary()
    dropped_before = tagger.dropped_entities
    try:
        for group in _chunks(lines, chunk):
            answers, refused = [], []
            for line, text, answer in _answer(tagger, group):
                try:
                    if isinstance(answer, str):
                        raise InputError(answer)
                    answers.append(render(line, text, answer))
                except InputError as error:
                    summary.bad += 1
                    summary.first_bad = summary.first_bad or f"{line.source}:{line.number}: {error.what}"
                    if rejects is not None:
                        refused.append(bad_line(line, error.what, several=several, whole=True))
                    elif errors_to_out:
                        answers.append(bad_line(line, error.what, several=several))
                else:
                    summary.words += len(answer.words)
                    summary.entities += len(answer.entities)
                    summary.lost_words += answer.lost_words
            with _undisturbed():
                _write(out, answers)
                if rejects is not None:
                    _write(rejects, refused)
                summary.lines += len(group)
                summary.dropped_entities = tagger.dropped_entities - dropped_before
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped after {summary.lines:,} lines") from None
    return summary


def _chunks(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    group: list[Line] = []
    length = 0
    broken = None
    try:
        for line in lines:
            group.append(line)
            length += len(line.raw)
            if len(group) >= size or length >= CHUNK_CHARACTERS:
                yield group
                group, length = [], 0
    except RunError as error:  # a packed file that ends early: what came before is tagged
        broken = error
    if group:
        yield group
    if broken is not None:
        raise broken


def _answer(tagger: Tagger, group: list[Line]) -> Iterator[tuple[Line, str, Prediction | str]]:
    """Yield each line with its text and its prediction, or with what is wrong with it."""
    sentences = [_sentence(tagger, line) for line in group]
    answers = iter(_predict(tagger, [item for item in sentences if isinstance(item, Sentence)]))
    for line, sentence in zip(group, sentences, strict=True):
        if isinstance(sentence, str):
            yield line, "", sentence
        else:
            text = " ".join(sentence.tokens) if sentence.text is None else sentence.text
            yield line, text, next(answers)


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


def _predict(tagger: Tagger, sentences: list[Sentence]) -> Sequence[Prediction | str]:
    dropped = tagger.dropped_entities
    try:
        return tagger.predict_sentences(sentences)
    except InputError as error:  # too long, where that is an error
        tagger.dropped_entities = dropped  # those before it are tagged again
        if len(sentences) == 1:
            return [error.what]
        return [answer for sentence in sentences for answer in _predict(tagger, [sentence])]


def _write(out: Writable, texts: list[str]) -> None:
    if texts:
        # Half a surrogate pair, from a JSON escape, has no bytes; JSON lines keep it as an escape.
        out.write("".join(texts).encode("utf-8", "replace"))
        out.flush()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block; a second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[bool] = []

    def remember(*_: object) -> None:
        if waiting:
            raise KeyboardInterrupt
        waiting.append(True)

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if waiting:
        raise KeyboardInterrupt
