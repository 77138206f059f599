"""Sentences of CoNLL files, one word a line, to what is to be tagged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from tagwright.data.conll import is_comment
from tagwright.predict.lines import Line, invalid_utf8, too_long
from tagwright.predict.rawlines import KEPT_BYTES, LONGEST, RawLine, raw_lines

__all__ = ["MOST_WORDS", "conll_columns", "read_sentences"]

BLANK = " \t"
HEAD_BYTES = 1 << 20
MOST_WORDS = 1_000_000
"""Words of the longest sentence that is read."""


def conll_columns(lines: Iterable[bytes]) -> int:
    """Return how many columns a file has where blanks separate them, 0 where tabs do; read from its beginning.

    What begins with `#` is a word or a comment depending on it, so that whoever reads on from the middle of a
    file needs it.
    """
    return _look_ahead(raw_lines(lines))[1]


def read_sentences(
    rows: Iterator[RawLine],
    source: str,
    *,
    columns: int | None = None,
    longest: int = LONGEST,
    most_words: int = MOST_WORDS,
) -> Iterator[Line]:
    """Read sentences: the words are the first column, a blank line ends a sentence.

    Args:
        rows: the lines.
        source: the file's name.
        columns: what `conll_columns` says of the file; None when `rows` begin where the file does.
        longest: bytes of the longest sentence; a longer one is bad, and only its beginning is kept.
        most_words: words of the longest sentence, likewise.

    Yields:
        Every sentence, good or bad, in order.
    """
    ahead: list[RawLine] = []
    if columns is None:
        ahead, columns = _look_ahead(rows)
    sentence = _Sentence(source, longest, most_words)
    for row in chain(ahead, rows):
        line = sentence.decode(row)
        if not line:
            if not row.too_long and not row.data.strip():
                if sentence.begin:
                    yield sentence.close()
                    sentence = _Sentence(source, longest, most_words)
            else:  # it is bad, and ends no sentence
                sentence.add(row, None)
            continue
        fields = line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]
        if not sentence.begin and _is_aside(line, fields, columns):
            continue
        sentence.add(row, fields[0].strip(BLANK))
        if "\r" in line:  # lines that end in CR alone would all be one, and its words lost
            sentence.blame(row, "a carriage return stands within the line; end lines with LF")
    if sentence.begin:
        yield sentence.close()


class _Sentence:
    """The lines of a sentence as they come; of one that is too long, the beginning."""

    def __init__(self, source: str, longest: int, most_words: int) -> None:
        self.source = source
        self.longest = longest
        self.most_words = most_words
        self.begin = self.last = self.end = self.size = 0
        self.error: str | None = None
        self.cut = False
        self.raws: list[bytes] = []
        self.words: list[str] = []

    def decode(self, row: RawLine) -> str:
        """Return the text of a line without blanks at its end; nothing when it is bad."""
        self.last, self.end = row.number, row.end
        if row.too_long:
            self.blame(row, too_long("line", self.longest))
            return ""
        try:
            return row.data.decode("utf-8").rstrip(BLANK)
        except UnicodeDecodeError as error:
            self.blame(row, invalid_utf8(error))
            return ""

    def blame(self, row: RawLine, what: str) -> None:
        """Say what is wrong with a line, unless an earlier one is bad."""
        self.error = self.error or f"line {row.number}: {what}"

    def add(self, row: RawLine, word: str | None) -> None:
        """Take a line with its word; None stands for a bad one."""
        self.begin = self.begin or row.number
        if self.cut:
            return
        self.raws.append(row.data)
        self.size += len(row.data) + 1
        self.cut = row.too_long
        if word is not None:
            self.words.append(word)
            if not word:
                self.blame(row, "the word is empty")
        if self.size - 1 > self.longest or len(self.words) > self.most_words:
            what = too_long("sentence", self.longest)
            if self.size - 1 <= self.longest:
                what = f"the sentence has more than {self.most_words:,} words"
            self.error = self.error or f"{what}; end sentences with a blank line"
            self.cut = True
        if self.cut:
            self.raws, self.words = [b"\n".join(self.raws)[:KEPT_BYTES]], []

    def close(self) -> Line:
        words = None if self.error else self.words
        return Line(
            self.source,
            self.begin,
            b"\n".join(self.raws),
            words=words,
            error=self.error,
            last=self.last,
            end=self.end,
            cut=self.cut,
        )


def _look_ahead(rows: Iterator[RawLine]) -> tuple[list[RawLine], int]:
    """Read up to the first line that is surely no comment; return what was read and how many columns it has.

    In a file that begins with more comments than are kept, what looks like a comment is one.
    """
    ahead: list[RawLine] = []
    size = 0
    for row in rows:
        ahead.append(row)
        size += len(row.data) + 1
        line = row.data.strip(b" \t")
        if line and not line.startswith(b"#"):
            return ahead, 0 if b"\t" in line else len(line.split())
        if size > HEAD_BYTES:
            break
    return ahead, 0


def _is_aside(line: str, fields: list[str], columns: int) -> bool:
    """Tell comments and document marks from words; only asked before a sentence's first word."""
    if line == "#" and columns == 1:
        return False
    return fields[0] == "-DOCSTART-" or is_comment(line, fields, columns)
