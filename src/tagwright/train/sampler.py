"""Which windows make up which batch, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from tagwright.encode.batches import grouped_batches

__all__ = ["BatchOrder"]


class BatchOrder(Sampler[list[int]]):
    """A batch sampler for `torch.utils.data.DataLoader`: the same batches on every process and after a resume.

    Args:
        lengths: int64, shape (windows,): pieces in each window.
        batch_size: windows in a batch.
        seed: the run's seed.
        grouped: batch windows of similar length together; otherwise at random.
    """

    def __init__(self, lengths: NDArray[Any], batch_size: int, *, seed: int, grouped: bool) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.drop_last = False
        self.seed = seed
        self.grouped = grouped
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass over the data whose order comes next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        if self.grouped:
            batches = grouped_batches(self.lengths, self.batch_size, seed=self.seed, epoch=self.epoch)
        else:
            order = np.random.Generator(np.random.PCG64([self.seed, self.epoch])).permutation(
                len(self.lengths)
            )
            batches = [
                order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)
            ]
        return iter(batch.tolist() for batch in batches)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)
