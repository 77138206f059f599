"""Two processes train what one trains, and count what one counts."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

from tagwright.model.bundle import read_meta
from tests.train.processes import EXACT, start_together, train_each
from tests.train.toy import run

# Batches of 5 are dealt out unevenly; the last of an epoch has 3 windows, and the last step of it fewer batches.
RUNS = {
    "plain": {**EXACT, "train__batch_size": 8, "train__epochs": 1},
    "uneven": {
        **EXACT,
        "train__batch_size": 5,
        "train__accumulation": 3,
        "encode__max_pieces": 12,
        "encode__overlap": 2,
    },
}


def test_two_processes_end_with_the_weights_and_scores_of_one(corpus, encoder, tmp_path):
    runs = {tmp_path / "two" / name: settings for name, settings in RUNS.items()}
    started = start_together(2, train_each, tmp_path / "meeting", corpus, encoder, runs)
    for name, settings in RUNS.items():
        run(corpus, encoder, tmp_path / "one" / name, **settings)
    for process in started:
        process.join(240)
        assert process.exitcode == 0
    for name in RUNS:
        one, two = (tmp_path / count / name for count in ("one", "two"))
        weights = load_file(one / "model.safetensors")
        shared = load_file(two / "model.safetensors")
        assert shared.keys() == weights.keys()
        assert all(np.allclose(shared[key], weights[key], rtol=0, atol=2e-5) for key in weights)
        made, same = read_meta(one).made, read_meta(two).made
        assert same["steps"] == made["steps"]
        assert same["scores"] == made["scores"]
        for entry, other in zip(made["history"], same["history"], strict=True):
            assert other == pytest.approx(entry, rel=1e-5)
