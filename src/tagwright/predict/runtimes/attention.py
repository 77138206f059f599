"""Attention for many short windows on a CPU, through transformers' registry of attention functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tagwright.predict.runtimes.flat import FlatBatch

__all__ = ["short_attention", "use_short_attention"]

_NAME = "tagwright_short"  # in a registry of the whole process; training has a name of its own
_FEWEST_PIECES = 24  # of a batch; for fewer, PyTorch's own attention starts sooner
_LONGEST_IN_FP32 = 32  # pieces of a window; PyTorch's own attention is the faster one beyond
_MOST_SCORES = 1 << 26  # of a window, 128 MiB in bf16; PyTorch's own holds few at once
_SCORES_AT_ONCE = 1 << 22  # of some windows, 8 MiB: what the caches hold, and the allocator keeps
_SAFE = (2.0**-96, 2.0**96)  # sums of exponentials that lose nothing by being too small or too large
_HARMLESS = frozenset(
    {"deterministic", "sliding_window", "position_ids", "use_cache", "return_dict", "layer_idx"}
)


def use_short_attention(model: PreTrainedModel) -> bool:
    """Let a model attend by `short_attention`.

    Args:
        model: on a CPU, in evaluation; changed in place.

    Returns:
        Whether it does; a model that does not choose its attention by name, or chose another than PyTorch's
        fused one, stays as it is.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    if getattr(model.config, "_attn_implementation", None) != "sdpa":
        return False
    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, _mask)
    model.set_attn_implementation(_NAME)
    return bool(model.config._attn_implementation == _NAME)


def short_attention(
    query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, scale: float
) -> Tensor | None:
    """Attend without the usual subtraction of each row's maximum.

    The softmax of a row does not change when a number is added to all its scores, so the maximum matters only
    where the exponentials would leave the range of floating point; the sums tell, and then this gives up.
    PyTorch's softmax and maximum are slow on rows of a few dozen scores; exponentials and sums are fast.

    Args:
        query: shape (windows, heads, pieces, width).
        key: the same.
        value: the same.
        keep: bool, shape (windows, 1, 1 or pieces, pieces): the keys to look at, maybe each piece's own; None for
            all.
        scale: what scores are multiplied by.

    Returns:
        Shape (windows, heads, pieces, width), or None where the sums are out of range.
    """
    windows, heads, length, _ = query.shape
    step = max(1, _SCORES_AT_ONCE // (heads * length * length))
    parts = []
    for first in range(0, windows, step):
        some = slice(first, first + step)
        part = _attend_unshifted(
            query[some], key[some], value[some], None if keep is None else keep[some], scale
        )
        if part is None:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _attend_unshifted(
    query: Tensor, key: Tensor, value: Tensor, keep: Tensor | None, scale: float
) -> Tensor | None:
    windows, heads, length, width = query.shape
    rows = (windows * heads, length, width)
    nothing = query.new_zeros(1, 1, 1)
    keys = key.reshape(rows).transpose(1, 2)
    weights = torch.baddbmm(nothing, query.reshape(rows), keys, beta=0, alpha=scale).exp_()
    if keep is not None:
        weights.view(windows, heads, length, length).mul_(keep.to(weights.dtype))
    sums = weights.sum(-1, keepdim=True)
    least, most = torch.aminmax(sums)
    if not (_SAFE[0] < least.item() and most.item() < _SAFE[1]):  # not-a-number is out of range too
        return None
    return torch.bmm(weights, value.reshape(rows)).div_(sums).view(query.shape)


def _attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    flat_batch: FlatBatch | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' attention functions do: (windows, heads, pieces, width) in, heads third out."""
    if flat_batch is not None:
        flat_batch.layers += 1
        query, key, value = (flat_batch.padded(states) for states in (query, key, value))
        attention_mask = flat_batch.keep
    found = None
    if _suits(module, query, key, value, attention_mask, **others):
        found = short_attention(
            query, key, value, attention_mask, query.shape[-1] ** -0.5 if scaling is None else scaling
        )
    if found is None:
        from transformers import AttentionInterface

        usual = AttentionInterface()["sdpa"]
        found = usual(module, query, key, value, attention_mask, scaling=scaling, **others)[0].transpose(1, 2)
    return flat_batch.flat(found) if flat_batch is not None else found.transpose(1, 2), None


def _suits(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    **others: Any,
) -> bool:
    """Tell whether `short_attention` can take a call and gains by it."""
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    return (
        (query.dtype == torch.bfloat16 or query.shape[2] <= _LONGEST_IN_FP32)
        and not causal
        and not dropout
        and query.shape == key.shape == value.shape
        and (attention_mask is None or (attention_mask.dtype == torch.bool and attention_mask.shape[1] == 1))
        and query.shape[0] * query.shape[2] >= _FEWEST_PIECES
        and query.shape[1] * query.shape[2] ** 2 <= _MOST_SCORES
        and not any(other is not None and name not in _HARMLESS for name, other in others.items())
    )


def _mask(
    *,
    mask_function: Any,
    attention_mask: Tensor | None = None,
    allow_is_bidirectional_skip: bool = False,
    use_vmap: bool = False,
    **others: Any,
) -> Tensor | None:
    """Make the mask of the keys, (windows, 1, 1, pieces), where nothing but padding is masked."""
    from transformers import AttentionMaskInterface, masking_utils

    if (
        mask_function is getattr(masking_utils, "bidirectional_mask_function", None)
        and attention_mask is not None
        and attention_mask.ndim == 2
        and attention_mask.shape[1] == others.get("kv_length") == others.get("q_length")
        and allow_is_bidirectional_skip
        and not use_vmap
    ):
        return None if bool(attention_mask.all()) else attention_mask[:, None, None, :]
    mask: Tensor | None = AttentionMaskInterface()["sdpa"](
        mask_function=mask_function,
        attention_mask=attention_mask,
        allow_is_bidirectional_skip=allow_is_bidirectional_skip,
        use_vmap=use_vmap,
        **others,
    )
    return mask
