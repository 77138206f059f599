"""The least score that an entity needs: from the bundle and the caller, applied to tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.pieces import ranges
from tagwright.errors import InputError
from tagwright.model.bundle import BundleMeta
from tagwright.tags import LabelMap, Scheme
from tagwright.tags.scheme import B, I
from tagwright.tags.spans import IntArray, Spans

__all__ = ["as_array", "chosen_thresholds", "notice_of_precision", "without_spans"]


def chosen_thresholds(
    meta: BundleMeta, *, thresholds: bool = True, min_score: float = 0.0
) -> dict[str, float]:
    """Return the least score of each type.

    Args:
        meta: the bundle's.
        thresholds: whether its own thresholds count.
        min_score: the least score of any type, in 0..1.

    Raises:
        InputError: `min_score` is out of range, or entities are to be dropped and no label says "nothing".
    """
    if not 0 <= min_score <= 1:
        raise InputError(f"a score of {min_score:g} cannot be asked for", mend="give one from 0 to 1")
    chosen = dict(meta.thresholds) if thresholds else {}
    if min_score:
        chosen = {name: max(chosen.get(name, 0.0), min_score) for name in meta.label_map.types}
    if any(chosen.values()) and "O" not in meta.labels:
        raise InputError(
            "entities cannot be dropped where every word has a label and none is O",
            mend="give no least score, and load it without thresholds",
        )
    return chosen


def notice_of_precision(path: str | Path, meta: BundleMeta, precision: str) -> str | None:
    """Say that a bundle answers at another precision than its temperature and thresholds were fitted at."""
    fitted = meta.calibrated_at
    if not meta.calibrated or fitted in (None, precision):
        return None
    return (
        f"{path} was calibrated in {fitted} and answers in {precision}: its scores may be a little off; "
        f"calibrate it with --precision {precision}"
    )


def as_array(thresholds: Mapping[str, float], labels: LabelMap) -> NDArray[np.float64] | None:
    """Return the threshold of each type of a label map, float64 of shape (types,); None where all are 0."""
    if not any(thresholds.values()):
        return None
    return np.array([thresholds.get(name, 0.0) for name in labels.types])


def without_spans(
    ids: NDArray[np.int64], spans: Spans, offsets: IntArray, labels: LabelMap
) -> NDArray[np.int64]:
    """Give the words of some spans the tag O; the other spans stay what they are.

    Args:
        ids: shape (words,): tag ids.
        spans: those to take away, out of the lenient reading of the ids.
        offsets: shape (sentences + 1,): where each sentence begins.
        labels: the label map; it has the tag O.

    Returns:
        int64, shape (words,). A valid sequence stays valid: under IOB1, where B stands only behind a span of
        its type, a B whose neighbour is gone becomes I.
    """
    ids = ids.copy()
    ids[ranges(spans.starts, spans.ends - spans.starts)] = labels.label2id["O"]
    if labels.scheme is Scheme.IOB1:
        after = spans.ends[~np.isin(spans.ends, offsets)]
        for word in after[labels.roles[ids[after]] == B].tolist():
            inside = (labels.roles == I) & (labels.type_ids == labels.type_ids[ids[word]])
            ids[word] = np.append(np.flatnonzero(inside), ids[word])[0]
    return ids
