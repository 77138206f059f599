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
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["FastStep"]

ATTENTION = "tagwright"


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
    rate = round(probability * 256)
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
        embedding: the embedding to stand in for.
        rows: the rows to train: every piece that the training split can bring up.
        dtype: what the rows come out as.
    """

    weight_full: torch.Tensor
    slot: torch.Tensor

    def __init__(self, embedding: nn.Embedding, rows: torch.Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.embedding_dim = embedding.embedding_dim
        self.num_embeddings = embedding.num_embeddings
        self.padding_idx = embedding.padding_idx
        self.dtype = dtype
        self.rows = rows
        full = embedding.weight.detach()
        slot = torch.full((len(full),), -1, dtype=torch.int64)
        slot[rows] = torch.arange(len(rows))
        self.register_buffer("weight_full", full, persistent=False)
        self.register_buffer("slot", slot, persistent=False)
        self.active = nn.Parameter(full[rows].clone())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look rows up: shape (...) in, (..., width) out."""
        slots = self.slot[ids]
        if torch.is_grad_enabled():
            return functional.embedding(slots, self.active).to(self.dtype)
        found = functional.embedding(ids, self.weight_full)
        trained = slots >= 0
        found[trained] = self.active.detach()[slots[trained]]
        return found.to(self.dtype)

    def full(self) -> torch.Tensor:
        """Return the whole table, trained rows in place: shape (pieces, width)."""
        table = self.weight_full.clone()
        table[self.rows] = self.active.detach()
        return table

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


def _attention(
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
        AttentionInterface.register(ATTENTION, _attention)
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
