"""The ladder of widths, and padding that nobody sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.keras.buckets import bucket, pad_to_bucket, widths


def batch_of(rows, width, *, types=False, seed=0):
    draw = np.random.default_rng(seed)
    mask = (np.arange(width) < draw.integers(1, width + 1, rows)[:, None]).astype(np.int64)
    batch = {
        "input_ids": np.where(mask, draw.integers(5, 40, (rows, width)), 3),
        "attention_mask": mask,
        "labels": np.where(mask, draw.integers(-1, 4, (rows, width)), -100),
    }
    batch["labels"][batch["labels"] == -1] = -100
    if types:
        batch["token_type_ids"] = mask * draw.integers(0, 2, (rows, width))
    return batch


def test_the_ladder_is_this():
    assert widths(512) == [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
    assert widths(514)[-3:] == [384, 512, 514]
    assert (widths(1), widths(8), widths(9)) == ([1], [8], [8, 9])


@given(st.integers(1, 5000), st.data())
def test_every_length_gets_the_least_width_that_holds_it(limit, data):
    length = data.draw(st.integers(0, limit))
    ladder = widths(limit)
    width = bucket(length, limit)
    assert ladder == sorted(set(ladder))
    assert ladder[-1] == limit
    assert length <= width <= limit
    assert not [other for other in ladder if length <= other < width]
    assert width <= max(16, 1.5 * length)


@given(st.integers(1, 5), st.integers(1, 40), st.booleans(), st.integers(0, 99))
def test_padding_keeps_what_is_there_and_adds_what_is_not_seen(rows, width, types, seed):
    batch = batch_of(rows, width, types=types, seed=seed)
    padded = pad_to_bucket(batch, 50, pad_id=3)
    assert padded.keys() == batch.keys()
    fill = {"input_ids": 3, "attention_mask": 0, "token_type_ids": 0, "labels": -100}
    for name, values in padded.items():
        assert values.shape == (rows, bucket(width, 50))
        assert values.dtype == batch[name].dtype
        np.testing.assert_array_equal(values[:, :width], batch[name])
        values[:, :width] = fill[name]
        assert (values == fill[name]).all()


def test_what_cannot_be_padded_is_said():
    batch = batch_of(2, 12)
    with pytest.raises(InputError, match=r"12 pieces wide.*takes 10"):
        pad_to_bucket(batch, 10)
    with pytest.raises(InputError, match="unknown how to pad 'overflow'"):
        pad_to_bucket({**batch, "overflow": batch["labels"]}, 64)
    with pytest.raises(InputError, match="limit = 0"):
        widths(0)
