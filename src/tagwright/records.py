"""The small values that pass between the rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["SCORE_DIGITS", "Entity", "Prediction", "Sentence"]

SCORE_DIGITS = 4
"""Decimals of a score wherever one is written."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One example of a data set.

    Attributes:
        id: unique within its split.
        tokens: the words.
        tags: one tag a word, or None when unlabelled.
        text: the running text the words were cut from, if the source had it.
        starts: where each word begins in `text`, in code points.
        ends: one past where each word ends in `text`, in code points.
    """

    id: str
    tokens: Sequence[str]
    tags: Sequence[str] | None = None
    text: str | None = None
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A labelled span: `text[start:end]` in code points, `words[word_start:word_end]`; both half-open.

    `score` is the mean probability of the span's tags, in 0..1.
    """

    label: str
    start: int
    end: int
    word_start: int
    word_end: int
    text: str
    score: float

    def to_dict(self, digits: int | None = None) -> dict[str, Any]:
        """Return the entity as plain JSON values, its score rounded to so many decimals if any are given."""
        return {
            "label": self.label,
            "start": self.start,
            "end": self.end,
            "word_start": self.word_start,
            "word_end": self.word_end,
            "text": self.text,
            "score": self.score if digits is None else round(self.score, digits),
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a tagger says of one text.

    Attributes:
        words: the words, as split or as given.
        starts: where each word begins in the text, in code points.
        ends: one past where each word ends.
        tags: one tag a word.
        scores: the probability of each word's tag, in 0..1.
        entities: the spans.
        lost_words: words that were cut by `on_overflow = "truncate"` and got the outside tag unseen.
    """

    words: Sequence[str]
    starts: Sequence[int]
    ends: Sequence[int]
    tags: Sequence[str]
    scores: Sequence[float]
    entities: Sequence[Entity]
    lost_words: int = 0
