"""Keras runs that died at any moment, or were killed there, end as one that was not."""

from __future__ import annotations

import random
import time

import pytest

from tagwright.model.bundle import read_meta
from tests.train.test_killed import kill, start_child, wait_for
from tests.train.test_resume import (
    MOMENTS,
    SETTINGS,
    End,
    Interrupt,
    KillAt,
    Killed,
    kill_in_rotation,
    kill_in_staging,
)
from tests.train.toy import run

pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")
pytestmark = pytest.mark.long

KERAS = {**SETTINGS, "train__engine": "keras"}


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def settings(request) -> dict:
    return {**KERAS, "train__precision": request.param}


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory, settings) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("whole") / "run", **settings).path)


@pytest.mark.parametrize(("event", "count"), MOMENTS)
def test_a_run_that_died_goes_on(corpus, encoder, tmp_path, whole, settings, event, count):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **settings)
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path) == whole


@pytest.mark.parametrize("break_off", [kill_in_staging, kill_in_rotation])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_run_that_died_inside_a_save_goes_on(
    corpus, encoder, tmp_path, whole, settings, monkeypatch, break_off, count
):
    break_off(monkeypatch, count)
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", **settings)
    monkeypatch.undo()
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path) == whole


@pytest.mark.parametrize(
    ("event", "count", "saved"), [("on_step_begin", 6, 6), ("on_evaluate", 1, 7), ("on_save", 1, 5)]
)
def test_ctrl_c_saves(corpus, encoder, tmp_path, whole, settings, event, count, saved):
    from tagwright.errors import RunError

    with pytest.raises(RunError, match=f"interrupted; step {saved} is saved"):
        run(corpus, encoder, tmp_path / "run", callbacks=[Interrupt(event, count)], **settings)
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path) == whole


@pytest.mark.parametrize(("event", "count"), [("on_save", 1), ("on_save", 3), ("on_train_end", 1)])
def test_early_stopping_goes_on_counting(corpus, encoder, tmp_path, event, count):
    settings = {
        "train__engine": "keras",
        "train__epochs": 6,
        "train__learning_rate": 1e-9,
        "train__early_stopping": 2,
    }
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **settings)
    made = read_meta(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path).made
    assert (made["steps"], made["best_step"]) == (18, 6)


@pytest.mark.parametrize(("event", "count"), [("on_step_end", 5), ("on_train_end", 1)])
def test_part_of_an_epoch_with_accumulation_is_not_overrun(corpus, encoder, tmp_path, event, count):
    settings = {
        "train__engine": "keras",
        "train__epochs": 1.5,
        "train__batch_size": 5,  # ten batches an epoch
        "train__accumulation": 3,
        "train__save_steps": 2,
        "train__length_grouping": False,
    }
    once = End.of(run(corpus, encoder, tmp_path / "once", **settings).path)
    assert once.made["steps"] == 6
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **settings)
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path) == once


@pytest.mark.parametrize("seed", range(6))
def test_a_process_that_is_killed_three_times(corpus, encoder, tmp_path, seed):
    draw = random.Random(seed)
    out = tmp_path / "run"
    folder = out / "checkpoints"
    whole = End.of(run(corpus, encoder, tmp_path / "whole", **KERAS).path)
    for _ in range(3):
        process = start_child(corpus, encoder, out, "keras")
        if draw.random() < 0.5:
            wait_for(process, lambda: any(folder.glob("checkpoint-*")))
            time.sleep(draw.uniform(0, 1.5))
        else:
            wait_for(process, lambda: any((folder / ".writing").glob("checkpoint-*")))
            time.sleep(draw.uniform(0, 0.15))
        kill(process)
        if process.returncode == 0 or not (folder / "run.json").exists():  # it had ended before
            break
    if (folder / "run.json").exists():
        run(corpus, encoder, out, resume=True, **KERAS)
    assert End.of(out) == whole
