"""An export beside its reference, window by window: logits, tags, entities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.batches import pad_batch
from tagwright.encode.pieces import ranges
from tagwright.encode.windows import Encoded
from tagwright.errors import RunError
from tagwright.predict.runtimes import Runtime
from tagwright.tags import LabelMap, best_valid_tags

__all__ = ["Answers", "Difference", "answers_of", "mixed_batches"]

TOLERANCE = 1e-3
"""How far fp32 logits may lie apart, as a share of the largest logit (of 1, where that is less)."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one runtime says of sentences.

    Attributes:
        logits: float32, shape (pieces, labels): of every piece of every window.
        scores: float32, shape (words, labels): log-probabilities.
        ids: int64, shape (words,): the tags.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    ids: NDArray[np.int64]


def mixed_batches(encoded: Encoded, budget: int) -> list[NDArray[np.int64]]:
    """Batch windows in a seeded random order, so that short ones are padded to long ones.

    Args:
        encoded: the windows.
        budget: pieces in a batch at most, padding included; a longer window is a batch by itself.
    """
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(encoded.lengths))
    batches: list[list[int]] = []
    widest = 0
    for window, length in zip(order.tolist(), encoded.lengths[order].tolist(), strict=True):
        widest = max(widest, length)
        if not batches or widest * (len(batches[-1]) + 1) > budget:
            batches.append([])
            widest = length
        batches[-1].append(window)
    return [np.array(batch, dtype=np.int64) for batch in batches]


def answers_of(
    runtime: Runtime, encoded: Encoded, labels: LabelMap, *, valid_tags: bool, budget: int
) -> Answers:
    """Run a runtime over windows in padded batches of mixed lengths, and decode.

    Raises:
        RunError: the logits have another shape than they should.
    """
    logits = np.zeros((len(encoded.ids), len(labels)), dtype=np.float32)
    for windows in mixed_batches(encoded, budget):
        pieces, mask = pad_batch(encoded, windows)
        found = runtime.logits(pieces, mask)
        if found.shape != (*pieces.shape, len(labels)):
            raise RunError(
                f"the {runtime.name} export gives logits of shape {found.shape} for pieces of shape {pieces.shape}"
                f" and {len(labels)} labels",
                mend="docs/export.md names what can be exported",
            )
        logits[ranges(encoded.offsets[windows], encoded.lengths[windows])] = found[mask == 1]
    scores = np.nan_to_num(logits[encoded.word_positions])  # what is not finite is found out by the caller
    shifted = scores - scores.max(axis=1, keepdims=True)
    scores = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    chosen = best_valid_tags(scores, encoded.word_offsets, labels) if valid_tags else scores.argmax(axis=1)
    return Answers(logits, scores, chosen)


@dataclass(frozen=True)
class Difference:
    """How an export's answers differ from the reference's.

    Attributes:
        reference: PyTorch's answers in fp32.
        export: the export's.
        encoded: the sentences.
    """

    reference: Answers
    export: Answers
    encoded: Encoded

    @cached_property
    def finite(self) -> bool:
        """Whether all of the export's logits are numbers."""
        return bool(np.isfinite(self.export.logits).all())

    @cached_property
    def by_piece(self) -> NDArray[np.float32]:
        """The largest difference of logits at each piece: float32, shape (pieces,); infinite where not finite."""
        apart = np.abs(self.export.logits - self.reference.logits).max(axis=1)
        return np.where(np.isfinite(apart), apart, np.float32(np.inf))

    @property
    def largest(self) -> float:
        """The largest difference of logits."""
        return float(self.by_piece.max())

    @cached_property
    def tolerated(self) -> float:
        """What rounding explains in fp32."""
        return TOLERANCE * max(1.0, float(np.abs(self.reference.logits).max()))

    @cached_property
    def differing(self) -> NDArray[np.bool_]:
        """Which words have another tag: shape (words,)."""
        return np.not_equal(self.reference.ids, self.export.ids)

    @cached_property
    def gaps(self) -> NDArray[np.float64]:
        """By how much the reference prefers its own tags to the export's, for each sentence; 0 where they agree.

        float64, shape (sentences,): a difference of sums of log-probabilities.
        """
        rows = np.arange(len(self.differing))
        lost = self.reference.scores[rows, self.reference.ids] - self.reference.scores[rows, self.export.ids]
        return self._by_sentence(lost.astype(np.float64))

    @cached_property
    def near_ties(self) -> int:
        """Words with another tag whose two paths the reference holds for equal, but for rounding.

        Two sequences of tags that differ in k words may change places when no logit moves by more than d if their
        scores lie within 2 k d. Here d is the largest difference of logits, and never more than what rounding
        explains in fp32, so that a graph that computes something else is not excused by its own errors.
        """
        counts = self._by_sentence(self.differing.astype(np.float64))
        near = self.gaps <= 2 * counts * min(self.largest, self.tolerated) + 1e-6
        return int(counts[near].sum())

    @cached_property
    def worst(self) -> int:
        """The sentence that the export gets most wrong, counted from 0."""
        if self.differing.any():
            return int(self.gaps.argmax())
        windows = np.searchsorted(self.encoded.offsets, self.by_piece.argmax(), side="right") - 1
        return int(self.encoded.sentences[windows])

    def _by_sentence(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.concatenate(([0.0], np.cumsum(values)))
        return np.diff(sums[self.encoded.word_offsets])
