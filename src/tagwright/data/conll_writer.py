"""Sentences to CoNLL text, which `tagwright.data.conll` reads back unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tagwright.data.conll import DOCSTART
from tagwright.errors import InputError

__all__ = ["format_conll", "write_conll"]


def format_conll(
    sentences: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    ids: Iterable[str | None] | None = None,
    documents: Iterable[str | None] | None = None,
) -> Iterator[str]:
    """Write sentences as CoNLL text, one string a sentence, which `read_conll` reads back unchanged.

    Args:
        sentences: words and tags of each sentence.
        ids: an id for each sentence, written as a comment; None leaves one out.
        documents: a document for each sentence; a comment line marks where it changes.

    Raises:
        InputError: a word, tag or id that the format cannot hold: empty, or with a tab or a line break in it.
    """
    identifiers = iter(ids) if ids is not None else None
    groups = iter(documents) if documents is not None else None
    last: str | None = None
    for position, (words, tags) in enumerate(sentences):
        if len(words) != len(tags):
            raise InputError(f"sentence {position} has {len(words)} words and {len(tags)} tags")
        head = ""
        if groups is not None and (group := next(groups)) is not None and group != last:
            head, last = f"# newdoc id = {_safe(group, position)}\n", group
        if identifiers is not None and (identifier := next(identifiers)) is not None:
            head += f"# id = {_safe(identifier, position)}\n"
        if not words:
            continue
        if words[0] == DOCSTART:
            raise InputError(f"sentence {position} begins with {DOCSTART}, which marks a document")
        body = "\n".join(
            f"{_safe(word, position, last=False)}\t{_safe(tag, position)}"
            for word, tag in zip(words, tags, strict=True)
        )
        mark = "\ufeff" if not head and position == 0 and body.startswith("\ufeff") else ""
        yield f"{mark}{head}{body}\n\n"


def _safe(cell: str, sentence: int, *, last: bool = True) -> str:
    if not cell or "\t" in cell or "\n" in cell or " " in (cell[0], cell[-1]) or (last and "\r" in cell):
        raise InputError(f"CoNLL cannot hold {cell!r} (sentence {sentence})", mend="write JSONL instead")
    return cell


def write_conll(
    path: str | Path,
    sentences: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    ids: Iterable[str | None] | None = None,
    documents: Iterable[str | None] | None = None,
) -> None:
    """Write sentences to a CoNLL file; see `format_conll`."""
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(format_conll(sentences, ids=ids, documents=documents))
