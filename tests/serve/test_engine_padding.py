"""Batches that are cut where padding costs more than a call, and the slices of long ones: the same logits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.encode.batches import pad_batch
from tagwright.predict.tagger import Tagger
from tagwright.serve.ask import Ask
from tagwright.serve.job import DroppedError, Job
from tagwright.serve.padding import TrimmedRuntime, cuts
from tagwright.serve.slices import Batch, slice_pieces
from tests.models import TEXT, tiny_bundle
from tests.serve.engines import Watched


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return Tagger.load(
        tiny_bundle(tmp_path_factory.mktemp("padding") / "run"), precision="fp32", device="cpu"
    )


@settings(max_examples=60, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=40), call=st.integers(0, 200))
def test_cuts(lengths, call):
    lengths.sort(reverse=True)
    borders = cuts(lengths, call)
    assert (borders[0], borders[-1]) == (0, len(lengths))
    assert sorted(set(borders)) == borders
    for start, stop in pairwise(borders):
        assert sum(lengths[start] - length for length in lengths[start:stop]) <= call
    for before, place in pairwise(borders[:-1]):
        assert sum(lengths[before] - length for length in lengths[before : place + 1]) > call


def batch_of(tagger, sizes):
    encoded = tagger.prepare([tagger.split(TEXT[:size]) for size in sorted(sizes, reverse=True)]).encoded
    order = np.argsort(-encoded.lengths, kind="stable")
    return pad_batch(encoded, order)


def runtime_of(tagger, **attributes):
    runtime = Watched(tagger.runtime)
    runtime.__dict__.update(attributes)
    return runtime


@pytest.mark.parametrize(
    ("name", "device", "calls"), [("onnx", "cpu", 3), ("torch", "cpu", 2), ("torch", "cuda", 1)]
)
def test_each_part_is_padded_to_its_own_longest(tagger, name, device, calls):
    input_ids, mask = batch_of(tagger, [150, 3, 3, 3, 20, 20, 24, 150, 60])
    runtime = runtime_of(tagger, name=name, device=device)
    found = TrimmedRuntime(runtime, 64).logits(input_ids, mask)
    expected = tagger.runtime.logits(input_ids, mask)
    real = mask == 1
    assert np.allclose(found[real], expected[real], atol=1e-5)
    assert found.shape == expected.shape
    assert len(runtime.shapes) == calls
    assert sum(rows for rows, _ in runtime.shapes) == 9
    if calls > 1:
        assert sum(rows * width for rows, width in runtime.shapes) < mask.size


@pytest.mark.parametrize(("limit", "widths"), [(64, [56, 16, 8]), (51, [51, 16, 8])])
def test_openvino_sees_few_shapes(tagger, limit, widths):
    input_ids, mask = batch_of(tagger, [150, 3, 3, 3, 20, 20, 24, 150, 60])
    runtime = runtime_of(tagger, name="openvino", device="cpu")
    found = TrimmedRuntime(runtime, limit).logits(input_ids, mask)
    assert found.shape[:2] == mask.shape
    assert np.allclose(found[mask == 1], tagger.runtime.logits(input_ids, mask)[mask == 1], atol=1e-5)
    assert [width for _, width in runtime.shapes] == widths
    short = TrimmedRuntime(runtime, limit).logits(input_ids[-1:, :4], mask[-1:, :4])
    assert short.shape[:2] == (1, 4)
    assert runtime.shapes[-1] == (1, 8)


def test_slices_of_a_batch(tagger):
    input_ids, mask = batch_of(tagger, [150, 140, 130, 30, 30, 3])
    runtime = runtime_of(tagger)
    batch = Batch(Job(Ask(texts=())), input_ids, mask, 2 * mask.shape[1])
    steps = 0
    while not batch.ended:
        batch.step(TrimmedRuntime(runtime, 64))
        steps += 1
    real = mask == 1
    assert steps == len(runtime.shapes) == 3
    assert np.allclose(batch.result()[real], tagger.runtime.logits(input_ids, mask)[real], atol=1e-5)
    assert runtime.shapes[-1][1] < mask.shape[1]


def test_slices_end_with_their_job(tagger):
    input_ids, mask = batch_of(tagger, [150, 140])
    runtime, job = runtime_of(tagger), Job(Ask(texts=()))
    batch = Batch(job, input_ids, mask, 1)
    batch.step(runtime)
    job.dropped = True
    batch.step(runtime)
    assert batch.ended
    assert len(runtime.shapes) == 1
    with pytest.raises(DroppedError):
        batch.result()


@pytest.mark.parametrize(("batch_pieces", "pieces"), [(2048, 512), (4096, 512), (65536, 8192)])
def test_a_slice_is_larger_on_a_larger_device(tagger, batch_pieces, pieces):
    assert slice_pieces(runtime_of(tagger, batch_pieces=batch_pieces)) == pieces
