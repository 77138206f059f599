"""The trainer of a model that is shared out over several GPUs (FSDP 2)."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import load_fsdp_model
from numpy.typing import NDArray

from tagwright.model.huggingface import quiet
from tagwright.score.counts import Scores
from tagwright.train import checkpoint
from tagwright.train.scoring import LiveRuntime, Part, score_part
from tagwright.train.sharding import whole_weights
from tagwright.train.trainer import TaggerTrainer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["ShardedTrainer"]


class _ShardedRuntime(LiveRuntime):
    """The model in training, whose weights are gathered anew in each call; all processes must call equally often."""

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score a batch: int64 (batch, pieces) in, float32 (batch, pieces, labels) out."""
        batch = {
            "input_ids": torch.from_numpy(input_ids).to(self._device),
            "attention_mask": torch.from_numpy(attention_mask).to(self._device),
        }
        # Not `inference_mode`: what is gathered in it cannot be trained on afterwards.
        with torch.no_grad(), torch.autocast(self._device.type, torch.bfloat16, enabled=self.autocast):
            logits: NDArray[np.float32] = self._model(**batch).logits.float().cpu().numpy()
        return logits


class ShardedTrainer(TaggerTrainer):
    """Trains a tagger of which each process holds a part.

    Checkpoints hold the whole model and the whole optimizer, gathered on the first process, so that another number of
    processes can go on from them.
    """

    def __init__(self, model: PreTrainedModel, args: Any, **chosen: Any) -> None:
        self.whole = deepcopy(model)  # on the CPU, to take the weights again at the end
        super().__init__(model, args, **chosen)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Run one batch forward and backward; see `TaggerTrainer.training_step`."""
        with warnings.catch_warnings():
            # Of changing the logits in place, which nobody does.
            warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
            return super().training_step(*args, **kwargs)

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        norm = self.accelerator.clip_grad_norm_(model.parameters(), self.args.max_grad_norm)
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        self._check("the norm of the gradients", norm.item())
        return torch.as_tensor(norm)

    def score(self, part: Part) -> Scores:
        """Tag a split with the model as it is now, and count."""
        runtime = _ShardedRuntime(
            self.model,
            self.recipe.train.precision,
            autocast=self.recipe.train.precision == "bf16",
            batch_pieces=self.recipe.predict.batch_pieces,
        )
        runtime._device = self.args.device  # with `fsdp_offload` the model itself lies on the CPU
        return score_part(runtime, part, self.labels, self.recipe, even=True)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the whole model; all processes must ask."""
        weights = whole_weights(self.model)
        if self.args.should_save:
            with quiet():
                self.whole.save_pretrained(output_dir or self.args.output_dir, state_dict=weights)

    def load_weights(self, folder: Path) -> None:
        """Take the weights of a checkpoint, which the first process alone must see; all of them must ask.

        Raises:
            RunError: it is not whole.
        """
        checkpoint.check_whole(folder)
        load_fsdp_model(self.accelerator.state.fsdp_plugin, self.accelerator, self.model, str(folder))

    def plain_model(self) -> PreTrainedModel:
        """Return the whole model, on the CPU; all processes must ask, and each gets it."""
        self.whole.load_state_dict(whole_weights(self.model))
        return self.whole
