"""Gold and predicted tags to counts of correct, gold and predicted spans, which add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tagwright.errors import InputError
from tagwright.score.pairs import PART_WORDS, Pair, Tags, read_pairs
from tagwright.score.resample import same_spans
from tagwright.score.scores import Scores, add_up
from tagwright.score.semeval import Matched, Matches, compare_spans
from tagwright.score.surface import Surface, compare_forms
from tagwright.score.survey import Survey
from tagwright.score.tally import Reading, Tally
from tagwright.score.units import MANY_TYPES, Units
from tagwright.tags.labels import LabelMap
from tagwright.tags.scheme import Scheme, rules_of
from tagwright.tags.spans import IntArray, Labelled, Spans

__all__ = [
    "Matched",
    "Matches",
    "Reading",
    "Scores",
    "Surface",
    "Tally",
    "matches",
    "score",
    "score_tags",
]

matches = same_spans


def score_tags(
    gold_ids: IntArray,
    pred_ids: IntArray,
    offsets: IntArray,
    labels: LabelMap,
    *,
    words: Sequence[str] | None = None,
    documents: Sequence[str | None] | None = None,
    lost_words: int = 0,
) -> Scores:
    """Count what agrees between gold and predicted tags.

    Args:
        gold_ids: shape (words,): gold tag ids, flat over sentences.
        pred_ids: shape (words,): predicted tag ids.
        offsets: shape (sentences + 1,): where each sentence begins; the last is the number of words.
        labels: the label map of both; its scheme is the strict reading's.
        words: the words themselves, for the surface reading; there is none without them.
        documents: the document of each sentence, for the intervals; without them, sentences are resampled.
        lost_words: words that the tagger did not see, for the record; count them as O in `pred_ids`.

    Raises:
        ValueError: the arrays differ in length.
    """
    gold_ids, pred_ids, offsets = np.asarray(gold_ids), np.asarray(pred_ids), np.asarray(offsets)
    if not len(gold_ids) == len(pred_ids) == offsets[-1]:
        raise ValueError(
            f"{len(gold_ids)} gold tags, {len(pred_ids)} predicted tags, sentences end at {offsets[-1]}"
        )
    if words is not None and len(words) != len(gold_ids):
        raise ValueError(f"{len(gold_ids)} gold tags, {len(words)} words")
    if documents is not None and len(documents) != len(offsets) - 1:
        raise ValueError(f"{len(offsets) - 1} sentences, {len(documents)} documents")
    gold, predicted = labels.labelled(gold_ids, offsets), labels.labelled(pred_ids, offsets)
    scores = _count_spans(gold, predicted, offsets, labels, words, documents)
    return _count_words(scores, gold_ids, pred_ids, offsets, lost=lost_words)


def _count_spans(
    gold: Labelled,
    predicted: Labelled,
    offsets: IntArray,
    labels: LabelMap,
    words: Sequence[str] | None,
    documents: Sequence[str | None] | None,
) -> Scores:
    types, per_type = labels.types, labels.scheme is not Scheme.WORD and len(labels.types) <= MANY_TYPES
    lenient, strict = (
        (gold.spans(rules), predicted.spans(rules))
        for rules in (rules_of(labels.scheme, reading) for reading in ("lenient", "strict"))
    )

    def count(sides: tuple[Spans, Spans]) -> tuple[Reading, Units]:
        reading = _tally(*sides, types)
        return reading, Units.of(*sides, offsets, types, documents=documents, per_type=per_type)

    lenient_counts = count(lenient)
    # Where every tag stands as the scheme allows, the two readings are one.
    strict_counts = lenient_counts if all(map(_equal, lenient, strict)) else count(strict)
    compared = compare_spans(*lenient, types)
    return Scores(
        lenient=lenient_counts[0],
        strict=strict_counts[0],
        boundary=compared.boundary,
        type=compared.type,
        partial=compared.partial,
        surface=None if words is None else compare_forms(*lenient, matches(*lenient), words, types),
        lenient_units=lenient_counts[1],
        strict_units=strict_counts[1],
    )


def _count_words(
    scores: Scores,
    gold_ids: IntArray,
    pred_ids: IntArray,
    offsets: IntArray,
    *,
    lost: int = 0,
    differing: int = 0,
) -> Scores:
    return replace(
        scores,
        correct_words=int(np.count_nonzero(gold_ids == pred_ids)),
        words=len(gold_ids),
        sentences=len(offsets) - 1,
        lost_words=lost,
        differing_words=differing,
    )


def _tally(gold: Spans, predicted: Spans, types: Sequence[str]) -> Reading:
    correct = predicted.types[matches(gold, predicted)]
    counts = [np.bincount(ids, minlength=len(types)) for ids in (correct, gold.types, predicted.types)]
    return Reading.of(types, np.stack(counts, axis=1))


def _equal(one: Spans, other: Spans) -> bool:
    pairs = ((one.starts, other.starts), (one.ends, other.ends), (one.types, other.types))
    return all(np.array_equal(*arrays) for arrays in pairs)


def score(
    gold: Tags,
    pred: Tags,
    *,
    scheme: Scheme | str | None = None,
    word_column: int = 0,
    tag_column: int = -1,
    ignore_words: bool = False,
    part_words: int = PART_WORDS,
) -> Scores:
    """Score predicted tags against gold tags, position by position.

    Files are read side by side and a part at a time, so that memory does not grow with them.

    Args:
        gold: a CoNLL file, or one list of tags a sentence.
        pred: the same for the predictions, of any system.
        scheme: the scheme of the strict reading; found from the gold tags when not given.
        word_column: the column of the word in the files; negative counts from the end.
        tag_column: the column of the tag in the files.
        ignore_words: compare tags only: the words of the two files may differ, and lines may hold a tag alone.
        part_words: about how many words to hold at a time.

    Raises:
        InputError: a file cannot be read, the two sides have different sentences (the first place where they
            part is named), or a tag is outside the scheme.

    >>> scores = score([["B-person", "I-person", "O"]], [["I-person", "I-person", "O"]])
    >>> scores.lenient.f1, scores.strict.f1
    (1.0, 0.0)
    """

    def read(survey: Survey, names: Sequence[str] = ()) -> Scores:
        pairs = read_pairs(
            gold,
            pred,
            word_column=word_column,
            tag_column=tag_column,
            ignore_words=ignore_words,
            names=names,
            part_words=part_words,
        )
        return add_up(_score_parts(pairs, survey))

    survey = Survey(None if scheme is None else Scheme.named(scheme))
    scores = read(survey)
    labels = survey.labels()
    if survey.is_stale:  # what the first parts showed of the scheme was not the whole
        for side in (gold, pred):
            if isinstance(side, str | Path) and not Path(side).is_file():
                raise InputError(
                    f"that the tags follow the scheme {labels.scheme} shows late, and this can be read only once",
                    where=str(side),
                    mend=f"give --scheme {labels.scheme}, or a file",
                )
        survey = Survey(labels.scheme)
        scores = read(survey, labels.names)
    return replace(scores, notices=tuple(survey.notices()))


def _score_parts(pairs: Iterator[Pair], survey: Survey) -> Iterator[Scores]:
    for pair in pairs:
        if (found := survey.add(pair)) is not None:
            labels, gold, predicted = found
            scores = _count_spans(gold, predicted, pair.offsets, labels, pair.words, pair.documents)
            yield _count_words(scores, pair.gold_ids, pair.pred_ids, pair.offsets, differing=pair.differing)
