"""Likely label errors: entities, and words without a label, that a tagger reads otherwise; the oddest first.

The unit is the entity. A *candidate* is every gold entity, and every stretch of words that gold leaves outside and the
tagger reads as one type. A stretch beside a gold entity that shares its type, or that the tagger reads as the same
type, belongs to that entity's candidate: there the border is in doubt, and no label is missing. Each candidate gets
one score, the quality of its label, from 0 (surely wrong) to 1 (surely right):

1. Tags become types. The probability that a word is of a type is the sum over the type's tags (B, I, ...), so a slip
   between B and I, which changes no type, is no error of this kind.
2. Each type's probability is divided by the square root of its *confident threshold*, the mean probability that words
   of that type have for it (Northcutt, Jiang and Chuang 2021, "Confident Learning", JAIR 70). A tagger that is never
   sure of a rare type is taken at its word for it earlier; the root takes half of that step.
3. Where gold has a type, the probability of *outside* is multiplied by entities / outside words. What counts is how
   likely it is that an annotator wrote this label by mistake. Words outside are many times as frequent as entities, and
   so a single one of them is labelled by mistake as much more rarely, if as many entities are invented as are
   overlooked. Without this, entities that a tagger merely does not know fill the top of the list. It is left out
   within an entity of which the tagger reads another word as gold does: there it is a border that is in doubt.
4. The score of a word is the share of its gold type in these numbers (cleanlab's *self-confidence*), and the score of
   a candidate that of its worst word: the method that Wang and Mueller 2022 ("Detecting Label Errors in Token
   Classification Data", arXiv:2210.03920) found best for sentences, with the candidate in the sentence's place.

Steps 2 to 4 are `cleanlab.count.get_confident_thresholds` and `cleanlab.token_classification`. A candidate that the
tagger reads as gold does is no finding, whatever its score.

The probabilities should come from a tagger that was not trained on these sentences: one that was has learned the
errors as well. `tagwright.train.folds.cross_probabilities` gives such.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.data.corpus import Corpus
from tagwright.inspect.label_quality import OUTSIDE, Candidate, Judged, Reading
from tagwright.inspect.part import parts_of
from tagwright.tags import LabelMap

__all__ = ["KINDS", "LabelError", "LabelErrors", "LabelledSpan", "likely_label_errors"]

KINDS = {
    "type": "the tagger reads another type",
    "border": "the tagger reads the same type over other words",
    "missing": "the tagger reads an entity where gold has none",
    "spurious": "the tagger reads no entity where gold has one",
}
"""What may be wrong with a label, by what the tagger reads in its place."""

CONTEXT = 5  # words on either side
WEAK = 0.25  # a tagger that agrees with a smaller share of the entities knows too little to judge
FEW = 20  # of fewer entities no share is taken


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A type and the words it lies over, half-open, counted in the sentence.

    `probability` is the mean probability of the type over the words, in 0..1, where a tagger says so.
    """

    label: str
    start: int
    end: int
    text: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class LabelError:
    """A label that is likely to be wrong.

    Attributes:
        rank: from 1, the likeliest first.
        score: quality of the label, from 0 (surely wrong) to 1 (surely right); see the module.
        kind: one of `KINDS`.
        split: the split.
        sentence: the sentence's id.
        where: `file:line` of the first word, or the split and the sentence's id.
        context: the words in question in ⟨⟩, with a few around them.
        start: the first word in question, in the sentence.
        end: one past the last.
        gold: the label in the data; None where it has none.
        predicted: what the tagger reads there; None for no entity.
        probability: of the tagger's reading: mean over its words, of outside where it reads no entity.
        confirmed: whether confident learning (`cleanlab.token_classification.filter.find_label_issues`) names one of
            the words as well.
        suggestion: what to change, in words.
    """

    rank: int
    score: float
    kind: str
    split: str
    sentence: str
    where: str
    context: str
    start: int
    end: int
    gold: LabelledSpan | None
    predicted: LabelledSpan | None
    probability: float
    confirmed: bool
    suggestion: str


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What was found in a split.

    Attributes:
        split: the split.
        entities: gold entities that were judged.
        candidates: these and the stretches that may lack a label: what the ranking is over.
        found: candidates that the tagger reads otherwise than gold.
        kinds: how many of them are of each kind.
        words: words whose label confident learning takes for wrong.
        items: the likeliest of those that were found, in order; no more than were asked for.
        notices: what was not judged, in words.
    """

    split: str
    entities: int
    candidates: int
    found: int
    kinds: dict[str, int]
    words: int
    items: tuple[LabelError, ...]
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as plain JSON values."""
        return asdict(self) | {"items": [asdict(item) for item in self.items], "notices": list(self.notices)}


def likely_label_errors(
    corpus: Corpus,
    split: str,
    probabilities: NDArray[np.floating],
    labels: LabelMap,
    *,
    top: int | None = 100,
) -> LabelErrors:
    """Rank the labels of a split by how likely they are to be wrong; the module says how.

    >>> found = cross_probabilities(corpus, recipe, folds=5)  # doctest: +SKIP
    >>> likely_label_errors(corpus, "train", *found["train"]).items[0].suggestion  # doctest: +SKIP
    'label “Nashville” location'

    With a bundle the probabilities are `np.exp(tag_split(tagger, corpus, split=split,
    log_probabilities=True).log_probabilities)` and the labels `tagger.labels`. The tags of data and tagger may follow
    different schemes.

    Args:
        corpus: the data.
        split: which of its splits.
        probabilities: shape (words, labels), a row for each word of the split in its order, adding up to 1; NaN for
            words that the tagger did not see.
        labels: the tagger's labels, one a column.
        top: how many to return; None for all.

    Returns:
        The findings. Entities of types that the tagger lacks, and words that it did not see, are not judged: notices
        tell how many.

    Raises:
        InputError: no such split, or the probabilities do not fit it or are none.
        MissingExtraError: cleanlab is not installed.
    """
    corpus.require_split(split)
    part = next(part for part in parts_of(corpus) if part.name == split)
    judged = Judged.of(part, np.asarray(probabilities), labels)
    candidates = judged.candidates()
    flagged = judged.flagged()
    found = []
    if candidates:
        for candidate, score in zip(candidates, judged.qualities(candidates).tolist(), strict=True):
            reading = judged.reading(candidate.start, candidate.end)
            if kind := _kind(judged, candidate, reading):
                found.append((score, candidate, reading, kind))
    found.sort(key=lambda finding: finding[:2])
    kinds = Counter(kind for *_, kind in found)
    entities = sum(candidate.span >= 0 for candidate in candidates)
    return LabelErrors(
        split=split,
        entities=entities,
        candidates=len(candidates),
        found=len(found),
        kinds={kind: kinds[kind] for kind in KINDS},
        words=int(flagged.sum()),
        items=tuple(
            _describe(judged, *finding, rank=rank, flagged=flagged)
            for rank, finding in enumerate(found[:top], 1)
        ),
        notices=(*judged.notices(), *_doubts(entities, entities + kinds["missing"] - len(found))),
    )


def _doubts(entities: int, agreed: int) -> list[str]:
    """Say so where a tagger knows too little to judge."""
    if entities < FEW or agreed >= WEAK * entities:
        return []
    return [
        f"the tagger reads only {agreed:,} of {entities:,} entities as the data has them: it knows too little for its"
        " word to count; train it longer or on more sentences"
    ]


def _kind(judged: Judged, candidate: Candidate, reading: Reading | None) -> str | None:
    """Say how the tagger's reading differs from gold; None where it does not."""
    if candidate.span < 0:
        return "missing"
    if reading is None:
        return "spurious"
    spans = judged.part.spans
    start, end = int(spans.starts[candidate.span]), int(spans.ends[candidate.span])
    if reading.type != judged.gold[start]:
        return "type"
    return None if (reading.start, reading.end) == (start, end) else "border"


def _describe(
    judged: Judged,
    score: float,
    candidate: Candidate,
    reading: Reading | None,
    kind: str,
    *,
    rank: int,
    flagged: NDArray[np.bool_],
) -> LabelError:
    part = judged.part
    start, end, span = candidate
    sentence = int(part.sentence_of(np.array([start]))[0])
    begin = int(part.offsets[sentence])

    def place(label: int, first: int, last: int, probability: float | None = None) -> LabelledSpan:
        text = " ".join(part.words[first:last])
        return LabelledSpan(judged.types[label], first - begin, last - begin, text, probability)

    gold = predicted = None
    if span >= 0:
        first, last = int(part.spans.starts[span]), int(part.spans.ends[span])
        gold = place(int(judged.gold[first]), first, last)
    if reading is not None:
        predicted = place(*reading)
        probability = reading.probability
    else:
        probability = float(judged.probabilities[start:end, OUTSIDE].mean())
    return LabelError(
        rank=rank,
        score=score,
        kind=kind,
        split=part.name,
        sentence=part.ids[sentence],
        where=part.place(sentence, start - begin),
        context=part.context(start, end, CONTEXT),
        start=start - begin,
        end=end - begin,
        gold=gold,
        predicted=predicted,
        probability=probability,
        confirmed=bool(flagged[start:end].any()),
        suggestion=_suggest(gold, predicted),
    )


def _suggest(gold: LabelledSpan | None, predicted: LabelledSpan | None) -> str:
    """Say in words what to change."""
    if predicted is None:
        return f"take the label {gold.label} off “{gold.text}”" if gold else ""
    if gold is None:
        return f"label “{predicted.text}” {predicted.label}"
    if gold.label == predicted.label:
        return f"label “{predicted.text}” {predicted.label}, not “{gold.text}”"
    if gold.text == predicted.text:
        return f"label “{gold.text}” {predicted.label}, not {gold.label}"
    return f"label “{predicted.text}” {predicted.label}, not “{gold.text}” {gold.label}"
