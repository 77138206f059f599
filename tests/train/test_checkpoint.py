"""Checkpoints: only whole ones count, and a crash while one is written leaves the others."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from tagwright.train import checkpoint


def write(folder, step: int, content: bytes = b"weights" * 100):
    staged = folder / checkpoint.STAGING / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    (staged / "model.safetensors").write_bytes(content)
    (staged / "trainer_state.json").write_text(f'{{"step": {step}}}')
    target = folder / f"checkpoint-{step}"
    checkpoint.seal(staged, target)
    return target


def test_a_sealed_checkpoint_is_whole(tmp_path):
    written = write(tmp_path, 7)
    assert checkpoint.is_whole(written)
    assert checkpoint.newest(tmp_path) == written
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["checkpoint-7"]


def test_the_newest_is_that_of_the_highest_step(tmp_path):
    for step in (9, 10, 2):
        write(tmp_path, step)
    assert checkpoint.step_of(checkpoint.newest(tmp_path)) == 10
    assert checkpoint.newest(tmp_path / "nowhere") is None


def damage_truncate(folder):
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)


def damage_flip(folder):
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[5] ^= 1
    weights.write_bytes(content)


def damage_seal(folder):
    os.truncate(folder / "sealed.json", 10)


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncate,
        damage_flip,
        damage_seal,
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "sealed.json").unlink(),
        lambda folder: (folder / "sealed.json").write_text("{}"),
        lambda folder: (folder / "sealed.json").write_text("[1]"),
        lambda folder: (folder / "sealed.json").write_bytes(b"\xff\xfe"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    older = write(tmp_path, 4)
    damage(write(tmp_path, 8))
    assert checkpoint.newest(tmp_path) == older
    damage(older)
    assert checkpoint.newest(tmp_path) is None


def test_what_was_being_written_does_not_count(tmp_path):
    older = write(tmp_path, 4)
    half = tmp_path / checkpoint.STAGING / "checkpoint-8"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "run.json").write_text("{}")
    assert checkpoint.newest(tmp_path) == older
    checkpoint.clear_staging(tmp_path)
    assert write(tmp_path, 8) == checkpoint.newest(tmp_path)


def test_rotation_keeps_what_it_is_told(tmp_path):
    for step in (1, 2, 3, 4):
        write(tmp_path, step)
    (tmp_path / "mine.txt").write_text("mine")
    checkpoint.rotate(tmp_path, {2, 4})
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-4", "mine.txt"]


def test_a_damaged_checkpoint_of_the_same_step_is_replaced(tmp_path):
    damage_truncate(write(tmp_path, 4))
    assert checkpoint.newest(tmp_path) is None
    again = write(tmp_path, 4, b"other")
    assert checkpoint.newest(tmp_path) == again
    assert (again / "model.safetensors").read_bytes() == b"other"


class CrashError(BaseException):
    pass


@pytest.mark.parametrize("moment", ["fsync", "rename", "rmtree"])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_crash_inside_a_save_leaves_the_old_ones(tmp_path, monkeypatch, moment, call):
    older = write(tmp_path, 4)
    owner, name = {
        "fsync": (os, "fsync"),
        "rename": (checkpoint.Path, "rename"),
        "rmtree": (checkpoint.shutil, "rmtree"),
    }[moment]
    real, calls = getattr(owner, name), []

    def crash(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise CrashError
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, crash)
    with suppress(CrashError):
        write(tmp_path, 8)
    monkeypatch.undo()
    found = checkpoint.newest(tmp_path)
    assert checkpoint.is_whole(older)
    assert found in (older, tmp_path / "checkpoint-8")
    if moment == "fsync":
        assert found == older
    checkpoint.clear_staging(tmp_path)
    assert checkpoint.newest(tmp_path) is not None


def test_discarding_leaves_what_a_run_did_not_write(tmp_path):
    folder = tmp_path / "checkpoints"
    write(folder, 4)
    (folder / checkpoint.STAGING).mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    checkpoint.discard(folder)
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]
    (folder / "notes.txt").unlink()
    write(folder, 4)
    checkpoint.discard(folder)
    assert not folder.exists()
    checkpoint.discard(folder)


def test_a_removal_that_is_cut_off_leaves_no_run(tmp_path, monkeypatch):
    write(tmp_path, 4)
    (tmp_path / "run.json").write_text("{}")

    def crash(*_, **__):
        raise CrashError

    monkeypatch.setattr(checkpoint.shutil, "rmtree", crash)
    with pytest.raises(CrashError):
        checkpoint.discard(tmp_path)
    assert not (tmp_path / "run.json").exists()
