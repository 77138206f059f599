"""What a split holds: sentences, words, mentions, and how long its sentences are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.inspect.part import Part

__all__ = ["Lengths", "SplitSummary", "summarise"]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Quantiles of the lengths of sentences; each is the length of a real sentence.

    Attributes:
        median: half of the sentences are no longer.
        p90: nor are 90% longer than this.
        p99: nor 99%.
        longest: the longest.
    """

    median: int
    p90: int
    p99: int
    longest: int

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> Lengths:
        """Take the quantiles of lengths, shape (sentences,); all 0 when there is none."""
        if not len(lengths):
            return cls(0, 0, 0, 0)
        return cls(*(int(q) for q in np.quantile(lengths, [0.5, 0.9, 0.99, 1], method="inverted_cdf")))


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """One split.

    Attributes:
        sentences: how many.
        words: how many.
        mentions: labelled spans, by the lenient reading of the tags.
        types: mentions of each type, most frequent first.
        examples: for each type its most frequent surface forms (words joined by blanks), with their counts.
        words_per_sentence: lengths in words.
        pieces_per_sentence: lengths in the encoder's pieces, special ones included; None without an encoder.
        over_limit: sentences longer than the encoder takes at once, which are cut into windows; None without
            an encoder.
    """

    sentences: int
    words: int
    mentions: int
    types: Mapping[str, int]
    examples: Mapping[str, Mapping[str, int]]
    words_per_sentence: Lengths
    pieces_per_sentence: Lengths | None = None
    over_limit: int | None = None


def summarise(
    part: Part, types: Mapping[str, int], examples: int, lengths: NDArray[np.int64] | None = None
) -> SplitSummary:
    """Count what a split holds.

    Args:
        part: the split.
        types: mentions of each type; see `tagwright.inspect.coverage.type_counts`.
        examples: surface forms to keep for each type.
        lengths: int64, shape (sentences,): the pieces of each sentence, where an encoder counts.
    """
    forms: dict[str, Counter[str]] = {label: Counter() for label in types}
    for form, label in zip(part.forms, part.types, strict=True):
        forms[label][form] += 1
    return SplitSummary(
        sentences=len(part),
        words=len(part.words),
        mentions=len(part.spans),
        types=types,
        examples={label: dict(_most_frequent(own, examples)) for label, own in forms.items()},
        words_per_sentence=Lengths.of(np.diff(part.offsets)),
        pieces_per_sentence=None if lengths is None else Lengths.of(lengths),
    )


def _most_frequent(forms: Counter[str], count: int) -> Iterable[tuple[str, int]]:
    return sorted(forms.items(), key=lambda item: (-item[1], item[0]))[:count]
