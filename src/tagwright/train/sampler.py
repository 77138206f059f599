"""Which windows make up which batch, in an order that depends on (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from tagwright.encode.batches import grouped_batches
from tagwright.train.deal import deal

__all__ = ["BatchOrder"]


class BatchOrder(Sampler[list[int]]):
    """A batch sampler for `torch.utils.data.DataLoader`: the same batches after a resume and on every process.

    The batches are those of one process, however many there are: each process draws the same ones and takes its part
    of every batch, which may be empty.

    Args:
        lengths: int64, shape (windows,): pieces in each window.
        batch_size: windows in a batch, over all processes together.
        seed: the run's seed.
        grouped: batch windows of similar length together; otherwise at random.
        rank: which of the processes this is.
        processes: how many there are.
    """

    def __init__(
        self,
        lengths: NDArray[Any],
        batch_size: int,
        *,
        seed: int,
        grouped: bool,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.drop_last = False
        self.seed = seed
        self.grouped = grouped
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass over the data whose order comes next."""
        self.epoch = epoch

    def whole(self) -> list[NDArray[np.int64]]:
        """Return the batches of this epoch, as all processes together train on them."""
        if self.grouped:
            return grouped_batches(self.lengths, self.batch_size, seed=self.seed, epoch=self.epoch)
        order = np.random.Generator(np.random.PCG64([self.seed, self.epoch])).permutation(len(self.lengths))
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def __iter__(self) -> Iterator[list[int]]:
        return (self._own(batch).tolist() for batch in self.whole())

    def _own(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process' windows of a batch; alone, all of them as they lie."""
        if self.processes == 1:
            return batch
        own: NDArray[np.int64] = batch[deal(self.lengths[batch], self.processes)[self.rank]]
        return own

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)
