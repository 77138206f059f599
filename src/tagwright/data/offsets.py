"""Where words lie in running text: code points, half-open."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import regex  # type: ignore[import-untyped]  # it ships no types

__all__ = ["PlacedWords", "SplitText", "split_plain"]


class PlacedWords(NamedTuple):
    """The words of a text: `text[starts[i]:ends[i]] == words[i]`."""

    words: list[str]
    starts: list[int]
    ends: list[int]


SplitText = Callable[[str], tuple[list[str], list[int], list[int]]]
"""Cuts a text into words, where each begins, and one past where each ends."""

# A word keeps its combining marks and joiners; a symbol keeps its variation selector.
_WORD = regex.compile(r"[\w\p{M}\u200c\u200d]+|\S[\p{M}\u200d]*")


def split_plain(text: str) -> PlacedWords:
    """Cut text into runs of letters, marks and digits, and single other signs; only blanks are left out.

    >>> split_plain("He's in St. Ives.").words
    ['He', "'", 's', 'in', 'St', '.', 'Ives', '.']
    """
    found = [match.span() for match in _WORD.finditer(text)]
    return PlacedWords(
        [text[start:end] for start, end in found], [start for start, _ in found], [end for _, end in found]
    )
