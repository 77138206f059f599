"""What benchmarks/annotate.py reckons with; a whole run of it on a tiny bundle is long."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import tiny_bundle
from tests.pages import write_corpus

ROOT = Path(__file__).parents[2]
pytest.importorskip("pyarrow", reason="Parquet is not installed: pip install 'tagwright[parquet]'")
PARTS = {"host_words": 1e5, "fragment_seconds": 0.01, "driver_seconds": 0.005, "plan_seconds_per_row": 1e-7}


@pytest.mark.parametrize(
    ("changed", "bottleneck"),
    [
        ({}, "one core a machine"),
        ({"driver_seconds": 5.0}, "the driver"),
        ({"fragment_seconds": 500.0}, "opening and committing"),
        ({"plan_seconds_per_row": 1e-3}, "planning"),
    ],
)
def test_growth_names_the_slowest_part(load_benchmark, changed, bottleneck):
    told = load_benchmark("annotate").grow(
        PARTS | changed, sentences=1e9, machines=64, rows=16_384, words=18.0
    )

    assert f"First bottleneck, if the model itself is faster: {bottleneck}" in told
    if not changed:
        assert (
            "model (reading, splitting, pieces, decoding, writing): 2,812 s" in told
        )  # 1e9 * 18 / (64 * 1e5)
        assert "one by one: 305 s" in told  # 1e9 / 16,384 * 0.005


def test_the_tenths_of_a_run(load_benchmark):
    tenth = load_benchmark("annotate").tenth

    assert [tenth([float(value) for value in range(100)], number) for number in (1, 2, 10)] == [
        9.0,
        19.0,
        99.0,
    ]
    assert tenth([], 1) == 0.0


@pytest.mark.long
def test_it_runs(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")
    bundle = tiny_bundle(tmp_path / "bundle")
    (tmp_path / "data").mkdir()
    data = write_corpus(tmp_path / "data")
    sizes = ["--part", "2048", "--sentences", "3000", "--rounds", "1", "--fragment-rows", "1024"]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "annotate.py", bundle, data, *sizes],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for said in ("`predict`, one process", "by rows in a fragment", "First bottleneck", "3,000 sentences"):
        assert said in done.stdout
