"""The parts of the fast step: cheaper stand-ins for dropout, dense layers, embeddings and attention."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

__all__ = [
    "ActiveEmbedding",
    "FastDropout",
    "FastLinear",
    "FullHead",
    "HalfEmbedding",
    "Noise",
    "plain_attention",
]


class Noise:
    """The random bytes of one training run; a step's bytes depend on (seed, step, process) alone."""

    def __init__(self, seed: int, process: int = 0) -> None:
        self.key = (seed, process)
        self.step = -1
        self._generator = np.random.Generator(np.random.SFC64([*self.key, 0]))

    def begin_batch(self, step: int) -> None:
        """Start the stream of a step; further batches of the same step go on with it."""
        if step != self.step:
            self.step = step
            self._generator = np.random.Generator(np.random.SFC64([*self.key, step]))

    def mask(self, shape: torch.Size, rate: int) -> torch.Tensor:
        """Draw a mask that is False for `rate` of 256 values."""
        noise = bytearray(self._generator.bytes(shape.numel()))
        return (torch.frombuffer(noise, dtype=torch.uint8) >= rate).view(shape)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, noise: Noise, rate: int) -> torch.Tensor:
        keep = noise.mask(hidden.shape, rate)
        ctx.save_for_backward(keep)
        ctx.scale = 256 / (256 - rate)
        return hidden.mul(ctx.scale).mul_(keep)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (keep,) = ctx.saved_tensors
        return grads[0].mul(ctx.scale).mul_(keep), None, None


def drop(hidden: torch.Tensor, noise: Noise, probability: float) -> torch.Tensor:
    """Drop values with a probability rounded to 1/256 and scale up the others, as `torch.nn.Dropout` does."""
    rate = min(round(probability * 256), 255)
    dropped: torch.Tensor = _Drop.apply(hidden, noise, rate) if rate else hidden  # type: ignore[no-untyped-call]  # untyped in torch
    return dropped


class FastDropout(nn.Dropout):
    """`torch.nn.Dropout` on bytes of `Noise`."""

    noise: Noise

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Drop values while training."""
        return drop(input, self.noise, self.p) if self.training else input


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: nn.Parameter, bias: nn.Parameter | None, layer: FastLinear
    ) -> torch.Tensor:
        ctx.save_for_backward(hidden, layer.weight16)
        ctx.has_bias = bias is not None
        return functional.linear(hidden, layer.weight16, layer.bias16)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight16 = ctx.saved_tensors
        rows = grads[0].reshape(-1, grads[0].shape[-1])
        grad_hidden = grads[0].matmul(weight16)
        grad_weight = rows.t().mm(hidden.reshape(-1, hidden.shape[-1])).float()
        grad_bias = rows.sum(0, dtype=torch.float32) if ctx.has_bias else None
        return grad_hidden, grad_weight, grad_bias, None


class FastLinear(nn.Linear):
    """A dense layer with fp32 weights that multiplies in bf16."""

    weight16: torch.Tensor
    bias16: torch.Tensor | None

    def refresh(self) -> None:
        """Copy the weights to bf16 again."""
        self.weight16 = self.weight.detach().to(torch.bfloat16)
        self.bias16 = None if self.bias is None else self.bias.detach().to(torch.bfloat16)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Multiply, shapes as in `torch.nn.Linear`; bf16 out."""
        hidden = input.to(torch.bfloat16)
        if not torch.is_grad_enabled():
            return functional.linear(hidden, self.weight16, self.bias16)
        product: torch.Tensor = _Product.apply(hidden, self.weight, self.bias, self)  # type: ignore[no-untyped-call]  # untyped in torch
        return product


class HalfEmbedding(nn.Embedding):
    """An embedding with fp32 weights whose rows come out in bf16."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Look rows up."""
        return super().forward(input).to(torch.bfloat16)


class FullHead(nn.Linear):
    """The head stays in fp32: it is small, and its differences decide."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Multiply in fp32."""
        return super().forward(input.float())


class ActiveEmbedding(nn.Module):
    """Word embeddings of which only some rows are trained; saves and loads as a plain `torch.nn.Embedding`.

    Args:
        embedding: the embedding to stand in for; it is kept, and brought up to date by `restore`.
        rows: the rows to train: every piece that the training split can bring up.
        dtype: what the rows come out as.
    """

    def __init__(self, embedding: nn.Embedding, rows: torch.Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.rows = rows
        self._plain = (
            embedding,
        )  # in a tuple: not a submodule, or its table would be trained and saved as well
        full = embedding.weight.detach()
        slot = torch.full((len(full),), -1, dtype=torch.int64)
        slot[rows] = torch.arange(len(rows))
        # No buffers: DistributedDataParallel would send the whole table around in every step.
        self.weight_full = full
        self.slot = slot
        self.active = nn.Parameter(full[rows].clone())
        padding = -1 if embedding.padding_idx is None else int(slot[embedding.padding_idx])
        self.padding_slot = padding if padding >= 0 else None  # gets no gradient, as in the plain embedding

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look rows up: shape (...) in, (..., width) out."""
        slots = self.slot[ids]
        if torch.is_grad_enabled():
            return functional.embedding(slots, self.active, self.padding_slot).to(self.dtype)
        found = functional.embedding(ids, self.weight_full)
        trained = slots >= 0
        found[trained] = self.active.detach()[slots[trained]]
        return found.to(self.dtype)

    def full(self) -> torch.Tensor:
        """Return the whole table, trained rows in place: shape (pieces, width)."""
        table = self.weight_full.clone()
        table[self.rows] = self.active.detach()
        return table

    def restore(self) -> nn.Embedding:
        """Return the plain embedding with the rows as they are now."""
        [plain] = self._plain
        with torch.no_grad():
            plain.weight.copy_(self.full())
        return plain

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[prefix + "weight"] = self.full()

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        table = state_dict.get(prefix + "weight")
        if table is None:
            missing_keys.append(prefix + "weight")
            return
        with torch.no_grad():
            self.weight_full.copy_(table)
            self.active.copy_(table[self.rows])


def plain_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention (Vaswani et al., 2017); shapes (batch, heads, pieces, width of a head)."""
    weights = torch.matmul(query, key.transpose(2, 3)) * (scaling or query.shape[-1] ** -0.5)
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = torch.softmax(weights, dim=-1)
    if dropout:
        weights = drop(weights, module.noise, dropout)  # type: ignore[arg-type]  # set in FastStep
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None
