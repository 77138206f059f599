"""Tag files or a stream: chunks of lines in, whole lines out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, Protocol

from tagwright.errors import InputError, RunError
from tagwright.predict.chunks import Border
from tagwright.predict.inputs import Inputs, Place
from tagwright.predict.lines import Line
from tagwright.predict.signals import undisturbed
from tagwright.predict.tagged import Tagged, tagged_chunks
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import Format, bad_line

__all__ = ["After", "Summary", "Writable", "predict_lines"]


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
        answers: answers written, errors in a line's place included.
    """

    lines: int = 0
    words: int = 0
    entities: int = 0
    lost_words: int = 0
    dropped_entities: int = 0
    bad: int = 0
    first_bad: str | None = None
    answers: int = 0


After = Callable[[Summary, Place, int], None]
"""Told after each chunk: what was done so far, where the next chunk begins, and the budget of batches there."""


def predict_lines(
    tagger: Tagger,
    lines: Iterable[Line],
    out: Writable,
    *,
    form: Format,
    chunk: int = 1024,
    rejects: Writable | None = None,
    several: bool = False,
    summary: Summary | None = None,
    after: After | None = None,
    overlap: bool = False,
) -> Summary:
    """Tag lines and write the answers, in order, a chunk at a time.

    The lines of a chunk are batched together, and its batches depend on nothing outside it. Chunks are written
    whole: Ctrl-C waits for the end of a write.

    Args:
        tagger: the tagger.
        lines: what to tag; see `tagwright.predict.readers.read_lines`.
        out: where the answers go.
        form: how they are written. Where it takes errors and there is no `rejects`, a bad line is answered with
            `{"line": n, "error": "..."}` in its place.
        chunk: lines in a chunk (sentences, of CoNLL): it ends at each multiple of that many as counted from the
            beginning of its file, with its file, and early at 1 MiB of input.
        rejects: where bad lines go, as JSON lines with their number, the reason and the line itself.
        several: there are several files: `file` is added to what is said of bad lines.
        summary: what an earlier run did, to go on from.
        after: called when a chunk is written. The place is that of `lines` where they are `Inputs`.
        overlap: run the model in a thread of its own, beside reading and writing; the bytes are the same.

    Raises:
        OSError: the output cannot be written to.
        RunError: the input breaks off; the lines before are tagged and written.
        KeyboardInterrupt: Ctrl-C; it says how many lines were done.
    """
    if summary is None:
        summary = Summary()
        _write(out, [form.begin])
    errors_to_out = form.takes_errors and rejects is None
    try:
        with closing(tagged_chunks(tagger, _chunks(lines, chunk), overlap=overlap)) as chunks:
            for tagged in chunks:
                done = _rendered(tagged, form, errors_to_out, rejects is not None, several)
                with undisturbed():
                    _write(out, _joined(done.answers, form.between, summary.answers))
                    if rejects is not None:
                        _write(rejects, done.refused)
                    _add(summary, done.counts)
                    if after is not None:
                        after(summary, tagged.beside, tagged.batch_pieces)
                del tagged, done  # before the next chunk is read
        _write(out, [form.end])
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped after {summary.lines:,} lines") from None
    return summary


def _chunks(lines: Iterable[Line], size: int) -> Iterator[tuple[list[Line], Place]]:
    group: list[Line] = []
    broken = None
    place = Place()
    border = Border(size)
    try:
        for line in lines:
            if border.before(line.count, line.source) and group:
                yield group, place
                group = []
            group.append(line)
            if isinstance(lines, Inputs):
                place = lines.place
            if border.behind(len(line.raw)):
                yield group, place
                group = []
    except RunError as error:  # a packed file that ends early: what came before is tagged
        broken = error
    if group:
        yield group, place
    if broken is not None:
        raise broken


@dataclass(slots=True)
class _Rendered:
    """What a chunk has become: what goes to the output, what to the rejects, and its counts."""

    answers: list[str]
    refused: list[str]
    counts: Summary


def _rendered(
    tagged: Tagged[Place],
    form: Format,
    errors_to_out: bool,
    errors_to_rejects: bool,
    several: bool,
) -> _Rendered:
    done = _Rendered([], [], Summary(lines=len(tagged.lines)))
    counts = done.counts
    for line, text, answer in tagged.predictions():
        try:
            if isinstance(answer, str):
                raise InputError(answer)
            done.answers.append(form.render(line, text, answer))
        except InputError as error:
            counts.bad += 1
            counts.first_bad = counts.first_bad or f"{line.source}:{line.number}: {error.what}"
            if errors_to_rejects:
                done.refused.append(bad_line(line, error.what, several=several, whole=True))
            elif errors_to_out:
                done.answers.append(bad_line(line, error.what, several=several))
        else:
            counts.words += len(answer.words)
            counts.entities += len(answer.entities)
            counts.lost_words += answer.lost_words
    counts.answers = len(done.answers)
    counts.dropped_entities = tagged.dropped_entities
    return done


def _add(summary: Summary, counts: Summary) -> None:
    summary.first_bad = summary.first_bad or counts.first_bad
    for field in fields(Summary):
        if field.name != "first_bad":
            setattr(summary, field.name, getattr(summary, field.name) + getattr(counts, field.name))


def _joined(answers: list[str], between: str, before: int) -> list[str]:
    """Put what stands between two answers before each but the first of all."""
    if not between:
        return answers
    return [between + answer if before + number else answer for number, answer in enumerate(answers)]


def _write(out: Writable, texts: list[str]) -> None:
    if texts:
        # Half a surrogate pair, from a JSON escape, has no bytes; JSON lines keep it as an escape.
        out.write("".join(texts).encode("utf-8", "replace"))
        out.flush()
