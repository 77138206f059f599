"""What a bundle says of every word of a corpus, for the hunt for label errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagwright.data.corpus import Corpus
from tagwright.predict.tagger import Tagger
from tagwright.score.tagged import tag_split
from tagwright.tags import LabelMap

__all__ = ["bundle_probabilities", "splits_to_judge", "trained_on"]


def bundle_probabilities(
    corpus: Corpus, bundle: str | Path | Tagger, *, splits: Sequence[str] | None = None
) -> dict[str, tuple[NDArray[np.float32], LabelMap]]:
    """Tag splits with a bundle and return each word's probabilities.

    Args:
        corpus: the data.
        bundle: a bundle's folder, or a `Tagger`.
        splits: which splits; None takes `splits_to_judge`.

    Returns:
        For each split float32, shape (words, the tagger's labels), with NaN for words that were cut; and the
        tagger's labels.

    Raises:
        InputError: no such bundle or split, or the tags are of another kind than the tagger's.
    """
    tagger = bundle if isinstance(bundle, Tagger) else Tagger.load(bundle)
    found = {}
    for split in splits or splits_to_judge(corpus):
        tagged = tag_split(tagger, corpus, split=split, log_probabilities=True)
        if tagged.log_probabilities is None:
            raise RuntimeError("tag_split left out the probabilities that were asked for")
        probabilities = np.exp(tagged.log_probabilities)
        probabilities[tagged.probabilities == 0] = np.nan  # cut words, which the tagger has not seen
        found[split] = probabilities, tagger.labels
    return found


def splits_to_judge(corpus: Corpus) -> list[str]:
    """Return the splits that a tagger was probably not trained on: all but train; train where there is no other."""
    return [name for name in corpus.splits if name != "train"] or list(corpus.splits)


def trained_on(tagger: Tagger, corpus: Corpus) -> bool:
    """Tell whether a tagger says of itself that it was trained on this data."""
    made = tagger.meta.made.get("data")
    return isinstance(made, dict) and made.get("sha256") == corpus.sha256
