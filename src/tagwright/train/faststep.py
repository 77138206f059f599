"""A training step with less to do, for CPUs: the same recipe, fewer bytes moved.

Four exchanges, made on the model before training and taken back after it, so that what is saved is the plain model:

* the word embeddings keep a trainable row only for pieces that the training split holds: the gradient of the others
  is zero in every step, and AdamW would still read and write all of them;
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

ATTENTION = "tagwright"


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
        with torch.no_grad():
            before = self.model(**batch).logits.float()
        reason = None
        try:
            self._exchange()
            with torch.no_grad():
                after = self.model(**batch).logits.float()
            self.model.train()
            self.model(**batch).logits.sum().backward()
            spread = float(before.std()) or 1.0
            difference = float((after - before).abs().mean()) / spread
            if not difference < (0.05 if self.bf16 else 1e-3):
                reason = f"the model's scores moved by {difference:.3f} of their spread"
        except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        self.model.zero_grad()
        if reason is not None:
            self.undo()
        return reason

    def _exchange(self) -> None:
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, eager_mask

        base = self.model.base_model
        dtype = torch.bfloat16 if self.bf16 else torch.float32
        words = self.model.get_input_embeddings()
        in_base = set(base.modules())
        for module in self.model.modules():
            module.noise = self.noise
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
        self.attention_before = self.model.config._attn_implementation
        AttentionInterface.register(ATTENTION, plain_attention)
        AttentionMaskInterface.register(ATTENTION, eager_mask)
        self.model.set_attn_implementation(ATTENTION)

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
            table = nn.Embedding(words.num_embeddings, words.embedding_dim, words.padding_idx)
            table.weight = nn.Parameter(words.full())
            self.model.set_input_embeddings(table)
        for module in self.model.modules():
            module.__dict__.pop("noise", None)
            module.__class__ = plain.get(type(module), type(module))
            for name in ("weight16", "bias16"):
                module.__dict__.pop(name, None)
        self.linears = []
        if hasattr(self, "attention_before"):
            self.model.set_attn_implementation(self.attention_before)

    def refresh(self) -> None:
        """Bring the bf16 copies up to date after the weights have changed."""
        with torch.no_grad():
            copies = [(layer.weight16, layer.weight) for layer in self.linears]
            copies += [(layer.bias16, layer.bias) for layer in self.linears if layer.bias16 is not None]
            if copies:
                torch._foreach_copy_([copy for copy, _ in copies], [weight for _, weight in copies])
