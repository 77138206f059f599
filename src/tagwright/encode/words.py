"""Running text to words with their places; every character that is not blank lies in exactly one word."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import regex  # type: ignore[import-untyped]  # it ships no types

from tagwright.encode.english import english_ends
from tagwright.errors import InputError, MissingExtraError, require

__all__ = ["SPLITTERS", "Words", "check_splitter", "split_words"]

SPLITTERS = ("whitespace", "english", "unicode", "regex:PATTERN")
_PATTERN = "regex:"

# The \S of `re` is the opposite of str.isspace for every code point; that of `regex` is not (U+001C-1F).
_CHUNK = re.compile(r"\S+")

_SLOWEST = 2.0
"""Seconds that a user's pattern may take on any text, and below, on each character more."""
_SLOWEST_CHARACTER = 1e-5


class Words(NamedTuple):
    """Words and where they lie: `text[starts[i]:ends[i]] == words[i]`, in order, never overlapping.

    Attributes:
        words: the words.
        starts: where each word begins, in code points.
        ends: one past where each word ends.
    """

    words: list[str]
    starts: list[int]
    ends: list[int]


def split_words(text: str, splitter: str = "english") -> Words:
    """Cut text into words.

    No word is empty, and every character that is not blank (`str.isspace`) lies in exactly one word. Splitters
    other than `regex:PATTERN` cut each stretch without blanks by itself: no word holds a blank, and what stands
    behind a blank changes nothing before it.

    Args:
        text: any text.
        splitter: `"whitespace"`; `"english"`; `"unicode"`, the word boundaries of UAX 29, with Thai, Lao, Khmer,
            Burmese, Chinese and Japanese cut by ICU's dictionaries; or `"regex:PATTERN"`, where each match is a
            word, without blanks around it, and so is each stretch without blanks between matches.

    Raises:
        InputError: no such splitter; or the pattern is wrong, matches the empty string or takes too long.
        MissingExtraError: the text needs ICU, and PyICU is not installed.

    >>> split_words("Don't go!")
    Words(words=['Do', "n't", 'go', '!'], starts=[0, 2, 6, 8], ends=[2, 5, 8, 9])
    """
    bounds = _bounds_of(splitter)(text)
    words, starts, ends = [], [], []
    for start, end in bounds:
        words.append(text[start:end])
        starts.append(start)
        ends.append(end)
    return Words(words, starts, ends)


def check_splitter(name: str) -> None:
    """Refuse a splitter that `split_words` does not know.

    Raises:
        InputError: no such splitter, or its pattern is wrong or matches the empty string.
    """
    _bounds_of(name)


_Bounds = Iterator[tuple[int, int]]


def _bounds_of(splitter: str) -> Callable[[str], _Bounds]:
    if splitter == "whitespace":
        return _whitespace
    if splitter == "english":
        return _english
    if splitter == "unicode":
        return _unicode
    if splitter.startswith(_PATTERN):
        pattern = _compiled(splitter.removeprefix(_PATTERN))
        return lambda text: _matches(text, pattern)
    raise InputError(f"there is no splitter {splitter!r}", mend=f"choose {', '.join(SPLITTERS)}")


def _whitespace(text: str) -> _Bounds:
    return (match.span() for match in _CHUNK.finditer(text))


def _english(text: str) -> _Bounds:
    for match in _CHUNK.finditer(text):
        base = start = match.start()
        for end in english_ends(match.group()):
            yield start, base + end
            start = base + end


# UAX 29, Unicode's default word boundaries. `_X` is what rule WB4 lets every character carry along.
_CARRIED = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}]"
_X = f"{_CARRIED}*+"
_HEBREW, _QUOTE, _QUOTES = r"\p{WB=Hebrew_Letter}", r"\p{WB=Single_Quote}", r"\p{WB=Double_Quote}"
_LETTER = rf"(?:\p{{WB=ALetter}}{_X}|{_HEBREW}{_X}(?:{_QUOTES}{_X}(?={_HEBREW}))?+)"
_DIGIT = rf"(?:\p{{WB=Numeric}}{_X})"
_MIDDLE = rf"\p{{WB=MidNumLet}}{_QUOTE}"
_PART = (
    # WB5-7, 7b, 7c: letters; WB8, 11, 12: digits; WB9, 10: both; WB13a, b: underscores; WB7a: a Hebrew geresh.
    rf"(?:{_LETTER}++(?:[\p{{WB=MidLetter}}{_MIDDLE}]{_X}{_LETTER}++)*+"
    rf"|{_DIGIT}++(?:[\p{{WB=MidNum}}{_MIDDLE}]{_X}{_DIGIT}++)*+"
    rf"|\p{{WB=ExtendNumLet}}{_X})++"
    rf"(?:(?={_QUOTE})(?<={_HEBREW}{_CARRIED}*){_QUOTE}{_X})?+"
    # WB15, 16: flags; WB999: anything else by itself.
    rf"|\p{{RI}}{_X}(?:\p{{RI}}{_X})?+|.{_X}"
)
# WB3c: a joiner and the emoji behind it stay together.
_UNICODE_WORD = regex.compile(rf"(?:{_PART})(?:(?<=\u200d)(?=\p{{ExtPict}})(?:{_PART}))*+")
# Writing without blanks, which needs a dictionary. WB=Katakana adds the marks that both kana share.
_DICTIONARY = (
    r"[[\p{LB=SA}\p{Han}\p{Hiragana}\p{Katakana}\p{WB=Katakana}]--[\p{WB=Extend}\p{WB=Format}\p{ExtPict}]]"
)
_DICTIONARY_RUN = regex.compile(rf"(?V1)(?:{_DICTIONARY}{_X})++")


def _unicode(text: str) -> _Bounds:
    cut: Callable[[str], list[int]] | None = None
    for match in _CHUNK.finditer(text):
        chunk, base = match.group(), match.start()
        done = 0
        for run in () if chunk.isascii() else _DICTIONARY_RUN.finditer(chunk):
            cut = cut or _icu_cutter(place=base + run.start())
            yield from _default_words(chunk, done, run.start(), base)
            start = base + run.start()
            for end in cut(run.group()):
                yield start, base + run.start() + end
                start = base + run.start() + end
            done = run.end()
        yield from _default_words(chunk, done, len(chunk), base)


def _default_words(chunk: str, start: int, end: int, base: int) -> _Bounds:
    return ((base + m.start(), base + m.end()) for m in _UNICODE_WORD.finditer(chunk, start, end))


def _icu_cutter(*, place: int) -> Callable[[str], list[int]]:
    try:
        icu = require("icu", "icu")
    except MissingExtraError as error:
        raise MissingExtraError(
            "the text holds Thai, Lao, Khmer, Burmese, Chinese or Japanese, which the splitter 'unicode' cuts"
            " through ICU, and PyICU is not installed",
            where=f"character {place + 1}",
            mend=error.mend,
        ) from error
    breaks = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())

    def cut(run: str) -> list[int]:
        breaks.setText(run)
        ends = list(breaks)
        if max(run) <= "\uffff":
            return ends
        # ICU counts UTF-16 units, two for a character beyond U+FFFF.
        places = {units: n for n, units in enumerate(accumulate(1 + (c > "\uffff") for c in run), start=1)}
        return [places[end] for end in ends]

    return cut


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        where = _PATTERN + pattern + (f", character {error.pos + 1}" if error.pos is not None else "")
        raise InputError(f"the splitter's pattern is wrong: {error.msg}", where=where) from None
    except (OverflowError, RecursionError, ValueError) as error:
        raise InputError(f"the splitter's pattern is wrong: {error}", where=_PATTERN + pattern) from None
    if compiled.match(""):
        raise _empty_match(pattern, 0)
    return compiled


def _empty_match(pattern: str, place: int) -> InputError:
    return InputError(
        "the splitter's pattern matches the empty string",
        where=f"{_PATTERN}{pattern}, character {place + 1} of the text",
        mend="let every match hold a character: + instead of *",
    )


def _matches(text: str, pattern: regex.Pattern[str]) -> _Bounds:
    done = 0
    for start, end in _spans(text, pattern):
        yield from _between(text, done, start)
        word = text[start:end].strip()
        if word:
            start += len(text[start:end]) - len(text[start:end].lstrip())
            yield start, start + len(word)
        done = end
    yield from _between(text, done, len(text))


def _between(text: str, start: int, end: int) -> _Bounds:
    return (match.span() for match in _CHUNK.finditer(text, start, end))


def _spans(text: str, pattern: regex.Pattern[str]) -> list[tuple[int, int]]:
    """Return the bounds of all matches in order, none overlapping, none empty."""
    seconds = _SLOWEST + _SLOWEST_CHARACTER * len(text)
    deadline = time.monotonic() + seconds
    spans: list[tuple[int, int]] = []
    try:
        for match in pattern.finditer(text, timeout=seconds):
            if match.start() == match.end():
                raise _empty_match(pattern.pattern, match.start())
            spans.append(match.span())
            if time.monotonic() > deadline:
                raise TimeoutError
    except TimeoutError:
        raise InputError(
            f"the splitter's pattern takes longer than {seconds:.0f} s on a text of {len(text)} characters",
            where=_PATTERN + pattern.pattern,
            mend="avoid repeats inside repeats, such as (a+)+, or make them possessive: (a++)+",
        ) from None
    spans.sort()  # (?r) finds them from the end
    return spans
