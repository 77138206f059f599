"""Scores in training: the model as it is now, on a split that is encoded already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tagwright.config import Recipe
from tagwright.encode.windows import Encoded
from tagwright.predict.decoding import tag_words
from tagwright.predict.runtimes import Runtime
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.score.counts import Scores, score_tags
from tagwright.score.scores import add_up
from tagwright.tags import LabelMap, best_valid_tags
from tagwright.train.history import History
from tagwright.train.ranks import among_several, everyones, processes, rank
from tagwright.train.shared import shared_log_probabilities

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["LiveRuntime", "Part", "is_out_of_memory", "record_evaluation", "score_part"]


@dataclass(frozen=True)
class Part:
    """One split, encoded.

    Attributes:
        encoded: its windows.
        tags: int64, shape (words,): the gold tag of each word.
    """

    encoded: Encoded
    tags: NDArray[np.int64]


class LiveRuntime(TorchRuntime):
    """The model in training, as it is: neither moved nor converted."""

    def __init__(self, model: PreTrainedModel, precision: str, *, autocast: bool, batch_pieces: int) -> None:
        self._model = model
        self._device = model.device
        self.device = str(model.device)
        self.batch_pieces = batch_pieces
        self.precision = precision
        self.autocast = autocast

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score a batch: int64 (batch, pieces) in, float32 (batch, pieces, labels) out."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.autocast):
            return super().logits(input_ids, attention_mask)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch failed for want of memory; the CPU's allocator raises a plain `RuntimeError`."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def score_part(
    runtime: Runtime, part: Part, labels: LabelMap, recipe: Recipe, *, even: bool = False
) -> Scores:
    """Tag an encoded split with a runtime, in batches of the size it asks for, and count.

    Several processes share out the batches and then the sentences; each gets the sum of what all counted, which is
    what one process counts.

    Args:
        runtime: what computes the logits.
        part: the split.
        labels: the label map.
        recipe: the resolved recipe.
        even: let every process call the runtime equally often; see `shared_log_probabilities`.
    """
    encoded = part.encoded
    if not among_several():
        tagged = tag_words(
            runtime,
            encoded,
            labels,
            valid_tags=recipe.predict.valid_tags,
            batch_pieces=runtime.batch_pieces,
        )
        return score_tags(part.tags, tagged.ids, encoded.word_offsets, labels, lost_words=encoded.lost_words)
    rows = shared_log_probabilities(runtime, encoded, labels, batch_pieces=runtime.batch_pieces, even=even)
    sentences = len(encoded.word_offsets) - 1
    first, last = (sentences * number // processes() for number in (rank(), rank() + 1))
    start, end = encoded.word_offsets[[first, last]]
    offsets = encoded.word_offsets[first : last + 1] - start
    own = rows[start:end]
    ids = best_valid_tags(own, offsets, labels) if recipe.predict.valid_tags else own.argmax(axis=1)
    lost = int((encoded.word_positions[start:end] < 0).sum())
    return add_up(everyones(score_tags(part.tags[start:end], ids, offsets, labels, lost_words=lost)))


def record_evaluation(
    history: History, scores: Scores, state: Any, *, learning_rate: float, prefix: str = "eval"
) -> dict[str, float]:
    """Put an evaluation into the history, and return what callbacks and trackers are told of it.

    Args:
        history: the run's.
        scores: of the validation split.
        state: the run's `transformers.TrainerState`.
        learning_rate: of the encoder's top layer.
        prefix: what the names of the metrics begin with.
    """
    lenient = scores.lenient.micro
    ratios = {"f1": lenient.f1, "precision": lenient.precision, "recall": lenient.recall}
    history.evaluated(state.global_step, epoch=state.epoch, learning_rate=learning_rate, **ratios)
    told = {**ratios, "strict_f1": scores.strict.f1, "accuracy": scores.accuracy}
    return {f"{prefix}_{name}": value for name, value in told.items()}
