"""`tagwright evaluate`: a bundle's scores on a labelled split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.model.bundle import read_meta
from tagwright.predict.tagger import Tagger
from tagwright.score.counts import Scores, score_tags
from tagwright.score.tagged import read_for, tag_split

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["evaluate"]


def evaluate(
    bundle: str | Path | Tagger,
    data: str | Path | DatasetDict | Corpus,
    *,
    split: str = "test",
    runtime: str = "auto",
    precision: str = "auto",
    thresholds: bool = True,
    settings: DataSettings | None = None,
) -> Scores:
    """Tag a labelled split and score the tags.

    Labels that the data has and the tagger lacks count as missed; tags in another scheme are converted to the
    tagger's.

    Args:
        bundle: a bundle's folder, or a `Tagger`.
        data: what to score on, as for `load_data`.
        split: which of its splits.
        runtime: what computes, as for `Tagger.load`.
        precision: precision of the matrix products, as for `Tagger.load`.
        thresholds: drop entities under the bundle's thresholds, as for `Tagger.load`; a `Tagger` has its own.
        settings: how the data is read.

    Raises:
        InputError: the bundle or the data is wrong, or the data has no such split.
    """
    # The data before the weights, so that a wrong name is told at once.
    meta = bundle.meta if isinstance(bundle, Tagger) else read_meta(bundle)
    corpus = read_for(meta, data, settings=settings)
    corpus.require_split(split)
    if isinstance(bundle, Tagger):
        tagger = bundle
    else:
        tagger = Tagger.load(bundle, runtime, precision, thresholds=thresholds, meta=meta)
    tagged = tag_split(tagger, corpus, split=split)
    scores = score_tags(
        tagged.gold_ids,
        tagged.pred_ids,
        tagged.offsets,
        tagged.labels,
        words=tagged.words,
        documents=tagged.documents,
        lost_words=tagged.lost_words,
    )
    return replace(scores, notices=(*tagged.notices, *scores.notices))
