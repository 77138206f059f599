"""Gold and predicted tags to counts of correct, gold and predicted spans, which add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.score.pairs import Pair
from tagwright.score.tally import Reading, Tally, ratio
from tagwright.tags.labels import LabelMap
from tagwright.tags.scheme import Scheme, rules_of
from tagwright.tags.spans import IntArray, Labelled, Spans

__all__ = ["Reading", "Scores", "Tally", "matches", "score", "score_tags"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that was counted; parts of a data set add up: `sum(parts, Scores())`.

    Attributes:
        lenient: conlleval's reading, seqeval's default.
        strict: only spans that the scheme allows as they stand.
        correct_words: words whose predicted tag is the gold tag.
        words: words scored.
        sentences: sentences scored.
        lost_words: words that the tagger did not see; their gold spans count as missed.
        differing_words: words that are not the same in two files at the same position.
        notices: counted losses and facts, in words.
    """

    lenient: Reading = field(default_factory=Reading)
    strict: Reading = field(default_factory=Reading)
    correct_words: int = 0
    words: int = 0
    sentences: int = 0
    lost_words: int = 0
    differing_words: int = 0
    notices: tuple[str, ...] = field(default=(), compare=False)

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            lenient=self.lenient + other.lenient,
            strict=self.strict + other.strict,
            correct_words=self.correct_words + other.correct_words,
            words=self.words + other.words,
            sentences=self.sentences + other.sentences,
            lost_words=self.lost_words + other.lost_words,
            differing_words=self.differing_words + other.differing_words,
            notices=self.notices + other.notices,
        )

    @property
    def accuracy(self) -> float:
        """Share of the words with the right tag."""
        return ratio(self.correct_words, self.words)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright score` and `tagwright evaluate`."""
        return {
            "lenient": self.lenient.to_dict(),
            "strict": self.strict.to_dict(),
            "accuracy": self.accuracy,
            "sentences": self.sentences,
            "words": self.words,
            "lost_words": self.lost_words,
            "differing_words": self.differing_words,
        }


def score_tags(
    gold_ids: IntArray, pred_ids: IntArray, offsets: IntArray, labels: LabelMap, *, lost_words: int = 0
) -> Scores:
    """Count what agrees between gold and predicted tags.

    Args:
        gold_ids: shape (words,): gold tag ids, flat over sentences.
        pred_ids: shape (words,): predicted tag ids.
        offsets: shape (sentences + 1,): where each sentence begins; the last is the number of words.
        labels: the label map of both; its scheme is the strict reading's.
        lost_words: words that the tagger did not see, for the record; count them as O in `pred_ids`.

    Raises:
        ValueError: the arrays differ in length.
    """
    gold_ids, pred_ids, offsets = np.asarray(gold_ids), np.asarray(pred_ids), np.asarray(offsets)
    if not len(gold_ids) == len(pred_ids) == offsets[-1]:
        raise ValueError(
            f"{len(gold_ids)} gold tags, {len(pred_ids)} predicted tags, sentences end at {offsets[-1]}"
        )
    gold, predicted = labels.labelled(gold_ids, offsets), labels.labelled(pred_ids, offsets)
    return _count_spans(gold, predicted, labels) + _count_words(gold_ids, pred_ids, offsets, lost_words)


def _count_spans(gold: Labelled, predicted: Labelled, labels: LabelMap) -> Scores:
    def read(reading: str) -> Reading:
        rules = rules_of(labels.scheme, reading)
        return _tally(gold.spans(rules), predicted.spans(rules), labels.types)

    return Scores(lenient=read("lenient"), strict=read("strict"))


def _count_words(gold_ids: IntArray, pred_ids: IntArray, offsets: IntArray, lost_words: int = 0) -> Scores:
    return Scores(
        correct_words=int(np.count_nonzero(gold_ids == pred_ids)),
        words=len(gold_ids),
        sentences=len(offsets) - 1,
        lost_words=lost_words,
    )


def _tally(gold: Spans, predicted: Spans, types: Sequence[str]) -> Reading:
    correct = predicted.types[matches(gold, predicted)]
    counts = [np.bincount(ids, minlength=len(types)) for ids in (correct, gold.types, predicted.types)]
    rows = zip(types, np.stack(counts, axis=1).tolist(), strict=True)
    return Reading({name: Tally(*row) for name, row in sorted(rows) if any(row)})


def matches(gold: Spans, predicted: Spans) -> NDArray[np.bool_]:
    """Tell which predicted spans have a gold span of the same type and borders: bool, shape (predicted,)."""
    if not len(gold):
        return np.zeros(len(predicted), dtype=bool)
    place = np.searchsorted(gold.starts, predicted.starts)
    place[place == len(gold)] = 0  # beyond the last gold span: any other start differs
    same: NDArray[np.bool_] = (
        (gold.starts[place] == predicted.starts)
        & (gold.ends[place] == predicted.ends)
        & (gold.types[place] == predicted.types)
    )
    return same


def score(
    gold: str | Path | Sequence[Sequence[str]],
    pred: str | Path | Sequence[Sequence[str]],
    *,
    scheme: Scheme | str | None = None,
    word_column: int = 0,
    tag_column: int = -1,
) -> Scores:
    """Score predicted tags against gold tags, position by position.

    Args:
        gold: a CoNLL file, or one list of tags a sentence.
        pred: the same for the predictions, of any system.
        scheme: the scheme of the strict reading; found from the gold tags when not given.
        word_column: the column of the word in the files; negative counts from the end.
        tag_column: the column of the tag in the files.

    Raises:
        InputError: a file cannot be read, the two sides have different sentences (the first place where they
            part is named), or a tag is outside the scheme.

    >>> scores = score([["B-person", "I-person", "O"]], [["I-person", "I-person", "O"]])
    >>> scores.lenient.f1, scores.strict.f1
    (1.0, 0.0)
    """
    pair = Pair.read(gold, pred, word_column=word_column, tag_column=tag_column)
    labels = pair.labels(Scheme.named(scheme) if scheme is not None else None)
    gold_words, pred_words = (labels.labelled(ids, pair.offsets) for ids in (pair.gold_ids, pair.pred_ids))
    valid = rules_of(labels.scheme)
    differing, notices = pair.differing_words()
    notices += pair.show_invalid(gold_words.invalid(valid), pred_words.invalid(valid), labels.scheme)
    return (
        _count_spans(gold_words, pred_words, labels)
        + _count_words(pair.gold_ids, pair.pred_ids, pair.offsets)
        + Scores(differing_words=differing, notices=tuple(notices))
    )
