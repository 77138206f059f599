"""Sentences of CoNLL files, one word a line, to what is to be tagged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from tagwright.data.conll import is_comment
from tagwright.predict.lines import Line, invalid_utf8, too_long
from tagwright.predict.rawlines import KEPT_BYTES, LONGEST, RawLine, raw_lines

__all__ = ["BLANK", "MOST_WORDS", "conll_columns", "is_aside", "read_sentences"]

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
    count: int = 0,
    columns: int | None = None,
    longest: int = LONGEST,
    most_words: int = MOST_WORDS,
) -> Iterator[Line]:
    """Read sentences: the words are the first column, a blank line ends a sentence.

    Args:
        rows: the lines.
        source: the file's name.
        count: how many sentences stand before them.
        columns: what `conll_columns` says of the file; None when `rows` begin where the file does.
        longest: bytes of the longest sentence; a longer one is bad, and only its beginning is kept.
        most_words: words of the longest sentence, likewise.

    Yields:
        Every sentence, good or bad, in order.
    """
    ahead: list[RawLine] = []
    if columns is None:
        ahead, columns = _look_ahead(rows)
    sentence = _Sentence(source, longest, most_words, count := count + 1)
    for number, raw, end, cut in chain(ahead, rows):
        line: str | None = None
        if cut:
            sentence.blame(number, too_long("line", longest))
        else:
            try:
                line = raw.decode("utf-8").rstrip(BLANK)
            except UnicodeDecodeError as error:
                sentence.blame(number, invalid_utf8(error))
        sentence.last, sentence.end = number, end
        if line is None:  # it is bad, and ends no sentence
            sentence.add(number, raw, None, cut=cut)
        elif not line:
            if sentence.begin:
                yield sentence.close()
                sentence = _Sentence(source, longest, most_words, count := count + 1)
        elif sentence.begin or not is_aside(line, columns):
            if "\r" in line:  # lines that end in CR alone would all be one, and its words lost
                sentence.blame(number, "a carriage return stands within the line; end lines with LF")
            sentence.add(number, raw, _first_column(line))
    if sentence.begin:
        yield sentence.close()


def _first_column(line: str) -> str:
    if "\t" in line:
        return line.partition("\t")[0].strip(BLANK)
    return line.lstrip(" ").partition(" ")[0]


class _Sentence:
    """The lines of a sentence as they come; of one that is too long, the beginning."""

    __slots__ = (
        "begin",
        "count",
        "cut",
        "end",
        "error",
        "last",
        "longest",
        "most_words",
        "raws",
        "size",
        "source",
        "words",
    )

    def __init__(self, source: str, longest: int, most_words: int, count: int) -> None:
        self.source = source
        self.count = count
        self.longest = longest
        self.most_words = most_words
        self.begin = self.last = self.end = 0
        self.size = -1  # bytes, with a line break between two lines
        self.error: str | None = None
        self.cut = False
        self.raws: list[bytes] = []
        self.words: list[str] = []

    def blame(self, number: int, what: str) -> None:
        """Say what is wrong with a line, unless an earlier one is bad."""
        self.error = self.error or f"line {number}: {what}"

    def add(self, number: int, raw: bytes, word: str | None, *, cut: bool = False) -> None:
        """Take a line with its word; None stands for a bad one."""
        self.begin = self.begin or number
        if self.cut:
            return
        self.raws.append(raw)
        self.size += len(raw) + 1
        if word:
            self.words.append(word)
        elif word is not None:
            self.blame(number, "the word is empty")
        if cut or self.size > self.longest or len(self.words) > self.most_words:
            self._cut()

    def _cut(self) -> None:
        what = too_long("sentence", self.longest)
        if self.size <= self.longest:
            what = f"the sentence has more than {self.most_words:,} words"
        self.error = self.error or f"{what}; end sentences with a blank line"
        self.cut = True
        self.raws, self.words = [b"\n".join(self.raws)[:KEPT_BYTES]], []

    def close(self) -> Line:
        """Return the sentence, good or bad."""
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
            count=self.count,
        )


def _look_ahead(rows: Iterator[RawLine]) -> tuple[list[RawLine], int]:
    """Read up to the first line that is surely no comment; return what was read and how many columns it has.

    In a file that begins with more comments than are kept, what looks like a comment is one.
    """
    ahead: list[RawLine] = []
    size = 0
    for row in rows:
        ahead.append(row)
        size += len(row[1]) + 1
        line = row[1].strip(b" \t")
        if line and not line.startswith(b"#"):
            return ahead, 0 if b"\t" in line else len(line.split())
        if size > HEAD_BYTES:
            break
    return ahead, 0


def is_aside(line: str, columns: int) -> bool:
    """Tell comments and document marks from words; only asked before a sentence's first word."""
    if line == "#" and columns == 1:
        return False
    fields = line.split("\t") if "\t" in line else [cell for cell in line.split(" ") if cell]
    return fields[0] == "-DOCSTART-" or is_comment(line, fields, columns)
