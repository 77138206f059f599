"""`tagwright annotate` on Ray: one round of kills; the others are long."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")
pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

import tagwright as tw
from tests.models import tiny_bundle
from tests.scale.corpora import Here, check_output, files_of, write_corpus
from tests.scale.killing import kill_until_done

ROWS = 8000


def arguments(bundle: Path, corpus: Path, out: Path) -> list[str]:
    return [str(bundle), str(corpus), str(out), "--fragment-rows", "1024", "--precision", "fp32"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "in", ROWS // 2)


@pytest.fixture(scope="session")
def whole(bundle, corpus, tmp_path_factory) -> Path:
    """What an unbroken run writes, in this process."""
    out = tmp_path_factory.mktemp("outputs") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tagwright.scale.annotate.Cluster", Here)
        patch.setenv("OMP_NUM_THREADS", "1")
        tw.annotate(bundle, corpus, out, fragment_rows=1024, precision="fp32")
    return out


def test_a_killed_worker_and_a_killed_driver_lose_and_double_nothing(bundle, corpus, whole, tmp_path):
    out = tmp_path / "out"

    killed = kill_until_done(arguments(bundle, corpus, out), out, seed=0)

    assert sorted(killed) == ["driver", "worker"]
    check_output(out, ROWS)
    assert files_of(out) == files_of(whole)
