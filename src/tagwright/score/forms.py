"""Surface forms: how a span is written, which forms training has seen, and how their letters are cased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tagwright.data.corpus import Corpus
from tagwright.tags import offsets_of
from tagwright.tags.spans import Spans

__all__ = ["CASINGS", "SEEN", "Forms", "KnownForms", "casing"]

CASINGS = ("lower", "Title", "UPPER", "mixed", "no cased letters")
"""What `casing` answers, in the order in which it is shown."""

SEEN = ("as written", "in another case", "unseen")
"""What `KnownForms.look_up` answers, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The distinct surface forms of the spans of two sides: their words joined by blanks.

    Attributes:
        names: each form once.
        gold: int64, shape (gold,): index into `names` of each gold span.
        predicted: int64, shape (predicted,): the same for each predicted span.
    """

    names: Sequence[str]
    gold: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[str], gold: Spans, predicted: Spans) -> Forms:
        """Collect the forms of spans over a flat list of words."""
        numbers: dict[str, int] = {}
        sides = [
            np.fromiter((numbers.setdefault(form, len(numbers)) for form in _forms(words, spans)), np.int64)
            for spans in (gold, predicted)
        ]
        return cls(list(numbers), *sides)


@dataclass(frozen=True, slots=True)
class KnownForms:
    """The surface forms of the mentions that training has seen, whatever their types.

    Attributes:
        exact: as they are written.
        folded: with their case folded.
    """

    exact: frozenset[str]
    folded: frozenset[str]

    @classmethod
    def of(cls, corpus: Corpus | None, *, split: str = "train") -> KnownForms | None:
        """Collect the forms of a split's mentions (lenient reading); None where there is no such split."""
        if corpus is None or split not in corpus.splits:
            return None
        part = corpus.splits[split]
        sentences = part["tokens"][:]
        words = list(chain.from_iterable(sentences))
        ids = np.fromiter(chain.from_iterable(part["ner_tags"][:]), dtype=np.int64, count=len(words))
        exact = frozenset(_forms(words, corpus.labels.spans(ids, offsets_of(map(len, sentences)))))
        return cls(exact, frozenset(form.casefold() for form in exact))

    def look_up(self, form: str) -> str:
        """Say how training has seen a form: one of `SEEN`.

        >>> known = KnownForms(frozenset({"New York"}), frozenset({"new york"}))
        >>> known.look_up("New York"), known.look_up("NEW YORK"), known.look_up("York")
        ('as written', 'in another case', 'unseen')
        """
        if form in self.exact:
            return "as written"
        return "in another case" if form.casefold() in self.folded else "unseen"


def casing(form: str) -> str:
    """Say how the letters of a form are cased: one of `CASINGS`.

    | casing           | the letters that have a case are                                              |
    |------------------|-------------------------------------------------------------------------------|
    | no cased letters | none: digits, signs, and scripts without case                                 |
    | lower            | all lower                                                                     |
    | UPPER            | all upper, two at the least                                                   |
    | Title            | lower, but for the first one of a word; the first word's first one is upper   |
    | mixed            | anything else                                                                 |

    >>> [casing(form) for form in ("@paulwalk", "University of Bath", "ESB", "iPhone 6", "2016")]
    ['lower', 'Title', 'UPPER', 'mixed', 'no cased letters']
    """
    words = ["".join(filter(_has_case, word)) for word in form.split()]
    words = [word for word in words if word]
    letters = "".join(words)
    if not letters:
        return "no cased letters"
    if letters == letters.lower():
        return "lower"
    if len(letters) > 1 and letters == letters.upper():
        return "UPPER"
    tails = "".join(word[1:] for word in words)
    return "Title" if letters[0] != letters[0].lower() and tails == tails.lower() else "mixed"


def _has_case(letter: str) -> bool:
    return letter.lower() != letter.upper()


def _forms(words: Sequence[str], spans: Spans) -> list[str]:
    bounds = zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
    return [words[start] if end - start == 1 else " ".join(words[start:end]) for start, end in bounds]
