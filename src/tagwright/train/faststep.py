"""A training step with less to do, for CPUs: the same recipe, fewer bytes moved.

Four exchanges, made on the model before training and taken back after it, so that what is saved is the plain model:

* the word embeddings keep a trainable row only for pieces that the training split holds: the gradient of the others
  is zero in every step, and AdamW would still read and write all of them (only to decay them, which is left out);
* in bf16, matrix products read a bf16 copy of each fp32 weight, made once a step instead of once a product, and
  activations stay bf16 between the layers;
* dropout draws one random byte a value (rates are multiples of 1/256) from a generator seeded by (seed, step);
* attention over short sentences is written out: PyTorch's fused CPU kernel is slower there in the backward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from tagwright.model.huggingface import first_line, quiet
from tagwright.train.fastmodules import (
    ActiveEmbedding,
    FastDropout,
    FastLinear,
    FullHead,
    HalfEmbedding,
    Noise,
    plain_attention,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["FastStep"]

ATTENTION = "tagwright_plain"


class FastStep:
    """The exchanges on one model. `apply` makes them, `undo` takes them back, `refresh` follows each update.

    Args:
        model: a transformers token-classification model on the CPU.
        rows: int64, shape (rows,): the pieces that training can bring up, sorted, special ones included.
        bf16: multiply in bf16.
        seed: seed of the dropout masks.
        process: rank of this process among several.
    """

    def __init__(
        self, model: PreTrainedModel, rows: np.ndarray[Any, Any], *, bf16: bool, seed: int, process: int = 0
    ) -> None:
        self.model = model
        self.rows = torch.from_numpy(np.asarray(rows, dtype=np.int64))
        self.bf16 = bf16
        self.noise = Noise(seed, process)
        self.linears: list[FastLinear] = []

    def apply(self, batch: dict[str, torch.Tensor]) -> str | None:
        """Make the exchanges, and keep them only if the model still answers the same.

        Args:
            batch: `input_ids` and `attention_mask` to compare the answers on.

        Returns:
            None when they are kept, otherwise why they were taken back.
        """
        self.model.eval()
        before = self._scores(batch)
        spread = float(before.std()) or 1.0
        reason = None
        try:
            # One after the other: what bf16 may move the scores by would hide an attention that is another function.
            for exchange, allowed in (
                (self._exchange_attention, 1e-3),
                (self._exchange_modules, 0.05 if self.bf16 else 1e-3),
            ):
                exchange()
                difference = float((self._scores(batch) - before).abs().mean()) / spread
                if not difference < allowed:
                    reason = f"the model's scores moved by {difference:.3f} of their spread"
                    break
            else:
                self.model.train()
                self.model(**batch).logits.sum().backward()
        except Exception as error:  # the model is foreign code: whatever it raises, it does not fit
            reason = f"{type(error).__name__}: {first_line(error)}"
        self.model.zero_grad()
        if reason is not None:
            self.undo()
        return reason

    def _scores(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            scores: torch.Tensor = self.model(**batch).logits.float()
        return scores

    def _exchange_attention(self) -> None:
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, eager_mask

        for module in self.model.modules():
            module.noise = self.noise
        AttentionInterface.register(ATTENTION, plain_attention)
        AttentionMaskInterface.register(ATTENTION, eager_mask)
        self.attention_before = self.model.config._attn_implementation
        with quiet():  # models with an attention of their own keep it, and say so
            self.model.set_attn_implementation(ATTENTION)

    def _exchange_modules(self) -> None:
        base = self.model.base_model
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        words = self.model.get_input_embeddings()
        in_base = set(base.modules())
        for module in self.model.modules():
            if type(module) is nn.Dropout:
                module.__class__ = FastDropout
            elif self.bf16 and type(module) is nn.Linear:
                module.__class__ = FastLinear if module in in_base else FullHead
                if isinstance(module, FastLinear):
                    module.refresh()
                    self.linears.append(module)
            elif self.bf16 and type(module) is nn.Embedding and module is not words:
                module.__class__ = HalfEmbedding
        if type(words) is nn.Embedding:
            self.model.set_input_embeddings(ActiveEmbedding(words, self.rows, dtype))

    def undo(self) -> None:
        """Give the model its plain modules back, with the weights as they are now."""
        plain: dict[type[nn.Module], type[nn.Module]] = {
            FastDropout: nn.Dropout,
            FastLinear: nn.Linear,
            FullHead: nn.Linear,
            HalfEmbedding: nn.Embedding,
        }
        words = self.model.get_input_embeddings()
        if isinstance(words, ActiveEmbedding):
            self.model.set_input_embeddings(words.restore())
        for module in self.model.modules():
            module.__dict__.pop("noise", None)
            module.__class__ = plain.get(type(module), type(module))
            for name in ("weight16", "bias16"):
                module.__dict__.pop(name, None)
        self.linears = []
        if hasattr(self, "attention_before"):
            with quiet():
                self.model.set_attn_implementation(self.attention_before)

    def refresh(self) -> None:
        """Bring the bf16 copies up to date after the weights have changed."""
        with torch.no_grad():
            copies = [(layer.weight16, layer.weight) for layer in self.linears]
            copies += [(layer.bias16, layer.bias) for layer in self.linears if layer.bias16 is not None]
            if copies:
                torch._foreach_copy_([copy for copy, _ in copies], [weight for _, weight in copies])
