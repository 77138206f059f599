"""What a step lowers."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["token_loss"]


def token_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean cross-entropy over the labelled pieces of a step, however many batches the step is made of.

    Args:
        outputs: the model's; `logits` has shape (batch, pieces, labels).
        labels: shape (batch, pieces); -100 is left out.
        num_items_in_batch: labelled pieces in the whole step, over all processes.
    """
    logits = outputs["logits"].float()
    total = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum")
    count = (labels != -100).sum() if num_items_in_batch is None else num_items_in_batch
    return total / max(int(count), 1)
