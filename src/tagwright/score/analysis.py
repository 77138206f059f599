"""Where a tagger fails on a labelled split: everything a report shows of it, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tagwright.data.corpus import Corpus
from tagwright.predict.decoding import span_scores
from tagwright.score.calibration import Calibration, calibration_of
from tagwright.score.counts import Scores, score_tags
from tagwright.score.examples import Gallery
from tagwright.score.forms import KnownForms
from tagwright.score.mistakes import Mistakes, classify
from tagwright.score.slices import Slice, slice_scores
from tagwright.score.tagged import TaggedSplit

__all__ = ["CONFIDENT", "EXAMPLES", "FREQUENT", "Analysis", "analyse"]

EXAMPLES = 2000
"""Examples that are kept at most."""

FREQUENT = 20
"""Wrong forms that are kept at most."""

CONFIDENT = 20
"""Confident mistakes that are kept at most."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """Scores, mistakes and calibration of a tagged split. Spans are those of the lenient reading.

    Attributes:
        data: the data, as it was named.
        split: the split's name.
        sentences: how many there are.
        words: how many there are.
        notices: counted losses and facts, in words.
        scores: every reading of the score.
        types: the names of the types, by the indices of the spans.
        mistakes: every gold and predicted span with its class.
        slices: F1 over spans that have something in common.
        frequent: the most frequent wrong forms.
        confident: the most confident wrong predictions, in context.
        examples: the sentences that have mistakes, at most `EXAMPLES` of them.
        examples_left_out: how many more there are.
        calibration: how far the scores of predicted spans can be believed.
    """

    data: str
    split: str
    sentences: int
    words: int
    notices: Sequence[str]
    scores: Scores
    types: Sequence[str]
    mistakes: Mistakes
    slices: Sequence[Slice]
    frequent: Sequence[Mapping[str, Any]]
    confident: Sequence[Mapping[str, Any]]
    examples: Sequence[Mapping[str, Any]]
    examples_left_out: int
    calibration: Calibration

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values.

        Keys: `data`, `split`, `sentences`, `words`, `notices`; `scores` (`Scores.to_dict`); `errors.classes`
        (`Mistakes.table`); `confusion` (`Mistakes.confusion`); `slices` (each with `name`, `title` and `rows`
        of `name`, `precision`, `recall`, `f1`, `f1_interval`, `support`, `predicted`, `correct`); `frequent`
        (`form`, `gold`, `predicted`, `class`, `count`); `confident` and `examples`; `examples_left_out`;
        `calibration` (`Calibration.to_dict`).

        An example has `id`, `document` (or None), `words`, `gold` and `predicted` (each span with `label`,
        `word_start`, `word_end`, counted in `words`; predicted ones with `score`), `errors`, and, as a sentence
        of hundreds of words is shown in passages, `first_word` (where `words` begin in it) and
        `sentence_words` (how many words it has). An error has `class`, `form`, `predicted_form`, `gold_type`,
        `predicted_type`, `score` (the highest of its predictions), `golds` and `predictions` (all its spans,
        as indices in the example's lists) and `gold` and `predicted`, the two that stand for it; None where
        it has none.
        """
        return {
            "data": self.data,
            "split": self.split,
            "sentences": self.sentences,
            "words": self.words,
            "notices": list(self.notices),
            "scores": self.scores.to_dict(),
            "errors": {"classes": self.mistakes.table(self.types)},
            "confusion": self.mistakes.confusion(self.types),
            "slices": [part.to_dict() for part in self.slices],
            "frequent": [dict(row) for row in self.frequent],
            "confident": [dict(example) for example in self.confident],
            "examples": [dict(example) for example in self.examples],
            "examples_left_out": self.examples_left_out,
            "calibration": self.calibration.to_dict(),
        }


def analyse(
    tagged: TaggedSplit,
    train: Corpus | None = None,
    *,
    limit: int = EXAMPLES,
    rounds: int = 1000,
    seed: int = 0,
) -> Analysis:
    """Find out where a tagger fails.

    Args:
        tagged: a labelled split beside what the tagger says of it; see `tag_split`.
        train: the data whose train split the tagger has learned from; without it, or where it has no such
            split, nothing is said of forms that training has seen.
        limit: examples that are kept at most; more are spread evenly over the data, and counted.
        rounds: resamples for the intervals of the slices.
        seed: of the resamples.
    """
    labels = tagged.labels
    gold = labels.spans(tagged.gold_ids, tagged.offsets)
    predicted = labels.spans(tagged.pred_ids, tagged.offsets)
    mistakes = classify(gold, predicted)
    gallery = Gallery(tagged, mistakes, span_scores(tagged.probabilities, predicted))
    examples, left_out = gallery.examples(limit)
    notices = [*tagged.notices]
    if left_out:
        notices.append(
            f"{left_out:,} of {len(examples) + left_out:,} examples with mistakes are left out; those kept are"
            " spread evenly over the data"
        )
    return Analysis(
        data=tagged.source,
        split=tagged.split,
        sentences=len(tagged.offsets) - 1,
        words=len(tagged.words),
        notices=notices,
        scores=score_tags(
            tagged.gold_ids,
            tagged.pred_ids,
            tagged.offsets,
            labels,
            words=tagged.words,
            documents=tagged.documents,
            lost_words=tagged.lost_words,
        ),
        types=labels.types,
        mistakes=mistakes,
        slices=slice_scores(
            tagged.words,
            tagged.offsets,
            gold,
            predicted,
            mistakes.of_predicted == 0,
            known=KnownForms.of(train),
            documents=tagged.documents,
            rounds=rounds,
            seed=seed,
        ),
        frequent=gallery.frequent(FREQUENT),
        confident=gallery.confident(CONFIDENT),
        examples=examples,
        examples_left_out=left_out,
        calibration=calibration_of(tagged),
    )
