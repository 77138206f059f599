"""Valid-tag decoding: the best tag sequence that the scheme allows, for many sentences at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.labels import LabelMap

__all__ = ["best_valid_tags", "forbidden_penalty"]

FORBIDDEN = -1e4  # finite, so that a sentence that no allowed path fits still gets an answer
LEAST = -1e3  # log-probabilities below count as this, so that no word makes a forbidden path look good
CELLS = 1 << 21  # back pointers held at once, unless a single sentence needs more
LONG = 256  # words of a sentence from which on it pays to look for words at which it can be cut
MARGIN = 1e-2  # by which a word's O must be beyond what rounding decides


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
    borders = _cut(scores, borders, result, labels)
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


def _cut(
    scores: NDArray[np.float32], borders: NDArray[np.int64], best: NDArray[np.int64], labels: LabelMap
) -> NDArray[np.int64]:
    """Cut long sentences behind words whose tag is O in the best path, whatever stands around them.

    A word's O is certain when it scores higher than the word's other tags by more than it can cost to put the words
    before and after it right: a neighbour that may not stand beside O takes a tag that may, and that may stand
    wherever the old one did as far as its other neighbour goes (behind O an I becomes B). Each part is then a
    sentence by itself. A search over one sentence takes a step of Python for each word; parts are searched together.

    Args:
        scores: shape (words, labels): log-probabilities.
        borders: shape (sentences + 1,): where each sentence begins.
        best: shape (words,): each word's best tag.
        labels: the label map.

    Returns:
        int64: `borders` and further ones, in order.
    """
    long = np.flatnonzero(np.diff(borders) >= LONG)
    outside = labels.label2id.get("O")
    allowed = labels.transitions
    if not len(long) or outside is None:
        return borders
    if (allowed[outside] != allowed[-1]).any() or (allowed[:, outside] != allowed[:, -1]).any():
        return borders  # O is no border in this scheme
    before, after = allowed[:-1, outside], allowed[outside, :-1]
    left = [
        (int(tag), before & (allowed[:, :-1] >= allowed[:, tag, None]).all(axis=0))
        for tag in np.flatnonzero(~before)
    ]
    right = [(int(tag), after & (allowed[:-1] >= allowed[tag]).all(axis=1)) for tag in np.flatnonzero(~after)]
    found = [borders]
    for sentence in long:
        first, last = int(borders[sentence]), int(borders[sentence + 1])
        rows = np.maximum(scores[first:last], LEAST)
        others = np.delete(rows, outside, axis=1).max(axis=1)
        ahead = rows[:, outside] - others - MARGIN
        ahead[1:] -= _cost(rows[:-1], left)
        ahead[:-1] -= _cost(rows[1:], right)
        found.append(first + 1 + np.flatnonzero((ahead > 0) & (best[first:last] == outside)))
    return np.unique(np.concatenate(found))


def _cost(rows: NDArray[np.float32], mends: list[tuple[int, NDArray[np.bool_]]]) -> NDArray[np.float32]:
    """Return what it costs each word, at most, to take one of its allowed tags in place of another."""
    cost = np.zeros(len(rows), dtype=np.float32)
    for tag, replacements in mends:
        instead = rows[:, replacements].max(axis=1, initial=-np.inf)
        np.maximum(cost, rows[:, tag] - instead, out=cost)
    return cost


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
