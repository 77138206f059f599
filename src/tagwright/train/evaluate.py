"""`tagwright evaluate`: a bundle's scores on a labelled split."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tagwright.config import DataSettings
from tagwright.data.load import read_corpus
from tagwright.encode.windows import encode_words
from tagwright.encode.words import split_words
from tagwright.errors import InputError
from tagwright.predict.decoding import tag_words
from tagwright.predict.tagger import Tagger
from tagwright.score.counts import Scores, score_tags
from tagwright.tags import LabelMap, Scheme, convert_tags

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["evaluate"]


def evaluate(
    bundle: str | Path | Tagger,
    data: str | Path | DatasetDict,
    *,
    split: str = "test",
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> Scores:
    """Tag a labelled split and score the tags.

    Labels that the data has and the tagger lacks count as missed; tags in another scheme are converted to the
    tagger's.

    Args:
        bundle: a bundle's folder, or a `Tagger`.
        data: what to score on, as for `load_data`.
        split: which of its splits.
        precision: precision of the matrix products, as for `Tagger.load`.
        settings: how the data is read.

    Raises:
        InputError: the bundle or the data is wrong, or the data has no such split.
    """
    tagger = bundle if isinstance(bundle, Tagger) else Tagger.load(bundle, precision=precision)
    corpus = read_corpus(data, settings=settings, split=lambda text: split_words(text, tagger.meta.splitter))
    part = corpus.require_split(split)
    sentences = part["tokens"][:]
    gold = [[corpus.labels.names[tag] for tag in tags] for tags in part["ner_tags"][:]]
    scheme = tagger.labels.scheme
    if corpus.labels.scheme is not scheme:
        if Scheme.WORD in (corpus.labels.scheme, scheme):
            raise InputError(
                f"the data is tagged in the scheme {corpus.labels.scheme.value}, the tagger in {scheme.value}",
                where=str(data),
                mend="name the scheme with --scheme, or use data of the tagger's kind",
            )
        gold = convert_tags(gold, corpus.labels.scheme, scheme)
    known = set(tagger.labels.names)
    foreign = sorted(set(chain.from_iterable(gold)) - known)
    labels = LabelMap([*tagger.labels.names, *foreign], scheme)
    meta = tagger.meta
    encoded = encode_words(
        tagger.table,
        sentences,
        limit=meta.max_pieces,
        overlap=meta.overlap,
        on_overflow=meta.on_overflow,
        names=[f"{split}, sentence {identifier}" for identifier in part["id"][:]],
    )
    tagged = tag_words(
        tagger.runtime, encoded, tagger.labels, valid_tags=meta.valid_tags, batch_pieces=tagger.batch_pieces
    )
    scores = score_tags(
        labels.ids(chain.from_iterable(gold)),
        tagged.ids,
        encoded.word_offsets,
        labels,
        lost_words=encoded.lost_words,
    )
    notices = [*corpus.notices, *scores.notices]
    if foreign:
        notices.append(f"the tagger does not know {', '.join(foreign)}: all of them count as missed")
    if scores.lost_words:
        notices.append(f"{scores.lost_words} words lie beyond the window and are lost (on_overflow=truncate)")
    return replace(scores, notices=tuple(notices))
