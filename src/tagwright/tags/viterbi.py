"""Valid-tag decoding: the best tag sequence that the scheme allows, for many sentences at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.labels import LabelMap

__all__ = ["best_valid_tags", "forbidden_penalty"]

FORBIDDEN = -1e4  # finite, so that a sentence that no allowed path fits still gets an answer
LEAST = -1e3  # log-probabilities below count as this, so that no word makes a forbidden path look good
CELLS = 1 << 21  # back pointers held at once, unless a single sentence needs more


def forbidden_penalty(labels: LabelMap) -> NDArray[np.float32]:
    """Return 0 where a transition is allowed and a large negative score where not.

    Returns:
        float32, shape (labels + 1, labels + 1); rows are the previous tag, the last index is a border.
    """
    return np.where(labels.transitions, 0.0, FORBIDDEN).astype(np.float32)


def best_valid_tags(
    log_probabilities: NDArray[np.floating], offsets: NDArray[np.integer], labels: LabelMap
) -> NDArray[np.int64]:
    """Find, for each sentence, the valid tag sequence with the highest sum of log-probabilities.

    Viterbi's search (1967), run only where the plain argmax breaks the scheme.

    Args:
        log_probabilities: shape (words, labels), flat over sentences.
        offsets: shape (sentences + 1,): where each sentence begins.
        labels: the label map, whose scheme says which tag may follow which.

    Returns:
        int64, shape (words,): tag ids. On equal sums the lower id wins, whatever else is in the call.
    """
    borders = np.asarray(offsets, dtype=np.int64)
    scores = np.asarray(log_probabilities, dtype=np.float32)
    result: NDArray[np.int64] = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
    if bool(labels.transitions.all()):
        return result
    # Where the plain argmax keeps to the scheme, it already is the best path.
    broken = np.zeros(len(scores) + 1, dtype=np.int64)
    broken[1:][labels.invalid(result, borders)] = 1
    counts = np.cumsum(broken)
    todo = np.flatnonzero(counts[borders[1:]] > counts[borders[:-1]])
    lengths = borders[1:][todo] - borders[:-1][todo]
    order = np.argsort(-lengths, kind="stable")
    todo, lengths = todo[order], lengths[order]
    penalty = forbidden_penalty(labels)
    begin = 0
    while begin < len(todo):
        end = begin + max(1, CELLS // (int(lengths[begin]) * len(labels)))
        first = borders[:-1][todo[begin:end]]
        _search(scores, first, lengths[begin:end], penalty, result)
        begin = end
    return result


def _search(
    scores: NDArray[np.float32],
    first: NDArray[np.int64],
    lengths: NDArray[np.int64],
    penalty: NDArray[np.float32],
    result: NDArray[np.int64],
) -> None:
    """Run Viterbi over sentences sorted from long to short and write their tags into `result`.

    Args:
        scores: shape (words, labels): log-probabilities of all words.
        first: shape (sentences,): where each sentence begins in `scores`.
        lengths: shape (sentences,): words in each, none 0, falling.
        penalty: shape (labels + 1, labels + 1): see `forbidden_penalty`.
        result: shape (words,): written where the sentences stand.
    """
    longest, labels = int(lengths[0]), scores.shape[1]
    back = np.zeros((longest, len(first), labels), dtype=np.int16)
    inner, enter, leave = penalty[:-1, :-1], penalty[-1, :-1], penalty[:-1, -1]
    total = np.maximum(scores[first], LEAST).astype(np.float64) + enter
    for step in range(1, longest):
        alive = int(np.searchsorted(-lengths, -step, side="left"))
        paths = total[:alive, :, None] + inner
        back[step, :alive] = paths.argmax(axis=1)
        total[:alive] = paths.max(axis=1) + np.maximum(scores[first[:alive] + step], LEAST)
    tag = (total + leave).argmax(axis=1)
    rows = np.arange(len(first))
    for step in range(longest - 1, -1, -1):
        alive = int(np.searchsorted(-lengths, -step, side="left"))
        result[first[:alive] + step] = tag[:alive]
        if step:
            tag[:alive] = back[step, rows[:alive], tag[:alive]]
