"""AdamW with a learning rate for every depth of the network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tagwright.config import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel

__all__ = ["build_optimizer", "clip", "default_learning_rate", "depths"]

_LAYER = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")
_NORM = re.compile(r"norm|(?:^|\.)ln_", re.IGNORECASE)


def default_learning_rate(width: int) -> float:
    """Return the peak learning rate for an encoder of this width (hidden size).

    2.5e-4 at width 384 was chosen on WNUT 17's validation split (benchmarks/RESULTS.md); wider encoders get a rate
    that falls with width to the power 1.5 (8.8e-5 at 768), which is a rule of thumb and not measured.
    """
    return float(2.5e-4 * min(1.0, 384 / width) ** 1.5)


def depths(model: PreTrainedModel) -> dict[str, int]:
    """Return, for each parameter, how many layers lie above it: 0 for the head, 1 for the top layer, and so on.

    Embeddings lie below the lowest layer. A parameter of the encoder that belongs to no layer and is no embedding
    (a last norm) counts with the top layer.
    """
    names = [name for name, _ in model.named_parameters()]
    prefix = model.base_model_prefix + "."
    words = model.get_input_embeddings()
    tables = {
        f"{place}.{name}"
        for place, module in model.named_modules()
        if isinstance(module, nn.Embedding) or module is words
        for name, _ in module.named_parameters(recurse=False)
    }
    layers = 1 + max((int(found[1]) for name in names if (found := _LAYER.search(name))), default=-1)
    result = {}
    for name in names:
        found = _LAYER.search(name)
        if not name.startswith(prefix):
            result[name] = 0
        elif found:
            result[name] = layers - int(found[1])
        else:
            result[name] = layers + 1 if name in tables or "embed" in name else 1
    return result


def build_optimizer(
    model: PreTrainedModel, settings: TrainSettings, learning_rate: float
) -> torch.optim.AdamW:
    """Build AdamW (Loshchilov and Hutter, 2019) with layer-wise learning-rate decay.

    The top layer learns at `learning_rate`, each layer below at `layer_decay` times the rate of the one above, the
    embeddings one step below the lowest layer, and the head at `head_rate` times the top layer's rate. Biases and
    norms are not decayed unless `decay_all`.
    """
    levels = depths(model)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decayed = settings.decay_all or not (name.endswith("bias") or _NORM.search(name))
        groups.setdefault((levels[name], decayed), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": learning_rate * (settings.layer_decay ** (level - 1) if level else settings.head_rate),
                "weight_decay": settings.weight_decay if decayed else 0.0,
            }
            for (level, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=learning_rate,
        betas=(0.9, 0.999),
        eps=1e-8,
        fused=True,
    )


def clip(optimizer: Any, parameters: Iterable[nn.Parameter], max_norm: float) -> torch.Tensor:
    """Clip gradients to an L2 norm without a pass of its own: the fused update divides by the scale it is handed.

    Args:
        optimizer: a fused `torch.optim.AdamW`.
        parameters: the parameters whose gradients count.
        max_norm: the largest norm to let through.

    Returns:
        The norm before clipping: float32, shape ().
    """
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    # As in torch.nn.utils.clip_grad_norm_: scale = max_norm / (norm + 1e-6), at most 1.
    optimizer.grad_scale = torch.clamp((norm + 1e-6) / max_norm, min=1.0)
    optimizer.found_inf = torch.zeros((), dtype=torch.float32, device=norm.device)
    return norm
