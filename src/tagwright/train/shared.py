"""Scores of several processes together: each computes some of the batches that one process alone would compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.batches import budget_batches
from tagwright.encode.windows import Encoded
from tagwright.predict.chunks import sentence_chunks
from tagwright.predict.decoding import WordTags, word_log_probabilities
from tagwright.predict.runtimes import Runtime
from tagwright.predict.tagger import Tagger
from tagwright.records import Sentence
from tagwright.tags import LabelMap, best_valid_tags
from tagwright.train.ranks import processes, rank, summed

__all__ = ["SharedTagger", "shared_log_probabilities"]


class _Hands:
    """Gives batches to processes, each to the one that has had the fewest pieces so far."""

    def __init__(self) -> None:
        self.loads = [0] * processes()
        self.batches = [0] * processes()

    def take(self, pieces: int) -> int:
        hand = min(range(len(self.loads)), key=self.loads.__getitem__)
        self.loads[hand] += pieces
        self.batches[hand] += 1
        return hand


@dataclass(frozen=True)
class _Share:
    """What this process has of the distributions of some words.

    Attributes:
        encoded: the sentences.
        rows: float32, shape (words, labels): log-probabilities of the words of this process, 0 elsewhere; added up
            over the processes, those of all words.
    """

    encoded: Encoded
    rows: NDArray[np.float32]


def shared_log_probabilities(
    runtime: Runtime, encoded: Encoded, labels: LabelMap, *, batch_pieces: int, even: bool = False
) -> NDArray[np.float32]:
    """Return each word's distribution over the labels, to the last bit as one process computes it.

    All processes must ask, each for the same sentences.

    Args:
        runtime: what computes the logits.
        encoded: the sentences.
        labels: the label map of the logits.
        batch_pieces: pieces in a batch, padding included.
        even: let every process call the runtime equally often, as a model needs that is shared out among them.

    Returns:
        float32, shape (words, labels): log-probabilities, with certainty of O where the word was cut.
    """
    hands = _Hands()
    share = _own_share(runtime, encoded, labels, hands, batch_pieces)
    if even:
        spare = np.full((1, 2), encoded.pad_id, dtype=np.int64)
        for _ in range(max(hands.batches) - hands.batches[rank()]):
            runtime.logits(spare, np.ones_like(spare))
    return summed(share.rows)


def _own_share(
    runtime: Runtime, encoded: Encoded, labels: LabelMap, hands: _Hands, batch_pieces: int
) -> _Share:
    """Compute this process' batches of some sentences.

    Words of other processes' batches are hidden from `word_log_probabilities` as words that were cut. It then finds
    the same batches: those of its own windows alone are what is left of the whole plan.
    """
    held = np.flatnonzero(encoded.word_positions >= 0)
    homes = np.searchsorted(encoded.offsets, encoded.word_positions[held], side="right") - 1
    windows = np.unique(homes)
    lengths = encoded.lengths
    hand_of = np.full(len(lengths), -1)
    for batch in budget_batches(lengths[windows], batch_pieces):
        taken = windows[batch]
        hand_of[taken] = hands.take(len(taken) * int(lengths[taken].max()))
    own = held[hand_of[homes] == rank()]
    positions = np.full_like(encoded.word_positions, -1)
    positions[own] = encoded.word_positions[own]
    rows, _ = word_log_probabilities(
        runtime, replace(encoded, word_positions=positions), labels, batch_pieces=batch_pieces
    )
    told = positions >= 0
    if rank() == 0:
        told |= encoded.word_positions < 0
    rows[~told] = 0
    return _Share(encoded, rows)


class SharedTagger(Tagger):
    """A tagger for scoring: its processes share out the batches of a split, and all get all tags.

    Temperature and thresholds, which a tagger that has just been trained has not, are left out.
    """

    def tag_ids(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        names: Sequence[str] | None = None,
        log_probabilities: bool = False,
    ) -> WordTags:
        """Tag sentences as `Tagger.tag_ids` does, in the same batches."""
        if processes() == 1:
            return super().tag_ids(sentences, names=names, log_probabilities=log_probabilities)
        hands = _Hands()
        shares = []
        done = 0
        for chunk in list(sentence_chunks(Sentence("", words) for words in sentences)) or [[]]:
            some = None if names is None else names[done : done + len(chunk)]
            encoded = self._encode([sentence.tokens for sentence in chunk], some)
            shares.append(_own_share(self.runtime, encoded, self.labels, hands, self.batch_pieces))
            done += len(chunk)
        # Not after each chunk: its batches may be one process' alone, and the others would wait for it.
        return WordTags.joined([self._decode(share, log_probabilities) for share in shares])

    def _decode(self, share: _Share, log_probabilities: bool) -> WordTags:
        rows, encoded = summed(share.rows), share.encoded
        ids = (
            best_valid_tags(rows, encoded.word_offsets, self.labels)
            if self.meta.valid_tags
            else rows.argmax(axis=1)
        )
        probabilities = np.exp(rows[np.arange(len(ids)), ids])
        probabilities[encoded.word_positions < 0] = 0
        return WordTags(
            ids, probabilities, self.batch_pieces, encoded.lost_words, rows if log_probabilities else None
        )
