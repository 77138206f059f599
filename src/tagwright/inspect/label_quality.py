"""Labels beside a tagger's probabilities, type by type: what may be wrong, and how good each label is.

What the steps are for is told in `tagwright.inspect.label_errors`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError, require
from tagwright.inspect.part import Part
from tagwright.tags import LabelMap

__all__ = ["OUTSIDE", "Candidate", "Judged", "Reading"]

OUTSIDE = 0
"""The number of *outside* among the types."""


class Candidate(NamedTuple):
    """Words whose label is judged as one: `words[start:end]`; `span` is the gold span's number, or -1."""

    start: int
    end: int
    span: int


class Reading(NamedTuple):
    """What the tagger reads in a candidate: a type over `words[start:end]`, and its mean probability there."""

    type: int
    start: int
    end: int
    probability: float


@dataclass(frozen=True)
class Judged:
    """A split's labels and a tagger's probabilities over the same types.

    Attributes:
        part: the split.
        types: the types' names: outside as an empty name, the tagger's, then those that only the data has.
        known: how many of them the tagger can read.
        gold: int64, shape (words,): the type of each word.
        probabilities: float64, shape (words, types), rows adding up to 1; zeros for words that were not seen.
        seen: bool, shape (words,): whether the tagger saw the word.
    """

    part: Part
    types: Sequence[str]
    known: int
    gold: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    seen: NDArray[np.bool_]

    @classmethod
    def of(cls, part: Part, probabilities: NDArray[np.floating], labels: LabelMap) -> Judged:
        """Lay a tagger's probabilities over a split.

        Raises:
            InputError: they are of another shape, or none.
        """
        if probabilities.shape != (len(part.words), len(labels)):
            raise InputError(
                f"probabilities of shape {probabilities.shape} for {len(part.words)} words and {len(labels)} labels",
                where=part.name,
                mend="give a row for each word of the split and a column for each label of the tagger",
            )
        seen = ~np.isnan(probabilities).any(axis=1)
        shown = probabilities[seen].astype(np.float64)
        if shown.size and (shown.min() < 0 or np.abs(shown.sum(axis=1) - 1).max() > 1e-3):
            raise InputError(
                "these are no probabilities: they are negative or do not add up to 1",
                where=part.name,
                mend="give np.exp of log-probabilities",
            )
        foreign = [name for name in part.labels.types if name not in labels.types]
        types = ["", *labels.types, *foreign]
        own = np.array([types.index(name) for name in part.labels.types], dtype=np.int64)
        gold = np.append(own, OUTSIDE)[part.labels.type_ids[part.tags]]  # the id of O's type is -1: the last
        summed = np.zeros((len(part.words), len(types)))
        for column, kind in enumerate(labels.type_ids.tolist()):
            summed[seen, kind + 1] += shown[:, column]
        summed[seen] /= summed[seen].sum(axis=1, keepdims=True)
        return cls(part, types, len(types) - len(foreign), gold, summed, seen)

    @cached_property
    def read(self) -> NDArray[np.int64]:
        """The likeliest type of each word: int64, shape (words,); that of gold where the tagger did not see it."""
        likeliest: NDArray[np.int64] = np.where(self.seen, self.probabilities.argmax(axis=1), self.gold)
        return likeliest

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """The words whose label can be judged: seen, and of a type that the tagger knows."""
        can: NDArray[np.bool_] = self.seen & (self.gold < self.known)
        return can

    def notices(self) -> tuple[str, ...]:
        """Say what cannot be judged."""
        found = []
        for number in range(self.known, len(self.types)):
            spans = int((self.gold[self.part.spans.starts] == number).sum())
            if spans:
                count = "its 1 entity is" if spans == 1 else f"its {spans:,} entities are"
                found.append(f"the tagger does not know {self.types[number]}: {count} not judged")
        if unseen := int((~self.seen).sum()):
            found.append(f"{unseen:,} word{'s' * (unseen != 1)} the tagger did not see: not judged")
        if not len(self.part.spans):
            found.append(f"{self.part.name} holds no entity: only missing labels can be found")
        return tuple(found)

    def candidates(self) -> list[Candidate]:
        """Return what is judged, in the order of the words."""
        spans = self.part.spans
        firsts, lasts = spans.starts.tolist(), spans.ends.tolist()
        owner = np.full(len(self.gold), -1, dtype=np.int64)
        owner[self.part.labelled] = (
            np.searchsorted(spans.starts, np.flatnonzero(self.part.labelled), "right") - 1
        )
        begins = np.zeros(len(self.gold) + 1, dtype=bool)
        begins[self.part.offsets] = True
        found = []
        for start, end in self._stretches(begins):
            neighbours = [start - 1] * (not begins[start]) + [end] * (not begins[end])
            kind = self.read[start]
            ties = [at for at in neighbours if self.gold[at] and kind in (self.gold[at], self.read[at])]
            if not ties:
                found.append(Candidate(start, end, -1))
            elif (span := int(owner[ties[0]])) >= 0:
                firsts[span], lasts[span] = min(firsts[span], start), max(lasts[span], end)
        for span, (start, end) in enumerate(zip(firsts, lasts, strict=True)):
            if self.usable[start:end].all():
                found.append(Candidate(start, end, span))
        return sorted(found)

    def _stretches(self, begins: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Yield runs of words outside in gold and of one type for the tagger, within a sentence."""
        suspect = (self.gold == OUTSIDE) & (self.read != OUTSIDE)
        kinds = np.where(suspect, self.read, OUTSIDE)
        turns = np.flatnonzero(begins[:-1] | (np.diff(kinds, prepend=OUTSIDE) != 0))
        for start, end in zip(turns.tolist(), [*turns[1:].tolist(), len(kinds)], strict=True):
            if suspect[start]:
                yield start, end

    def reading(self, start: int, end: int) -> Reading | None:
        """Return the longest stretch of one type that the tagger reads in some words; the likelier of equals."""
        cuts = np.flatnonzero(np.diff(self.read[start:end])) + start + 1
        runs = []
        for first, last in zip([start, *cuts.tolist()], [*cuts.tolist(), end], strict=True):
            if kind := int(self.read[first]):
                sure = float(self.probabilities[first:last, kind].mean())
                runs.append((last - first, sure, -first, Reading(kind, first, last, sure)))
        return max(runs)[-1] if runs else None

    def qualities(self, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
        """Return the quality of each candidate's label: float64, shape (candidates,), 0 (wrong) to 1 (right)."""
        rank = require("cleanlab.token_classification.rank", "inspect")
        weighed = self._weighed(candidates)
        with _quiet():
            scores, _ = rank.get_label_quality_scores(
                [self.gold[start:end].tolist() for start, end, _ in candidates],
                [weighed[start:end] for start, end, _ in candidates],
                token_score_method="self_confidence",
                sentence_score_method="min",
            )
        return np.asarray(scores, dtype=np.float64)

    def _weighed(self, candidates: Sequence[Candidate]) -> NDArray[np.float64]:
        """Weigh the probabilities by the types' thresholds and by how rarely outside words are labelled by mistake."""
        count = require("cleanlab.count", "inspect")
        with _quiet():
            thresholds = count.get_confident_thresholds(
                self.gold[self.usable], self.probabilities[self.usable]
            )
        weighed: NDArray[np.float64] = self.probabilities / np.sqrt(thresholds)
        outside = int(np.count_nonzero(self.gold == OUTSIDE))
        rare = self.gold != OUTSIDE
        for start, end, span in candidates:
            if span >= 0 and (self.read[start:end] == self.gold[start:end])[rare[start:end]].any():
                rare[start:end] = False
        weighed[rare, OUTSIDE] *= min(1.0, len(self.part.spans) / outside) if outside else 1.0
        weighed[self.seen] /= weighed[self.seen].sum(axis=1, keepdims=True)
        return weighed

    def flagged(self) -> NDArray[np.bool_]:
        """Tell whose label confident learning takes for wrong: bool, shape (words,)."""
        issues = require("cleanlab.token_classification.filter", "inspect")
        found = np.zeros(len(self.gold), dtype=bool)
        rows = np.flatnonzero(self.usable)
        if len(set(self.gold[rows].tolist())) < 2:  # nothing to confuse
            return found
        with _quiet():
            pairs = issues.find_label_issues([self.gold[rows].tolist()], [self.probabilities[rows]], n_jobs=1)
        found[rows[[word for _, word in pairs]]] = True
        return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of cleanlab and scikit-learn, which are about their own insides, from the user."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
