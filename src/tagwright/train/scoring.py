"""Scores in training: the model as it is now, on a split that is encoded already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tagwright.config import Recipe
from tagwright.encode.windows import Encoded
from tagwright.predict.decoding import tag_words
from tagwright.predict.runtimes import Runtime
from tagwright.score.counts import Scores, score_tags
from tagwright.tags import LabelMap

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["LiveRuntime", "Part", "score_part"]


@dataclass(frozen=True)
class Part:
    """One split, encoded.

    Attributes:
        encoded: its windows.
        tags: int64, shape (words,): the gold tag of each word.
    """

    encoded: Encoded
    tags: NDArray[np.int64]


class LiveRuntime:
    """The model in training, as a runtime of `tagwright.predict`."""

    name = "torch"

    def __init__(self, model: PreTrainedModel, precision: str, *, autocast: bool, batch_pieces: int) -> None:
        self.model = model
        self.device = str(model.device)
        self.batch_pieces = batch_pieces
        self.precision = precision
        self.autocast = autocast

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score a batch: int64 (batch, pieces) in, float32 (batch, pieces, labels) out."""
        device = self.model.device
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=self.autocast):
            scores = self.model(
                input_ids=torch.from_numpy(input_ids).to(device),
                attention_mask=torch.from_numpy(attention_mask).to(device),
            ).logits
        result: NDArray[np.float32] = scores.float().cpu().numpy()
        return result


def score_part(runtime: Runtime, part: Part, labels: LabelMap, recipe: Recipe) -> Scores:
    """Tag an encoded split with a runtime, and count."""
    tagged = tag_words(
        runtime,
        part.encoded,
        labels,
        valid_tags=recipe.predict.valid_tags,
        batch_pieces=recipe.predict.batch_pieces,
    )
    return score_tags(
        part.tags, tagged.ids, part.encoded.word_offsets, labels, lost_words=part.encoded.lost_words
    )
