"""Sentences as they are handed to a tagger: words checked, and where they stand in the text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from tagwright.errors import InputError
from tagwright.records import Sentence

__all__ = ["checked_words", "place_words"]


def checked_words(words: Sequence[str]) -> Sequence[str]:
    """Return the words of a sentence, or raise `InputError` where they are none."""
    if isinstance(words, str):
        raise InputError("a text was given where words are wanted", mend="use tagger(text), or split it")
    for word in words:
        if not isinstance(word, str):
            raise InputError(f"a word is {word!r}, not text", mend="give every word as a string")
    return words


def place_words(sentence: Sentence) -> tuple[str, Sequence[int], Sequence[int]]:
    """Return a sentence's text and its words' offsets; by default the words joined by single blanks."""
    if sentence.text is not None and sentence.starts is not None and sentence.ends is not None:
        return sentence.text, sentence.starts, sentence.ends
    ends = [end - 1 for end in accumulate(len(word) + 1 for word in sentence.tokens)]
    starts = [0, *(end + 1 for end in ends[:-1])][: len(ends)]
    return " ".join(sentence.tokens), starts, ends
