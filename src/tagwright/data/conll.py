"""CoNLL files: one word a line with its tag, a blank line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagwright.data.files import read_blocks, read_text
from tagwright.data.rows import Rows
from tagwright.errors import InputError

__all__ = [
    "ConllFile",
    "is_comment",
    "parse_conll",
    "read_conll",
    "stream_conll",
]

_BLANK = " \t"  # the only separators: a non-breaking space belongs to its word
_NOTE = re.compile(r"#[ \t]+(?P<key>[^\s=]+)[ \t]*=[ \t]*(?P<value>.*)", re.DOTALL)
_NEWDOC = re.compile(r"#[ \t]+newdoc\b(?:[ \t]+id)?(?:[ \t]*=[ \t]*(?P<value>.*))?", re.DOTALL)
DOCSTART = "-DOCSTART-"


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
    parser = _Parser(source, word_column, tag_column)
    rows = parser.parse(text)
    rows.notices += parser.close()
    return rows


def stream_conll(
    path: str | Path,
    *,
    word_column: int = 0,
    tag_column: int = -1,
    need_words: bool = True,
    block_bytes: int = 1 << 20,
) -> Iterator[ConllFile]:
    """Read a CoNLL file in blocks of whole sentences, so that memory does not grow with the file.

    Args:
        path: the file.
        word_column: as for `read_conll`.
        tag_column: as for `read_conll`.
        need_words: whether a line must hold a word; if not, a line of one column is a tag, and its word is empty.
        block_bytes: about how much of the file a block holds.

    Yields:
        The sentences of each block; lines are those of the file. Notices come with the last block.

    Raises:
        InputError: as for `read_conll`.
    """
    parser = _Parser(str(path), word_column, tag_column, need_words=need_words)
    last: ConllFile | None = None
    for text in read_blocks(path, block_bytes):
        rows = parser.parse(text)
        if last is not None and not len(rows):
            continue
        if last is not None:
            yield last
        last = rows
    notices = parser.close()
    if last is not None:
        last.notices += notices
        yield last


class _Parser:
    """Parses a CoNLL file text by text; a text ends where a sentence does."""

    def __init__(self, source: str, word_column: int, tag_column: int, *, need_words: bool = True) -> None:
        if word_column == tag_column:
            raise InputError(
                f"word and tag are both taken from column {word_column}",
                mend="give --word-column and --tag-column different columns",
            )
        self.source = source
        self.word_column, self.tag_column, self.need_words = word_column, tag_column, need_words
        self._before = 0  # lines in earlier texts
        self._separator: str | None = None
        self._first = ""  # the first line that is not blank
        self._columns: int | None = None
        self._width = 0
        self._identifier: str | None = None
        self._document: str | None = None
        self._documents = self._comments = 0
        self._has_words = False

    def parse(self, text: str) -> ConllFile:
        """Parse whole sentences."""
        lines = self._cut(text)
        rows = ConllFile(self.source, word_lines=True)
        words, tags = rows.words, rows.tags
        word_column, tag_column = self.word_column, self.tag_column
        same = word_column - tag_column  # a line of so many columns has word and tag in one
        begin, width = 0, self._width
        for number, line in enumerate(lines, self._before + 1):
            line = line.rstrip(_BLANK)
            if not line:
                if len(words) > begin:
                    rows.lengths.append(len(words) - begin)
                    begin = len(words)
                continue
            fields = line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]
            if line[0] in "#-" and len(words) == begin and self._take_note(line, fields):
                continue
            try:
                word, tag = fields[word_column].strip(_BLANK), fields[tag_column].strip(_BLANK)
            except IndexError:
                word = tag = ""
            if not word or not tag or len(fields) == same or len(fields) == -same:
                if self.need_words or len(fields) > 1:
                    raise self._misshapen(number, fields, lines)
                word, tag = "", fields[0].strip(_BLANK)
            if len(words) == begin:
                rows.lines.append(number)
                rows.ids.append(self._identifier)
                rows.documents.append(self._document)
                self._identifier = None
            if len(fields) != width:
                if width and not rows.ragged:
                    rows.ragged = number
                width = len(fields)
            words.append(word)
            tags.append(tag)
        if len(words) > begin:
            rows.lengths.append(len(words) - begin)
        self._width = width
        self._has_words |= bool(words)
        self._before += len(lines) - (not lines[-1])
        return rows

    def close(self) -> list[str]:
        """End the file; return what is to be noticed, in words.

        Raises:
            InputError: there was no sentence.
        """
        if not self._has_words:
            raise InputError("the file holds no sentence", where=self.source)
        if not self._comments:
            return []
        return [f"{self.source}: {self._comments:,} comment line{'s' * (self._comments != 1)} skipped"]

    def _cut(self, text: str) -> list[str]:
        """Cut a text into lines; a file without any line feed ends its lines with carriage returns."""
        if self._separator is None:
            self._separator = "\n" if "\n" in text else "\r"
        lines = text.replace("\r\n", "\n").split(self._separator)
        if not self._first:
            self._first = next((line for line in (line.strip(_BLANK) for line in lines) if line), "")
        if self._columns is None:
            self._columns = _count_columns(lines)
        return lines

    def _take_note(self, line: str, fields: list[str]) -> bool:
        """Tell whether a line before a sentence is no word of it; keep what it says."""
        if fields[0] == DOCSTART:
            self._documents += 1
            self._document = str(self._documents)
            return True
        if not is_comment(line, fields, self._columns or 0):
            return False
        if found := _NEWDOC.match(line):
            self._documents += 1
            self._document = (found["value"] or "").strip() or str(self._documents)
        elif (found := _NOTE.match(line)) and found["key"] in ("id", "sent_id"):
            self._identifier = found["value"].strip() or None
        else:
            self._comments += 1
        return True

    def _misshapen(self, number: int, fields: list[str], lines: list[str]) -> InputError:
        """Say what is wrong with a line that yields no word and tag."""
        where = f"{self.source}:{number}"
        if len(fields) == 1 and re.search(r"[,;]", fields[0]) and re.search(r"[,;]", self._first):
            return InputError(
                "the columns are not separated by tabs or blanks",
                where=where,
                mend="write CoNLL with tabs instead of commas",
            )
        filled = (line.strip(_BLANK) for line in lines)
        if (
            len(fields) == 1
            and not self._has_words
            and not any("\t" in line or " " in line for line in filled if not line.startswith("# "))
        ):
            return InputError(
                "the file holds words only, no tags", where=where, mend="each line needs a word and a tag"
            )
        if not fields[0]:
            return InputError("the word is empty", where=where, mend="each line needs a word and a tag")
        held = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
        return InputError(
            f"too few columns: {held} ({' '.join(fields)[:40]!r}), with the word in column {self.word_column}"
            f" and the tag in column {self.tag_column}",
            where=where,
            mend="mend the line, or name the columns, counted from 0, with --word-column and --tag-column",
        )


def _count_columns(lines: list[str]) -> int | None:
    """Return how many blank-separated columns the first word line has, 0 where columns are cut at tabs."""
    for line in lines:
        line = line.strip(_BLANK)
        if line and line[0] != "#":
            return 0 if "\t" in line else len([cell for cell in line.split(" ") if cell])
    return None


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
