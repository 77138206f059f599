"""The order of the batches depends on (seed, epoch) alone, whatever happened before."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from tagwright.errors import RunError
from tagwright.train.sampler import BatchOrder
from tests.train.toy import run


def batches(
    lengths, *, seed: int = 0, epoch: int = 0, grouped: bool = True, size: int = 4
) -> list[list[int]]:
    order = BatchOrder(np.asarray(lengths), size, seed=seed, grouped=grouped)
    order.set_epoch(epoch)
    return list(order)


@given(
    lengths=st.lists(st.integers(2, 60), min_size=1, max_size=60),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 9),
    grouped=st.booleans(),
)
def test_every_window_is_in_one_batch(lengths, size, seed, epoch, grouped):
    order = BatchOrder(np.asarray(lengths), size, seed=seed, grouped=grouped)
    order.set_epoch(epoch)
    found = list(order)
    assert sorted(chain.from_iterable(found)) == list(range(len(lengths)))
    assert len(found) == len(order)
    assert all(1 <= len(batch) <= size for batch in found)
    assert list(order) == found


@pytest.mark.parametrize("grouped", [True, False])
def test_the_order_depends_on_seed_and_epoch(grouped):
    lengths = np.random.default_rng(0).integers(3, 40, 100)
    first = batches(lengths, seed=1, epoch=2, grouped=grouped)
    assert first == batches(lengths, seed=1, epoch=2, grouped=grouped)
    assert first != batches(lengths, seed=1, epoch=3, grouped=grouped)
    assert first != batches(lengths, seed=2, epoch=2, grouped=grouped)


def test_grouping_saves_padding():
    lengths = np.random.default_rng(0).integers(3, 60, 400)

    def computed(found: list[list[int]]) -> int:
        return sum(len(batch) * int(lengths[batch].max()) for batch in found)

    assert computed(batches(lengths, size=16)) < 1.1 * lengths.sum()
    assert computed(batches(lengths, size=16, grouped=False)) > 1.3 * lengths.sum()


class Watch(transformers.TrainerCallback):
    """Notes the pieces of every training batch, and breaks the run off after a step where asked to."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.seen: list[list[list[int]]] = []

    def on_train_begin(self, args, state, control, *, model, **_):
        def note(module, positional, named):
            if module.training:
                self.seen.append(named["input_ids"].tolist())

        model.register_forward_pre_hook(note, with_kwargs=True)

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.stop:
            raise KeyboardInterrupt


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_run_sees_another_order_each_epoch_and_goes_on_in_the_middle_of_one(
    corpus, encoder, tmp_path, accumulation
):
    steps = 6 // accumulation
    settings = {"train__accumulation": accumulation, "train__save_steps": 1, "train__layer_decay": 1.0}
    whole = Watch()
    run(corpus, encoder, tmp_path / "whole", callbacks=[whole], **settings)
    first, second = whole.seen[:6], whole.seen[6:]
    assert len(second) == 6
    assert first != second
    rows = [
        sorted(tuple(row[: row.index(3) + 1]) for batch in epoch for row in batch)
        for epoch in (first, second)
    ]
    assert rows[0] == rows[1]

    broken, rest = Watch(stop=steps + 1), Watch()
    with pytest.raises(RunError, match="interrupted"):
        run(corpus, encoder, tmp_path / "broken", callbacks=[broken], **settings)
    run(corpus, encoder, tmp_path / "broken", resume=True, callbacks=[rest], **settings)
    assert len(broken.seen) == (steps + 1) * accumulation
    assert (
        broken.seen + rest.seen[accumulation:] == whole.seen
    )  # the checkpoint of the last step was not written
