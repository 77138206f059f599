"""A labelled split beside what a tagger says of it: what every score, comparison and report starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.encode.words import split_words
from tagwright.errors import InputError
from tagwright.model.bundle import BundleMeta
from tagwright.predict.tagger import Tagger
from tagwright.tags import LabelMap, Scheme, convert_tags, offsets_of

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["TaggedSplit", "read_for", "tag_split"]


@dataclass(frozen=True, slots=True)
class TaggedSplit:
    """The words of a split with their gold and predicted tags, flat over sentences.

    Attributes:
        labels: the label map of both sides: the tagger's labels, then those that only the data has.
        words: every word, one sentence after another.
        gold_ids: int64, shape (words,).
        pred_ids: int64, shape (words,).
        offsets: int64, shape (sentences + 1,): where each sentence begins; the last is the number of words.
        probabilities: float32, shape (words,): the probability of the predicted tag; 0 where the word was cut.
        sentence_ids: the name of each sentence.
        documents: the document of each sentence, where the data marks documents.
        split: the split's name.
        source: the data, as it was named.
        lost_words: words that the tagger did not see.
        log_probabilities: float32, shape (words, tagger's labels), before decoding; only when asked for.
        temperature: what the tagger's log-probabilities were divided by; 1 leaves them alone.
        thresholds: the least score of each type; predicted entities under it are dropped already.
        dropped_entities: how many were.
        notices: counted losses and facts, in words.
    """

    labels: LabelMap
    words: Sequence[str]
    gold_ids: NDArray[np.int64]
    pred_ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    sentence_ids: Sequence[str]
    documents: Sequence[str] | None = None
    split: str = "test"
    source: str = ""
    lost_words: int = 0
    log_probabilities: NDArray[np.float32] | None = None
    temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    dropped_entities: int = 0
    notices: tuple[str, ...] = ()


def read_for(
    tagger: Tagger | BundleMeta,
    data: str | Path | DatasetDict | Corpus,
    *,
    settings: DataSettings | None = None,
) -> Corpus:
    """Read labelled data for a tagger, running text cut by the tagger's own splitter.

    Args:
        tagger: the tagger, or what its bundle says of itself.
        data: what to read, as for `load_data`; a corpus is returned as it is.
        settings: how the data is read.

    Raises:
        InputError: the data cannot be read.
    """
    if isinstance(data, Corpus):
        return data
    meta = tagger if isinstance(tagger, BundleMeta) else tagger.meta
    return read_corpus(data, settings=settings, split=lambda text: split_words(text, meta.splitter))


def tag_split(
    tagger: Tagger, corpus: Corpus, *, split: str = "test", log_probabilities: bool = False
) -> TaggedSplit:
    """Tag a labelled split.

    Labels that the data has and the tagger lacks count as missed; tags in another scheme are converted to the
    tagger's.

    Args:
        tagger: the tagger.
        corpus: the data; see `read_for`.
        split: which of its splits.
        log_probabilities: keep each word's distribution over the tagger's labels.

    Raises:
        InputError: the data has no such split, or its tags are of another kind than the tagger's.
    """
    part = corpus.require_split(split)
    sentences = part["tokens"][:]
    gold = [[corpus.labels.names[tag] for tag in tags] for tags in part["ner_tags"][:]]
    scheme = tagger.labels.scheme
    if corpus.labels.scheme is not scheme:
        if Scheme.WORD in (corpus.labels.scheme, scheme):
            raise InputError(
                f"the data is tagged in the scheme {corpus.labels.scheme.value}, the tagger in {scheme.value}",
                where=corpus.source,
                mend="name the scheme with --scheme, or use data of the tagger's kind",
            )
        gold = convert_tags(gold, corpus.labels.scheme, scheme)
    known = set(tagger.labels.names)
    foreign = sorted(set(chain.from_iterable(gold)) - known)
    labels = LabelMap([*tagger.labels.names, *foreign], scheme)
    names = part["id"][:]
    tagged = tagger.tag_ids(
        sentences,
        names=[f"{split}, sentence {identifier}" for identifier in names],
        log_probabilities=log_probabilities,
    )
    offsets = offsets_of(map(len, sentences))
    notices = list(corpus.notices)
    if foreign:
        notices.append(f"the tagger does not know {', '.join(foreign)}: all of them count as missed")
    if tagged.lost_words:
        notices.append(f"{tagged.lost_words} words lie beyond the window and are lost (on_overflow=truncate)")
    if any(tagger.thresholds.values()):
        found = len(tagger.labels.spans(tagged.ids, offsets)) + tagged.dropped_entities
        notices.append(f"thresholds applied: {tagged.dropped_entities:,} of {found:,} entities dropped")
    return TaggedSplit(
        labels=labels,
        words=list(chain.from_iterable(sentences)),
        gold_ids=labels.ids(chain.from_iterable(gold)),
        pred_ids=tagged.ids,
        offsets=offsets,
        probabilities=tagged.probabilities,
        sentence_ids=names,
        documents=corpus.documents.get(split),
        split=split,
        source=corpus.source,
        lost_words=tagged.lost_words,
        log_probabilities=tagged.log_probabilities,
        temperature=tagger.temperature,
        thresholds=dict(tagger.thresholds),
        dropped_entities=tagged.dropped_entities,
        notices=tuple(notices),
    )
