"""A disk that fills up while a run saves: one line, and what was there before is still there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import transformers

from tagwright.errors import RunError
from tagwright.model.bundle import read_meta
from tagwright.train import engine
from tests.train.test_resume import End
from tests.train.toy import run

pytestmark = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="needs root to mount a small tmpfs"
)
SETTINGS = {"train__save_steps": 2}


@pytest.fixture
def disk(tmp_path):
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)  # an error's traceback may hold a file


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("roomy") / "run", **SETTINGS).path)


def free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def fill(place: Path, left: int) -> Path:
    """Leave so many bytes free."""
    file = place / "ballast"
    file.write_bytes(b"")
    with file.open("wb") as stream:
        stream.write(b"\0" * (free(place) - left))
    return file


@pytest.mark.parametrize("left", [2_000, 60_000, 130_000, 200_000, 330_000])
def test_at_a_checkpoint(corpus, encoder, disk, whole, left):
    ballast = []

    class Squeeze(transformers.TrainerCallback):
        def on_save(self, args, state, control, **_):
            if state.global_step == 4:
                ballast.append(fill(disk, left))

    with pytest.raises(RunError) as caught:
        run(corpus, encoder, disk / "run", callbacks=[Squeeze()], **SETTINGS)
    line = str(caught.value)
    assert "the checkpoint of step 6 could not be saved: the disk is full" in line
    assert "the one of step 4 is whole" in line
    assert "make room and go on with --resume" in line
    assert "\n" not in line
    assert caught.value.exit_code == 1
    assert [entry.name for entry in (disk / "run/checkpoints").glob("checkpoint-*")] == ["checkpoint-4"]
    assert not (disk / "run/checkpoints/.writing").exists()
    ballast[0].unlink()
    assert End.of(run(corpus, encoder, disk / "run", resume=True, **SETTINGS).path) == whole


@pytest.mark.parametrize("left", [1_000, 60_000, 110_000])
def test_at_the_bundle(corpus, encoder, disk, monkeypatch, left):
    old = End.of(run(corpus, encoder, disk / "run", train__epochs=1).path)
    real, ballast = engine.save_bundle, []

    def squeeze(*given):
        ballast.append(fill(disk, left))
        real(*given)

    monkeypatch.setattr(engine, "save_bundle", squeeze)
    with pytest.raises(RunError) as caught:
        run(corpus, encoder, disk / "run", overwrite=True, **SETTINGS)
    line = str(caught.value)
    assert "the bundle could not be saved: the disk is full; the earlier bundle is still there" in line
    assert "make room and go on with --resume" in line
    assert "\n" not in line
    assert End.of(disk / "run") == old
    ballast[0].unlink()
    monkeypatch.undo()
    run(corpus, encoder, disk / "run", resume=True, **SETTINGS)
    assert read_meta(disk / "run").made["steps"] == 12


def test_before_the_run_has_begun(corpus, encoder, disk):
    ballast = fill(disk, 0)
    with pytest.raises(OSError, match="No space left on device"):
        run(corpus, encoder, disk / "run", train__epochs=1)
    ballast.unlink()
    run(corpus, encoder, disk / "run", train__epochs=1)
