"""CoNLL files: one word a line with its tag, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagwright.data.files import read_text
from tagwright.data.rows import Rows
from tagwright.errors import InputError

__all__ = ["ConllFile", "format_conll", "is_comment", "parse_conll", "read_conll", "write_conll"]

_BLANK = " \t"  # the only separators: a non-breaking space belongs to its word
_NOTE = re.compile(r"#[ \t]+(?P<key>[^\s=]+)[ \t]*=[ \t]*(?P<value>.*)", re.DOTALL)
_NEWDOC = re.compile(r"#[ \t]+newdoc\b(?:[ \t]+id)?(?:[ \t]*=[ \t]*(?P<value>.*))?", re.DOTALL)
_DOCSTART = "-DOCSTART-"


@dataclass(slots=True)
class ConllFile(Rows):
    """The sentences of a CoNLL file, in flat lists; see `Rows` for the fields.

    The words of a sentence stand on successive lines: the line of word `k` of sentence `i` is `lines[i] + k`.
    """

    @property
    def line_numbers(self) -> NDArray[np.int64]:
        """The line of each word, counted from 1: int64, shape (words,)."""
        lengths = np.asarray(self.lengths, dtype=np.int64)
        firsts = np.asarray(self.lines, dtype=np.int64) - (np.cumsum(lengths) - lengths)
        return np.repeat(firsts, lengths) + np.arange(len(self.words))


def read_conll(path: str | Path, *, word_column: int = 0, tag_column: int = -1) -> ConllFile:
    r"""Read a CoNLL file.

    A line that holds a tab is cut at tabs, any other at blanks; nothing else separates columns. Lines of
    blanks and tabs end a sentence. `-DOCSTART-` lines and `# newdoc` begin a document. `# id = ...` (or
    `sent_id`) names the sentence that follows; other comment lines (`# ` before a sentence's first word) are
    skipped and counted. A word may itself be or begin with `#`: `#\tO` and `#tag O` are words.

    Args:
        path: the file; UTF-8, with or without a byte order mark, lines ending in LF or CRLF.
        word_column: the column of the word; negative counts from the end.
        tag_column: the column of the tag; negative counts from the end.

    Raises:
        InputError: no such file, empty, binary, not UTF-8, a line with too few columns, or no tags at all;
            `file:line` is named.
    """
    return parse_conll(read_text(path), str(path), word_column=word_column, tag_column=tag_column)


def parse_conll(text: str, source: str, *, word_column: int = 0, tag_column: int = -1) -> ConllFile:
    """Parse the text of a CoNLL file; see `read_conll`."""
    if word_column == tag_column:
        raise InputError(
            f"word and tag are both taken from column {word_column}",
            mend="give --word-column and --tag-column different columns",
        )
    text = text.replace("\r\n", "\n")
    lines = text.split("\n") if "\n" in text else text.split("\r")
    rows = ConllFile(source, word_lines=True)
    words, tags = rows.words, rows.tags
    columns = _count_columns(lines)
    identifier: str | None = None
    document: str | None = None
    documents = comments = begin = width = 0
    same = word_column - tag_column  # a line of so many columns has word and tag in one
    for number, line in enumerate(lines, 1):
        line = line.rstrip(_BLANK)
        if not line:
            if len(words) > begin:
                rows.lengths.append(len(words) - begin)
                begin = len(words)
            continue
        fields = line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]
        if line[0] in "#-" and len(words) == begin:
            if fields[0] == _DOCSTART:
                documents += 1
                document = str(documents)
                continue
            if is_comment(line, fields, columns):
                comments += 1
                if found := _NEWDOC.match(line):
                    documents += 1
                    document = (found["value"] or "").strip() or str(documents)
                elif (found := _NOTE.match(line)) and found["key"] in ("id", "sent_id"):
                    identifier = found["value"].strip() or None
                else:
                    continue
                comments -= 1
                continue
        try:
            word, tag = fields[word_column].strip(_BLANK), fields[tag_column].strip(_BLANK)
        except IndexError:
            word = tag = ""
        if not word or not tag or len(fields) == same or len(fields) == -same:
            raise _misshapen(source, number, fields, lines, word_column, tag_column)
        if len(words) == begin:
            rows.lines.append(number)
            rows.ids.append(identifier)
            rows.documents.append(document)
            identifier = None
        if len(fields) != width:
            if width and not rows.ragged:
                rows.ragged = number
            width = len(fields)
        words.append(word)
        tags.append(tag)
    if len(words) > begin:
        rows.lengths.append(len(words) - begin)
    if not words:
        raise InputError("the file holds no sentence", where=source)
    if comments:
        rows.notices.append(f"{source}: {comments:,} comment line{'s' * (comments != 1)} skipped")
    return rows


def _count_columns(lines: list[str]) -> int:
    """Return how many blank-separated columns the first word line has, or 0 where columns are cut at tabs."""
    for line in lines:
        line = line.strip(_BLANK)
        if line and line[0] != "#":
            return 0 if "\t" in line else len([cell for cell in line.split(" ") if cell])
    return 0


def is_comment(line: str, fields: list[str], columns: int) -> bool:
    """Tell a comment from a word that begins with `#`; only to be asked before a sentence's first word.

    Args:
        line: the line, without blanks at its end.
        fields: its columns.
        columns: how many columns the file's word lines have where blanks separate them; 0 where tabs do.
    """
    if line == "#":
        return True
    if not line.startswith("# "):
        return False
    if _NEWDOC.match(line) or ((note := _NOTE.match(line)) and note["key"].strip("=")):
        return True
    if "\t" in line:
        return False
    return len(fields) != columns


def _misshapen(
    source: str, number: int, fields: list[str], lines: list[str], word_column: int, tag_column: int
) -> InputError:
    """Say what is wrong with a line that yields no word and tag."""
    where = f"{source}:{number}"
    filled = [line.strip(_BLANK) for line in lines if line.strip(_BLANK)]
    if len(fields) == 1 and re.search(r"[,;]", fields[0]) and re.search(r"[,;]", filled[0]):
        return InputError(
            "the columns are not separated by tabs or blanks",
            where=where,
            mend="write CoNLL with tabs instead of commas",
        )
    if len(fields) == 1 and not any(
        "\t" in line or " " in line for line in filled if not line.startswith("# ")
    ):
        return InputError(
            "the file holds words only, no tags", where=where, mend="each line needs a word and a tag"
        )
    if not fields[0]:
        return InputError("the word is empty", where=where, mend="each line needs a word and a tag")
    held = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
    return InputError(
        f"too few columns: {held} ({' '.join(fields)[:40]!r}), with the word in column {word_column}"
        f" and the tag in column {tag_column}",
        where=where,
        mend="mend the line, or name the columns, counted from 0, with --word-column and --tag-column",
    )


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
        if words[0] == _DOCSTART:
            raise InputError(f"sentence {position} begins with {_DOCSTART}, which marks a document")
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
