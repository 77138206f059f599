"""Tags to what was found: the entities of each sentence, and with its words a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tagwright.encode.windows import Encoded
from tagwright.predict.decoding import WordTags, span_scores
from tagwright.predict.sentences import place_words
from tagwright.records import Entity, Prediction, Sentence
from tagwright.tags import LabelMap

__all__ = ["Found", "find_entities", "predictions"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in a sentence, without its words.

    Attributes:
        entities: the spans.
        words: how many words it has.
        lost_words: words that were cut by `on_overflow = "truncate"`.
    """

    entities: list[Entity]
    words: int
    lost_words: int


def find_entities(
    sentences: Sequence[Sentence], encoded: Encoded, tagged: WordTags, labels: LabelMap
) -> Iterator[Found]:
    """Find the entities of sentences in their tags, one sentence at a time.

    Args:
        sentences: what was tagged.
        encoded: their pieces.
        tagged: the tags of their words.
        labels: the label map of the tags.
    """
    spans = labels.spans(tagged.ids, encoded.word_offsets)
    borders = np.searchsorted(spans.starts, encoded.word_offsets).tolist()
    scores = span_scores(tagged.probabilities, spans).tolist()
    cut = np.concatenate(([0], np.cumsum(encoded.word_positions < 0)))
    lost = np.diff(cut[encoded.word_offsets]).tolist()
    places = zip(spans.types.tolist(), spans.starts.tolist(), spans.ends.tolist(), strict=True)
    found = list(zip(places, scores, strict=True))
    for number, (first, last) in enumerate(pairwise(encoded.word_offsets.tolist())):
        entities = []
        if borders[number] < borders[number + 1]:
            text, starts, ends = place_words(sentences[number])
            entities = [
                Entity(
                    label=labels.types[kind],
                    start=starts[start - first],
                    end=ends[end - 1 - first],
                    word_start=start - first,
                    word_end=end - first,
                    text=text[starts[start - first] : ends[end - 1 - first]],
                    score=score,
                )
                for (kind, start, end), score in found[borders[number] : borders[number + 1]]
            ]
        yield Found(entities, last - first, lost[number])


def predictions(
    sentences: Sequence[Sentence], encoded: Encoded, tagged: WordTags, labels: LabelMap
) -> Iterator[Prediction]:
    """Make the predictions of sentences out of their tags, one at a time; see `find_entities`."""
    tags = [labels.names[position] for position in tagged.ids.tolist()]
    scores = tagged.probabilities.tolist()
    places = zip(sentences, pairwise(encoded.word_offsets.tolist()), strict=True)
    for (sentence, (first, last)), found in zip(
        places, find_entities(sentences, encoded, tagged, labels), strict=True
    ):
        _, starts, ends = place_words(sentence)
        yield Prediction(
            words=sentence.tokens,
            starts=starts,
            ends=ends,
            tags=tags[first:last],
            scores=scores[first:last],
            entities=found.entities,
            lost_words=found.lost_words,
        )
