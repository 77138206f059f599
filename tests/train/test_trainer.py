"""The loss of a step, however many batches it is made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tagwright.train.trainer import token_loss


def draw(batch: int, pieces: int, seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 5, (batch, pieces), generator=source)
    labels[torch.rand(batch, pieces, generator=source) < 0.4] = -100
    return {"logits": torch.randn(batch, pieces, 5, generator=source)}, labels


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_mean_cross_entropy_of_labelled_pieces(dtype):
    outputs, labels = draw(4, 9, 0)
    outputs["logits"] = outputs["logits"].to(dtype)
    expected = nn.CrossEntropyLoss()(outputs["logits"].float().flatten(0, 1), labels.flatten())
    torch.testing.assert_close(token_loss(outputs, labels), expected)
    assert token_loss(outputs, labels).dtype == torch.float32


def test_batches_of_one_step_add_up_to_the_mean_over_the_step():
    parts = [draw(2, 9, 1), draw(3, 4, 2)]
    count = sum((labels != -100).sum() for _, labels in parts)
    total = sum(token_loss(outputs, labels, count) for outputs, labels in parts)
    logits = torch.cat([outputs["logits"].flatten(0, 1) for outputs, _ in parts])
    expected = nn.CrossEntropyLoss()(logits, torch.cat([labels.flatten() for _, labels in parts]))
    torch.testing.assert_close(total, expected)


def test_a_step_without_labels_has_no_loss():
    outputs, labels = draw(2, 3, 3)
    outputs["logits"].requires_grad_()
    loss = token_loss(outputs, torch.full_like(labels, -100))
    loss.backward()
    assert loss == 0
    assert torch.count_nonzero(outputs["logits"].grad) == 0
