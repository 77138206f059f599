"""One fragment: read, tagged and written, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import BinaryIO

from tagwright.predict.lines import Line
from tagwright.predict.pipeline import overlap_pays
from tagwright.predict.tagged import Tagged, tagged_chunks
from tagwright.predict.tagger import Tagger
from tagwright.predict.writers import bad_line
from tagwright.scale.fragment import Counts, Fragment, Job
from tagwright.scale.places import Place
from tagwright.scale.reading import Rows, read_chunks, select
from tagwright.scale.writing import Sink, open_sink

__all__ = ["tag_fragment"]


def tag_fragment(
    tagger: Tagger,
    fragment: Fragment,
    job: Job,
    source: Place,
    out: BinaryIO,
    rejects: BinaryIO,
    *,
    alive: Callable[[], None] = lambda: None,
) -> Counts:
    """Tag the rows of a fragment and write them with their entities.

    The same rows give the same bytes, and the same entities as `tagwright predict` finds in the whole file: the
    fragment is cut into the same chunks. A few chunks are held, whatever the size of the fragment.

    Args:
        tagger: the tagger.
        fragment: what to tag.
        job: how.
        source: the input that the fragment is part of.
        out: where Parquet or JSON lines go.
        rejects: where rows go that cannot be tagged or written: JSON lines with the file, the number of the line
            or row, the error, and the row.
        alive: called after each chunk; what it raises ends the work.

    Returns:
        What was done; `rows` is the sum of `written`, `rejected` and `left_out`.

    Raises:
        InputError: the file is not what it was when the run was planned.
        RunError: the file is damaged, or the model fails.
        OSError: `out` or `rejects` cannot be written.
    """
    counts = Counts()
    budget = tagger.batch_pieces
    try:
        with (
            open_sink(job, out, truncates=tagger.meta.on_overflow == "truncate") as sink,
            closing(read_chunks(fragment, job, source)) as chunks,
            closing(select(chunks, fragment, job, counts)) as selected,
            closing(
                tagged_chunks(tagger, _with_lines(selected), overlap=overlap_pays(tagger.runtime))
            ) as tagged,
        ):
            for chunk in tagged:
                _write(chunk, sink, rejects, counts)
                del chunk
                alive()
    finally:
        tagger.batch_pieces = budget  # what memory allowed here is no reason for other bytes elsewhere
    return counts


def _with_lines(chunks: Iterator[Rows]) -> Iterator[tuple[list[Line], Rows]]:
    for rows in chunks:
        yield rows.lines, rows


def _write(chunk: Tagged[Rows], sink: Sink, rejects: BinaryIO, counts: Counts) -> None:
    answers = [answer if isinstance(answer, str) else (text, answer) for _, text, answer in chunk.found()]
    errors = sink.write(chunk.beside, answers)
    bad: list[str] = []
    for line, answer, error in zip(chunk.lines, answers, errors, strict=True):
        if error is not None:
            bad.append(bad_line(line, error, several=True, whole=True))
            counts.first_reject = counts.first_reject or f"{line.source}:{line.number}: {error}"
        elif not isinstance(answer, str):
            counts.words += answer[1].words
            counts.entities += len(answer[1].entities)
            counts.lost_words += answer[1].lost_words
    if bad:
        rejects.write("".join(bad).encode("utf-8", "replace"))
    counts.rejected += len(bad)
    counts.written += len(answers) - len(bad)
    counts.dropped_entities += chunk.dropped_entities
