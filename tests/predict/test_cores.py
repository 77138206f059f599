"""How many cores a runtime may take."""

from __future__ import annotations

import os

import pytest

from tagwright.predict.runtimes import cores


@pytest.mark.parametrize(
    ("asked", "quota", "expected"),
    [
        (None, None, 6),
        ("3", None, 3),
        ("3,1", "max 100000", 3),
        ("many", "150000 100000", 2),
        (None, "50000 100000", 1),
        ("0", "x", 6),
    ],
)
def test_cores_that_may_be_used(tmp_path, monkeypatch, asked, quota, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    assert cores.usable_cores() == expected
