"""What `tagwright predict` says at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tagwright.errors import InputError

if TYPE_CHECKING:
    from tagwright.predict.files import Summary
    from tagwright.predict.tagger import Tagger

__all__ = ["conclude"]


def conclude(
    summary: Summary, tagger: Tagger, paths: list[Path], rejects: Path | None, seconds: float
) -> None:
    """Say on stderr what was done and what was not."""
    if paths != [Path("-")]:
        if not summary.lines:
            raise InputError("there is no line in it", where=", ".join(map(str, paths)))
        entities = _count(summary.entities, "entity", "entities")
        _say(
            f"{_count(summary.lines, 'line')}, {_count(summary.words, 'word')}, {entities} "
            f"in {seconds:.1f} s ({summary.words / max(seconds, 1e-9):,.0f} words/s; "
            f"{tagger.runtime.name}, {tagger.runtime.precision})"
        )
    if summary.dropped_entities:
        entities = _count(summary.dropped_entities, "entity", "entities")
        _say(f"{entities} under the threshold dropped")
    if summary.lost_words:
        _say(
            f"{_count(summary.lost_words, 'word')} beyond the window tagged O unseen "
            "(the bundle says on_overflow = truncate)"
        )
    if summary.bad == summary.lines > 0:
        raise InputError(
            f"no line could be tagged, {summary.bad:,} of {summary.lines:,}; the first: {summary.first_bad}"
        )
    if summary.bad:
        kept = f", see {rejects}" if rejects else ""
        _say(
            f"{summary.bad:,} of {summary.lines:,} lines could not be tagged{kept}; the first: {summary.first_bad}"
        )


def _say(line: str) -> None:
    typer.echo(" ".join(line.split("\n")), err=True)  # a file's name may have a line break


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
