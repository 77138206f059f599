"""A Keras run that was stopped anywhere, and resumed, ends as one that was not: same scores, same bytes."""

from __future__ import annotations

import random
import time

import pytest
import transformers

from tagwright.errors import InputError, RunError
from tests.train.test_full_disk import disk, fill
from tests.train.test_full_disk import pytestmark as needs_root
from tests.train.test_killed import kill, start_child, wait_for
from tests.train.test_resume import SETTINGS, End, Interrupt, KillAt, Killed
from tests.train.toy import run

pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")

__all__ = ["disk"]

KERAS = {**SETTINGS, "train__engine": "keras"}


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("whole") / "run", **KERAS).path)


def test_a_run_that_died_again_and_again_goes_on(corpus, encoder, tmp_path, whole):
    for event, count in (("on_step_end", 9), ("on_train_end", 1)):
        begun = (tmp_path / "run").exists()
        with pytest.raises(Killed):
            run(corpus, encoder, tmp_path / "run", resume=begun, callbacks=[KillAt(event, count)], **KERAS)
    result = run(corpus, encoder, tmp_path / "run", resume=True, **KERAS)
    assert "going on from step 18" in result.notices
    assert End.of(result.path) == whole


def test_a_process_killed_inside_a_save_goes_on(corpus, encoder, tmp_path, whole):
    draw = random.Random(7)
    out = tmp_path / "run"
    process = start_child(corpus, encoder, out, "keras")
    folder = out / "checkpoints"
    wait_for(process, lambda: (folder / f"checkpoint-{draw.choice((4, 6, 8))}").exists())
    wait_for(process, lambda: any((folder / ".writing").glob("checkpoint-*/*")))
    time.sleep(draw.random() * 0.05)
    kill(process)
    assert (folder / ".writing").exists()
    assert End.of(run(corpus, encoder, out, resume=True, **KERAS).path) == whole


def test_ctrl_c_saves_and_says_how_to_go_on(corpus, encoder, tmp_path, whole):
    with pytest.raises(RunError) as caught:
        run(corpus, encoder, tmp_path / "run", callbacks=[Interrupt("on_step_begin", 9)], **KERAS)
    assert caught.value.exit_code == 130
    assert str(caught.value).endswith(
        f"interrupted; step 9 is saved; go on with the same call and --resume (--out {tmp_path / 'run'})"
    )
    saved = tmp_path / "run/checkpoints/checkpoint-9"
    assert {file.name for file in saved.iterdir()} == {
        "config.json",
        "model.safetensors",
        "optimizer.safetensors",
        "sealed.json",
        "trainer_state.json",
    }
    model = transformers.AutoModelForTokenClassification.from_pretrained(saved)
    assert model.config.num_labels == 5
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **KERAS).path) == whole


@needs_root
def test_a_full_disk_leaves_the_last_checkpoint(corpus, encoder, disk, whole):
    ballast = []

    class Squeeze(transformers.TrainerCallback):
        def on_save(self, args, state, control, **_):
            if state.global_step == 4:
                ballast.append(fill(disk, 60_000))

    with pytest.raises(RunError) as caught:
        run(corpus, encoder, disk / "run", callbacks=[Squeeze()], **KERAS)
    assert str(caught.value) == (
        f"{disk / 'run/checkpoints'}: the checkpoint of step 6 could not be saved: the disk is full; the one of step "
        f"4 is whole; the checkpoint of step 4 is in {disk / 'run/checkpoints'}; make room and go on with --resume"
    )
    ballast[0].unlink()
    assert End.of(run(corpus, encoder, disk / "run", resume=True, **KERAS).path) == whole


@pytest.mark.parametrize(("first", "second"), [("torch", "keras"), ("keras", "torch")])
def test_a_run_of_the_other_engine_is_not_gone_on_with(corpus, encoder, tmp_path, first, second):
    out = tmp_path / "run"
    with pytest.raises(Killed):
        run(
            corpus,
            encoder,
            out,
            callbacks=[KillAt("on_train_begin", 1)],
            **{**SETTINGS, "train__engine": first},
        )
    with pytest.raises(InputError) as caught:
        run(corpus, encoder, out, resume=True, **{**SETTINGS, "train__engine": second})
    assert str(caught.value) == (
        f"{out / 'checkpoints'}: the run began with --engine {first}, whose checkpoints {second} cannot go on from; "
        f"give --engine {first}; the tagger it ends with can go on with --engine {second}, as --model RUN with "
        "another --out"
    )
