"""A run that was stopped anywhere, and resumed, ends as one that was not: same scores, same bytes."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
import transformers

from tagwright.errors import InputError, RunError
from tagwright.model import swap
from tagwright.model.bundle import read_meta
from tagwright.train import checkpoint, engine
from tests.train.toy import Quiet, run, write_corpus

SETTINGS = {"train__epochs": 3, "train__save_steps": 4}
"""Six steps an epoch: checkpoints at 4, 6, 8, 12, 16, 18; dropout is on."""

SLOW = {**SETTINGS, "train__fast_step": False, "train__precision": "fp32"}


@dataclass
class End:
    """How a run ended."""

    weights: bytes
    made: dict

    @classmethod
    def of(cls, folder: Path) -> End:
        made = read_meta(folder).made
        return cls((folder / "model.safetensors").read_bytes(), made)


@pytest.fixture(scope="module")
def whole(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("whole") / "run", **SETTINGS).path)


@pytest.fixture(scope="module")
def whole_slow(corpus, encoder, tmp_path_factory) -> End:
    return End.of(run(corpus, encoder, tmp_path_factory.mktemp("slow") / "run", **SLOW).path)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class KillAt(transformers.TrainerCallback):
    """Dies at an event, the given time round."""

    def __init__(self, event: str, count: int):
        self.left = count

        def die(args, state, control, **_):
            self.left -= 1
            if self.left == 0:
                raise Killed

        setattr(self, event, die)


MOMENTS = [
    ("on_step_begin", 1),
    ("on_pre_optimizer_step", 6),
    ("on_step_end", 3),
    ("on_step_end", 6),
    ("on_step_end", 7),
    ("on_evaluate", 1),
    ("on_evaluate", 2),
    ("on_save", 1),
    ("on_save", 2),
    ("on_save", 6),
    ("on_epoch_begin", 2),
    ("on_train_end", 1),
]


@pytest.mark.parametrize(("event", "count"), MOMENTS)
def test_a_run_that_died_goes_on(corpus, encoder, tmp_path, whole, event, count):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **SETTINGS)
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole


@pytest.mark.parametrize(("event", "count"), [("on_step_end", 5), ("on_step_end", 9), ("on_save", 4)])
def test_without_the_fast_step_as_well(corpus, encoder, tmp_path, whole_slow, event, count):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **SLOW)
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SLOW).path) == whole_slow


def test_a_run_that_dies_again_and_again_goes_on(corpus, encoder, tmp_path, whole):
    for count in (5, 4, 3, 6):
        with pytest.raises(Killed):
            run(
                corpus,
                encoder,
                tmp_path / "run",
                resume=(tmp_path / "run").exists(),
                callbacks=[KillAt("on_step_end", count)],
                **SETTINGS,
            )
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole


def kill_in_staging(monkeypatch, count):
    real, calls = checkpoint.seal, []

    def seal(written, target):
        calls.append(target)
        if len(calls) == count:
            (written / "optimizer.pt").write_bytes(b"half")
            raise Killed
        real(written, target)

    monkeypatch.setattr(checkpoint, "seal", seal)


def kill_in_rotation(monkeypatch, count):
    real, calls = shutil.rmtree, []

    def rmtree(path, **options):
        if Path(path).name.startswith("checkpoint-"):
            calls.append(path)
            if len(calls) == count:
                (Path(path) / "model.safetensors").unlink()
                raise Killed
        real(path, **options)

    monkeypatch.setattr(checkpoint.shutil, "rmtree", rmtree)


@pytest.mark.parametrize("kill", [kill_in_staging, kill_in_rotation])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_run_that_died_inside_a_save_goes_on(corpus, encoder, tmp_path, whole, monkeypatch, kill, count):
    kill(monkeypatch, count)
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", **SETTINGS)
    monkeypatch.undo()
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole


@pytest.mark.parametrize("place", ["score", "swap", "discard"])
def test_a_run_that_died_after_training_goes_on(corpus, encoder, tmp_path, whole, monkeypatch, place):
    def die(*_, **__):
        raise Killed

    owner, name = {
        "score": (engine, "_score"),
        "swap": (swap, "_roll_forward"),
        "discard": (checkpoint, "discard"),
    }[place]
    if place == "discard":
        real = checkpoint.discard
        monkeypatch.setattr(owner, name, lambda folder: die() if folder.exists() else real(folder))
    else:
        monkeypatch.setattr(owner, name, die)
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", **SETTINGS)
    monkeypatch.undo()
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_damaged_checkpoint_is_passed_over(corpus, encoder, tmp_path, whole):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt("on_step_end", 9)], **SETTINGS)
    found = tmp_path / "run/checkpoints/checkpoint-8/optimizer.pt"
    found.write_bytes(found.read_bytes()[:-7])
    console = Quiet()
    result = run(corpus, encoder, tmp_path / "run", resume=True, console=console, **SETTINGS)
    assert "going on from step 6" in result.notices
    assert End.of(result.path) == whole


def test_without_a_whole_checkpoint_the_run_begins_anew(corpus, encoder, tmp_path, whole):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt("on_step_end", 2)], **SETTINGS)
    result = run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS)
    assert "no whole checkpoint: beginning anew" in result.notices
    assert End.of(result.path) == whole


class Forget(transformers.TrainerCallback):
    """Spoils the weights after the last step, so that an earlier one is the best."""

    def on_step_end(self, args, state, control, *, model, **_):
        if state.global_step == state.max_steps:
            model.classifier.weight.data.zero_()


def test_a_damaged_best_checkpoint_is_said(corpus, encoder, tmp_path):
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[Forget(), KillAt("on_train_end", 1)], **SETTINGS)
    for found in (tmp_path / "run/checkpoints").glob("checkpoint-*"):
        if found.name != "checkpoint-18":
            (found / "model.safetensors").write_bytes(b"damaged")
    message = r"checkpoint-\d+: the checkpoint is damaged.*; train anew with --overwrite"
    with pytest.raises(RunError, match=message):
        run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS)


@pytest.mark.parametrize(
    ("event", "count"), [("on_save", 1), ("on_save", 2), ("on_save", 3), ("on_train_end", 1)]
)
def test_early_stopping_goes_on_counting(corpus, encoder, tmp_path, event, count):
    settings = {"train__epochs": 6, "train__learning_rate": 1e-9, "train__early_stopping": 2}
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **settings)
    result = run(corpus, encoder, tmp_path / "run", resume=True, **settings)
    made = read_meta(result.path).made
    assert (made["steps"], made["best_step"]) == (18, 6)


@pytest.mark.parametrize(("event", "count"), [("on_step_end", 8), ("on_train_end", 1)])
def test_part_of_an_epoch_is_not_overrun(corpus, encoder, tmp_path, event, count):
    settings = {"train__epochs": 1.5, "train__save_steps": 2}
    once = End.of(run(corpus, encoder, tmp_path / "once", **settings).path)
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt(event, count)], **settings)
    again = End.of(run(corpus, encoder, tmp_path / "run", resume=True, **settings).path)
    assert again.made["steps"] == 9
    assert again == once


# Ctrl-C


class Interrupt(transformers.TrainerCallback):
    """Presses Ctrl-C at an event, so many times."""

    def __init__(self, event: str, count: int, presses: int = 1, number: int = signal.SIGINT):
        self.left = count

        def press(args, state, control, **_):
            self.left -= 1
            if self.left == 0:
                for _ in range(presses):
                    signal.raise_signal(number)

        setattr(self, event, press)


@pytest.mark.parametrize(
    ("event", "count", "saved"),
    [
        ("on_step_begin", 1, 1),
        ("on_step_begin", 3, 3),
        ("on_step_begin", 6, 6),
        ("on_step_end", 6, 6),
        ("on_step_end", 9, 9),
        ("on_evaluate", 1, 7),
        ("on_epoch_begin", 2, 7),
        ("on_save", 1, 5),
    ],
)
def test_ctrl_c_saves_and_says_how_to_go_on(corpus, encoder, tmp_path, whole, event, count, saved):
    with pytest.raises(RunError) as caught:
        run(corpus, encoder, tmp_path / "run", callbacks=[Interrupt(event, count)], **SETTINGS)
    assert caught.value.exit_code == 130
    line = str(caught.value)
    assert f"interrupted; step {saved} is saved" in line
    assert f"--resume (--out {tmp_path / 'run'})" in line
    assert "\n" not in line
    result = run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS)
    assert f"going on from step {saved}" in result.notices
    assert End.of(result.path) == whole


@pytest.mark.parametrize("event", ["on_step_end", "on_evaluate"])
def test_ctrl_c_at_the_very_end_lets_the_run_finish(corpus, encoder, tmp_path, whole, event):
    count = {"on_step_end": 18, "on_evaluate": 3}[event]
    result = run(corpus, encoder, tmp_path / "run", callbacks=[Interrupt(event, count)], **SETTINGS)
    assert End.of(result.path) == whole


def test_sigterm_is_a_ctrl_c(corpus, encoder, tmp_path):
    stop = Interrupt("on_step_end", 3, number=signal.SIGTERM)
    with pytest.raises(RunError, match="interrupted; step 3 is saved"):
        run(corpus, encoder, tmp_path / "run", callbacks=[stop], **SETTINGS)


def test_the_second_ctrl_c_stops_at_once(corpus, encoder, tmp_path, whole):
    with pytest.raises(RunError, match="interrupted; step 4 is saved") as caught:
        run(
            corpus,
            encoder,
            tmp_path / "run",
            callbacks=[Interrupt("on_step_begin", 6, presses=2)],
            **SETTINGS,
        )
    assert caught.value.exit_code == 130
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole


def test_a_stop_before_the_first_checkpoint_says_so(corpus, encoder, tmp_path):
    with pytest.raises(
        RunError, match="interrupted before the first checkpoint; begin anew with --overwrite"
    ):
        run(
            corpus,
            encoder,
            tmp_path / "run",
            callbacks=[Interrupt("on_step_begin", 2, presses=2)],
            **SETTINGS,
        )


def test_ctrl_c_while_scoring_loses_nothing(corpus, encoder, tmp_path, whole, monkeypatch):
    monkeypatch.setattr(engine, "_score", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(RunError, match="interrupted; step 18 is saved"):
        run(corpus, encoder, tmp_path / "run", **SETTINGS)
    monkeypatch.undo()
    assert End.of(run(corpus, encoder, tmp_path / "run", resume=True, **SETTINGS).path) == whole


def test_the_handlers_are_put_back(corpus, encoder, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(corpus, encoder, tmp_path / "run", train__epochs=1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


# What may be written where


@pytest.fixture
def begun(corpus, encoder, tmp_path):
    """A run that died after its seventh step."""
    with pytest.raises(Killed):
        run(corpus, encoder, tmp_path / "run", callbacks=[KillAt("on_step_end", 7)], **SETTINGS)
    return tmp_path / "run"


@pytest.fixture(scope="module")
def complete(corpus, encoder, tmp_path_factory):
    return run(corpus, encoder, tmp_path_factory.mktemp("complete") / "run", train__epochs=1).path


def refusal(data, encoder, out, **options) -> str:
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} if out.is_dir() else {}
    with pytest.raises(InputError) as caught:
        run(data, encoder, out, **options)
    if out.is_dir():
        assert before == {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_is_not_overwritten_unasked(corpus, encoder, begun, complete):
    for folder in (begun, complete):
        line = refusal(corpus, encoder, folder, **SETTINGS)
        assert "there is a run here already; give --resume, --overwrite or another --out" in line


def test_overwriting_begins_anew(corpus, encoder, begun, whole):
    assert End.of(run(corpus, encoder, begun, overwrite=True, **SETTINGS).path) == whole


def test_overwriting_keeps_the_old_tagger_until_the_new_one_is_there(corpus, encoder, complete, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(complete, folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "report.html").write_text("of the old tagger")
    old = End.of(folder)
    with pytest.raises(Killed):
        run(corpus, encoder, folder, overwrite=True, callbacks=[KillAt("on_step_end", 9)], **SETTINGS)
    assert End.of(folder) == old
    assert (folder / "report.html").exists()
    run(corpus, encoder, folder, resume=True, **SETTINGS)
    assert End.of(folder) != old
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / "report.html").exists()


def test_overwriting_spares_what_is_no_run(corpus, encoder, tmp_path):
    other = tmp_path / "photos"
    (other / "checkpoints").mkdir(parents=True)
    (other / "checkpoints" / "day.jpg").write_bytes(b"jpg")
    (other / "index.html").write_text("mine")
    line = refusal(corpus, encoder, other, overwrite=True)
    assert "this folder holds something else than a run; name another --out" in line
    assert "holds something else" in refusal(corpus, encoder, encoder, overwrite=True)


def test_a_file_is_no_run(corpus, encoder, tmp_path):
    (tmp_path / "run").write_text("mine")
    assert "this is a file, not a folder" in refusal(corpus, encoder, tmp_path / "run", overwrite=True)


def test_there_must_be_something_to_resume(corpus, encoder, complete, tmp_path):
    assert "there is no run here to resume" in refusal(corpus, encoder, tmp_path / "none", resume=True)
    line = refusal(corpus, encoder, complete, resume=True)
    assert "the run here is complete; there is nothing to resume; give --overwrite" in line
    line = refusal(corpus, encoder, complete, resume=True, overwrite=True)
    assert "--resume and --overwrite exclude each other" in line


def test_a_folder_that_was_only_made_is_no_run_yet(corpus, encoder, tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    assert "there is no run here to resume" in refusal(corpus, encoder, tmp_path / "run", resume=True)
    run(corpus, encoder, tmp_path / "run", train__epochs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train__learning_rate": 1e-3}, "the run began with train.learning_rate = 0.01, not 0.001"),
        ({"train__seed": 1}, "the run began with train.seed = 42, not 1"),
        ({"train__epochs": 4}, "the run began with train.epochs = 3.0, not 4.0"),
        ({"encode__label_pieces": "all"}, "the run began with encode.label_pieces = 'first', not 'all'"),
        ({"data__tag_scheme": "bioes"}, "the run began with data.tag_scheme = None, not 'bioes'"),
    ],
)
def test_another_recipe_is_refused_by_its_key(corpus, encoder, begun, change, message):
    line = refusal(corpus, encoder, begun, resume=True, **{**SETTINGS, **change})
    assert message in line
    assert "give the same recipe, or --overwrite" in line


def test_other_data_is_refused_and_the_same_data_elsewhere_is_not(corpus, encoder, begun, whole, tmp_path):
    other = write_corpus(tmp_path / "other", train=47)
    assert "the data is not what the run began with" in refusal(
        other, encoder, begun, resume=True, **SETTINGS
    )
    moved = write_corpus(tmp_path / "moved")
    end = End.of(run(moved, encoder, begun, resume=True, **SETTINGS).path)
    assert (end.weights, end.made["scores"]) == (whole.weights, whole.made["scores"])


def test_a_damaged_record_is_said(corpus, encoder, begun):
    (begun / "checkpoints" / "run.json").write_text('{"recipe": {')
    assert "run.json:1: not JSON" in refusal(corpus, encoder, begun, resume=True, **SETTINGS)


def test_the_record_is_whole_before_it_is_there(begun):
    assert set(json.loads((begun / "checkpoints" / "run.json").read_text())) == {"recipe", "data_sha256"}
