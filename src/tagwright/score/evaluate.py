"""`tagwright evaluate`: a bundle's scores on a labelled split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
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
    tagged = tag_split(tagger, read_for(tagger, data, settings=settings), split=split)
    scores = score_tags(
        tagged.gold_ids, tagged.pred_ids, tagged.offsets, tagged.labels, lost_words=tagged.lost_words
    )
    return replace(scores, notices=(*tagged.notices, *scores.notices))
