"""A split as flat arrays: what every check reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from tagwright.data.corpus import Corpus, Places
from tagwright.tags import LabelMap, offsets_of
from tagwright.tags.scheme import O
from tagwright.tags.spans import Spans

__all__ = ["KEPT_PLACES", "Part", "joined", "parts_of"]

KEPT_PLACES = 100
"""Places that a finding keeps; its count is of all of them."""


@dataclass(frozen=True)
class Part:
    """One split, flat over its sentences.

    Attributes:
        name: the split.
        words: every word, one sentence after another.
        word_ids: int64, shape (words,): equal where the words are equal, in every part of a corpus.
        tags: int64, shape (words,): the id of each word's tag.
        offsets: int64, shape (sentences + 1,): where each sentence begins; the last is the number of words.
        labels: the label map of the tags.
        ids: the name of each sentence.
        places: where the sentences stand in the source; None where that is not known.
    """

    name: str
    words: list[str]
    word_ids: NDArray[np.int64]
    tags: NDArray[np.int64]
    offsets: NDArray[np.int64]
    labels: LabelMap
    ids: Sequence[str]
    places: Places | None = None

    def __len__(self) -> int:
        """How many sentences there are."""
        return len(self.offsets) - 1

    @cached_property
    def spans(self) -> Spans:
        """The labelled spans, by the lenient reading."""
        return self.labels.spans(self.tags, self.offsets)

    @cached_property
    def forms(self) -> list[str]:
        """The surface form of each span: its words joined by blanks."""
        starts, ends = self.spans.starts.tolist(), self.spans.ends.tolist()
        return [joined(self.words[start:end]) for start, end in zip(starts, ends, strict=True)]

    @cached_property
    def types(self) -> list[str]:
        """The type of each span."""
        return [self.labels.types[number] for number in self.spans.types.tolist()]

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Which words carry a tag other than O: bool, shape (words,)."""
        carried: NDArray[np.bool_] = (self.labels.roles != O)[self.tags]
        return carried

    @cached_property
    def before(self) -> NDArray[np.int64]:
        """The id of the word before each word: int64, shape (words,); -1 where the sentence begins."""
        ids = np.append(-1, self.word_ids[:-1])[: len(self.words)]
        ids[self.offsets[:-1]] = -1
        return ids

    @cached_property
    def after(self) -> NDArray[np.int64]:
        """The id of the word after each word: int64, shape (words,); -1 where the sentence ends."""
        ids = np.append(self.word_ids[1:], -1)[: len(self.words)]
        ids[self.offsets[1:] - 1] = -1
        return ids

    def sentences(self) -> Iterator[tuple[int, int]]:
        """Yield the first word and one past the last word of each sentence."""
        return pairwise(self.offsets.tolist())

    def sentence_of(self, words: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the sentence of each of several words: int64, of the same shape."""
        owners: NDArray[np.int64] = np.searchsorted(self.offsets, words, side="right") - 1
        return owners

    def text(self, sentence: int) -> str:
        """Return the words of a sentence joined by blanks."""
        return joined(self.words[self.offsets[sentence] : self.offsets[sentence + 1]])

    def context(self, start: int, end: int, around: int = 3) -> str:
        """Return words in ⟨⟩, with up to `around` words of their sentence on either side."""
        sentence = int(np.searchsorted(self.offsets, start, side="right")) - 1
        first = max(start - around, int(self.offsets[sentence]))
        last = min(end + around, int(self.offsets[sentence + 1]))
        return joined([*self.words[first:start], f"⟨{joined(self.words[start:end])}⟩", *self.words[end:last]])

    def place(self, sentence: int, word: int = 0) -> str:
        """Return `file:line` of a word of a sentence; where lines are not known, the split and the sentence's id."""
        if self.places is not None:
            return self.places.of(sentence, word)
        return f"{self.name}, sentence {self.ids[sentence]}"

    def place_of_word(self, word: int) -> str:
        """Return the place of a word, counted over the whole split."""
        sentence = int(self.sentence_of(np.array([word]))[0])
        return self.place(sentence, word - int(self.offsets[sentence]))

    def places_of_words(self, words: Iterable[int]) -> list[dict[str, str]]:
        """Return the first places of words as findings carry them: split and place."""
        kept = [word for word, _ in zip(words, range(KEPT_PLACES), strict=False)]
        return [{"split": self.name, "where": self.place_of_word(word)} for word in kept]


def parts_of(corpus: Corpus) -> list[Part]:
    """Lay out every split of a corpus, in its order."""
    numbers: dict[str, int] = {}
    parts = []
    for name, split in corpus.splits.items():
        columns = split.select_columns(["id", "tokens", "ner_tags"]).with_format("arrow")[:]
        sentences = columns["tokens"].to_pylist()
        words = list(chain.from_iterable(sentences))
        for word in words:
            numbers.setdefault(word, len(numbers))
        places = corpus.places.get(name)
        parts.append(
            Part(
                name=name,
                words=words,
                word_ids=np.fromiter(map(numbers.__getitem__, words), np.int64, count=len(words)),
                tags=np.fromiter(
                    chain.from_iterable(columns["ner_tags"].to_pylist()), np.int64, count=len(words)
                ),
                offsets=offsets_of(map(len, sentences)),
                labels=corpus.labels,
                ids=columns["id"].to_pylist(),
                # Somebody may have taken rows out of a split and left its places as they were.
                places=places if places is not None and len(places) == len(sentences) else None,
            )
        )
    return parts


def joined(words: Iterable[str]) -> str:
    """Return words as a surface form: joined by single blanks."""
    return " ".join(words)
