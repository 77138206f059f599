"""What passes between a service's HTTP side and its engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tagwright.records import Entity

__all__ = ["Answer", "Ask", "Overflow"]

Overflow = Literal["window", "error", "truncate"]


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request asks of one model: texts, or sentences that are split into words already.

    Attributes:
        texts: running texts; None where `words` is given.
        words: the words of each sentence; None where `texts` is given.
        min_score: entities that score under it, in 0..1, are left out.
        types: the types of entities to give; None for all.
        on_overflow: what to do with a text longer than a window; None for what the bundle says.
        tokens: give the words and their tags, too.
    """

    texts: tuple[str, ...] | None = None
    words: tuple[tuple[str, ...], ...] | None = None
    min_score: float = 0.0
    types: frozenset[str] | None = None
    on_overflow: Overflow | None = None
    tokens: bool = False

    def __len__(self) -> int:
        """Return the number of texts or sentences."""
        return len(self.texts if self.texts is not None else self.words or ())


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one text.

    Attributes:
        entities: the spans, in the order of the text.
        words: how many words the text has.
        lost_words: words that `on_overflow = "truncate"` cut.
        tokens: the words, where they were asked for.
        tags: one tag a word, as the model chose them, whatever `types` and `min_score` leave out.
    """

    entities: tuple[Entity, ...]
    words: int
    lost_words: int = 0
    tokens: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
