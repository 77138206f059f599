"""`tagwright annotate` on several machines, and into a store."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")

from tests.scale import two_machines
from tests.scale.corpora import files_of
from tests.scale.killing import Call, ray_folder, wait_for
from tests.scale.s3_server import s3_server
from tests.scale.test_ray import ROWS, arguments, bundle, corpus, whole

__all__ = ["bundle", "corpus", "whole"]

pytestmark = pytest.mark.long

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def test_a_bundle_comes_to_machines_that_lack_it(bundle, corpus, whole, tmp_path):
    own = shutil.copytree(bundle, tmp_path / "bundle")
    out, temporary = tmp_path / "out", tmp_path / "temporary"
    temporary.mkdir()
    with ray_folder() as ray:
        environment = {**os.environ, "TMPDIR": str(temporary), "RAY_TMPDIR": str(ray), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, str(Path(two_machines.__file__)), str(own), str(corpus), str(out)],
            env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == ROWS
    assert not own.exists()
    assert len(list(temporary.glob("tagwright-*/*/bundle/model.safetensors"))) == 1
    assert files_of(out) == files_of(whole)


def test_a_run_into_a_store_is_killed_and_goes_on(bundle, corpus, whole, tmp_path):
    with s3_server("b") as server, ray_folder() as ray:
        for path in corpus.iterdir():
            server.objects[f"b/in/{path.name}"] = path.read_bytes()
        given = arguments(bundle, Path("IN"), Path("OUT"))
        given[1:3] = [server.address("b/in"), server.address("b/out")]
        first = Call(given, ray, environment=KEYS)
        try:
            wait_for(lambda: any(name.startswith("_running/done/") for name in server.under("b/out/")))
            os.kill(first.driver.pid, signal.SIGKILL)
            first.wait()
            first.wait_gone()
            before = set(server.under("b/out/"))
            assert "_manifest.json" not in before
            assert "_running/lease.json" in before
            again = Call(given, ray, environment=KEYS)
            assert again.wait() == 0, again.said()
            assert "had been done before" in again.said()
            again.wait_gone()
        finally:
            first.end()
            again.end()
        found = server.under("b/out/")

    del found["_manifest.json"]
    expected = files_of(whole)
    assert {name: data for name, data in found.items() if not name.startswith("_rejects")} == {
        name: data for name, data in expected.items() if not name.startswith("_rejects")
    }
    assert set(found) == set(expected)  # rejects name their file, which has another name there
