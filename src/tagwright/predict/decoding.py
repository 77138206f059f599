"""From logits to one tag a word: batches, log-probabilities, the best tags, their temperature and thresholds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.batches import budget_batches, pad_batch
from tagwright.encode.pieces import ranges
from tagwright.encode.windows import Encoded
from tagwright.errors import RunError
from tagwright.predict.runtimes import Runtime
from tagwright.predict.thresholds import without_spans
from tagwright.tags import LabelMap, best_valid_tags
from tagwright.tags.spans import Spans

__all__ = ["WordTags", "span_scores", "tag_words", "tempered", "word_log_probabilities"]

SLAB = 1 << 16  # words whose distributions are tempered at once
IMPOSSIBLE = np.float32(-1e4)  # finite, like the penalty of a forbidden transition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WordTags:
    """One tag a word, flat over sentences.

    Attributes:
        ids: int64, shape (words,).
        probabilities: float32, shape (words,): the probability of the chosen tag; 0 where the word was cut.
        batch_pieces: the budget at the end; less than the one given where memory ran out.
        lost_words: words that were cut and got O unseen.
        log_probabilities: float32, shape (words, labels): each word's distribution; only when asked for.
        dropped_entities: entities whose score lay under the threshold of their type; their words got O.
    """

    ids: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    batch_pieces: int
    lost_words: int = 0
    log_probabilities: NDArray[np.float32] | None = None
    dropped_entities: int = 0

    @classmethod
    def joined(cls, parts: Sequence[WordTags]) -> WordTags:
        """Put the tags of one or more parts one after another; `batch_pieces` is the last part's."""
        rows = [part.log_probabilities for part in parts if part.log_probabilities is not None]
        return cls(
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.probabilities for part in parts]),
            parts[-1].batch_pieces,
            sum(part.lost_words for part in parts),
            np.concatenate(rows) if rows else None,
            sum(part.dropped_entities for part in parts),
        )


def tag_words(
    runtime: Runtime,
    encoded: Encoded,
    labels: LabelMap,
    *,
    valid_tags: bool,
    batch_pieces: int,
    log_probabilities: bool = False,
    temperature: float = 1.0,
    thresholds: NDArray[np.float64] | None = None,
) -> WordTags:
    """Choose a tag for each word.

    Args:
        runtime: what computes the logits.
        encoded: the sentences.
        labels: the label map of the logits.
        valid_tags: choose the best sequence that the scheme allows (Viterbi) instead of each word's best tag.
        batch_pieces: pieces in a batch, padding included. When memory runs out it is halved, with a warning.
        log_probabilities: keep each word's distribution over the labels.
        temperature: what the log-probabilities are divided by once the tags are chosen; it changes no tag.
        thresholds: float64, shape (types,): the least score of an entity of each type. The words of an entity
            under it get O, which the label map must have.

    Returns:
        Tags and their probabilities. Words that were cut (`word_positions` of -1) get O, with probability 0.

    Raises:
        RunError: memory does not suffice for one window.
    """
    scores, batch_pieces = word_log_probabilities(runtime, encoded, labels, batch_pieces=batch_pieces)
    ids = best_valid_tags(scores, encoded.word_offsets, labels) if valid_tags else scores.argmax(axis=1)
    if log_probabilities:
        scores, temperature = tempered(scores, temperature), 1.0
    probabilities = _probabilities(scores, ids, temperature)
    dropped = 0
    if thresholds is not None:
        spans = labels.spans(ids, encoded.word_offsets)
        low = span_scores(probabilities, spans) < thresholds[spans.types]
        dropped = int(np.count_nonzero(low))
        ids = without_spans(
            ids,
            Spans(spans.starts[low], spans.ends[low], spans.types[low]),
            encoded.word_offsets,
            labels,
        )
        probabilities = _probabilities(scores, ids, temperature)
    probabilities[encoded.word_positions < 0] = 0
    return WordTags(
        ids, probabilities, batch_pieces, encoded.lost_words, scores if log_probabilities else None, dropped
    )


def tempered(log_probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Divide log-probabilities by a temperature and normalise them again (Guo et al. 2017).

    Args:
        log_probabilities: shape (words, labels).
        temperature: above 1 flattens the distributions, below 1 sharpens them; 1 returns the same array.
    """
    if temperature == 1:
        return log_probabilities
    return _log_softmax(log_probabilities / np.float32(temperature))


def _probabilities(
    log_probabilities: NDArray[np.float32], ids: NDArray[np.int64], temperature: float
) -> NDArray[np.float32]:
    """Return the probability of each word's tag, float32 of shape (words,), without a second array of all tags."""
    result = np.empty(len(ids), dtype=np.float32)
    for start in range(0, len(ids), SLAB):
        some, chosen = log_probabilities[start : start + SLAB], ids[start : start + SLAB]
        result[start : start + SLAB] = tempered(some, temperature)[np.arange(len(chosen)), chosen]
    return np.exp(result, out=result)


def span_scores(probabilities: NDArray[np.float32], spans: Spans) -> NDArray[np.float64]:
    """Return the score of each span: the mean probability of its tags.

    Args:
        probabilities: shape (words,): the probability of each word's tag.
        spans: the spans, as positions in the same words.

    Returns:
        float64, shape (spans,), in 0..1. A span's score depends on its own words alone, to the last bit.
    """
    if not len(spans):
        return np.zeros(0, dtype=np.float64)
    bounds = np.stack([spans.starts, spans.ends], axis=1).ravel()
    sums = np.add.reduceat(np.append(probabilities.astype(np.float64), 0.0), bounds)[::2]
    means: NDArray[np.float64] = sums / (spans.ends - spans.starts)
    return means


def word_log_probabilities(
    runtime: Runtime, encoded: Encoded, labels: LabelMap, *, batch_pieces: int
) -> tuple[NDArray[np.float32], int]:
    """Return each word's distribution over the labels, as log-probabilities.

    The batches depend on the windows' lengths and the budget alone, so that the same sentences give the same
    bytes. Only the words' first pieces are looked at.

    Args:
        runtime: what computes the logits.
        encoded: the sentences.
        labels: the label map of the logits.
        batch_pieces: pieces in a batch, padding included.

    Returns:
        float32, shape (words, labels), with certainty of O where the word was cut; and the budget at the end.

    Raises:
        RunError: memory does not suffice for one window.
    """
    result = np.full((len(encoded.word_positions), len(labels)), IMPOSSIBLE, dtype=np.float32)
    result[encoded.word_positions < 0, labels.label2id.get("O", 0)] = 0
    kept = np.flatnonzero(encoded.word_positions >= 0)
    positions = encoded.word_positions[kept]
    homes = np.searchsorted(encoded.offsets, positions, side="right") - 1
    columns = positions - encoded.offsets[homes]
    by_window = np.argsort(homes, kind="stable")
    counts = np.bincount(homes, minlength=len(encoded.offsets) - 1)
    firsts = np.cumsum(counts) - counts
    todo = np.flatnonzero(counts)
    plan = deque(todo[batch] for batch in budget_batches(encoded.lengths[todo], batch_pieces))
    while plan:
        windows = plan.popleft()
        try:
            logits = runtime.logits(*pad_batch(encoded, windows))
        except MemoryError as error:
            longest = int(encoded.lengths[windows].max())
            if len(windows) == 1:
                raise RunError(
                    f"out of memory with a single window of {longest} pieces",
                    mend="give the process more memory, or train with a smaller max_pieces",
                ) from error
            batch_pieces = min(batch_pieces, len(windows) * longest) // 2
            _log.warning("out of memory: going on with batches of %d pieces", batch_pieces)
            todo = np.sort(np.concatenate([windows, *plan]))
            plan = deque(todo[batch] for batch in budget_batches(encoded.lengths[todo], batch_pieces))
            continue
        words = by_window[ranges(firsts[windows], counts[windows])]
        rows = np.repeat(np.arange(len(windows)), counts[windows])
        result[kept[words]] = _log_softmax(logits[rows, columns[words]])
    return result, batch_pieces


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(logits).all():
        raise RunError(
            "the model's scores are not finite",
            mend="its weights are damaged, or do not fit the precision: try fp32",
        )
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
