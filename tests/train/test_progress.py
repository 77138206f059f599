"""What a run shows: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
import transformers
from rich.console import Console

from tagwright.train import progress
from tagwright.train.progress import RunDisplay
from tests.train.toy import run


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


class Run:
    """Plays a run of two epochs of ten steps to a display."""

    def __init__(self, display, clock, *, start: int = 0):
        self.display, self.clock = display, clock
        self.args = SimpleNamespace(num_train_epochs=2)
        self.state = SimpleNamespace(global_step=start, max_steps=20, epoch=start / 10, best_metric=None)
        display.on_train_begin(self.args, self.state, None)
        display.on_epoch_begin(self.args, self.state, None)

    def step(self, seconds: float = 0.5):
        self.clock.now += seconds
        self.state.global_step += 1
        self.state.epoch = self.state.global_step / 10
        self.display.on_step_end(self.args, self.state, None)

    def evaluate(self, f1: float, seconds: float = 60):
        self.clock.now += seconds
        metrics = {"eval_f1": f1, "eval_precision": 0.5, "eval_recall": 0.25, "eval_strict_f1": 0.125}
        self.display.on_evaluate(self.args, self.state, None, metrics)
        self.state.best_metric = max(f1, self.state.best_metric or 0)


def test_plain_lines_name_epoch_step_speed_loss_f1_and_time_left(clock):
    console = Console(file=io.StringIO(), width=40)
    pieces = iter(range(100, 10_000, 100))
    display = RunDisplay(console, lambda: next(pieces))
    told = Run(display, clock)
    told.step()
    display.on_log(None, None, None, logs={"loss": 1.23456})
    told.step()
    told.evaluate(0.4)
    told.step()
    told.step()
    lines = console.file.getvalue().splitlines()
    assert lines == [
        "epoch 0.20/2  step 2/20  100 tokens/s  loss 1.2346  0:09 left",
        "epoch 0.20/2  step 2/20  validation F1 0.4000 "
        "(precision 0.5000, recall 0.2500, strict F1 0.1250)  best so far",
        "epoch 0.40/2  step 4/20  100 tokens/s  loss 1.2346  F1 0.4000  0:08 left",
    ]


def test_evaluations_and_checkpoints_do_not_count_as_training(clock):
    display = RunDisplay(Console(file=io.StringIO()), lambda: 100)
    told = Run(display, clock)
    told.step(2)
    told.evaluate(0.1, seconds=600)
    clock.now += 300
    display.on_save(told.args, told.state, None)
    told.step(3)
    assert display.seconds == 5


def test_best_so_far_is_the_runs_own_even_after_a_resume(clock):
    console = Console(file=io.StringIO(), width=200)
    told = Run(RunDisplay(console, lambda: 1), clock, start=10)
    told.state.best_metric = 0.6
    told.evaluate(0.5)
    told.evaluate(0.7)
    first, second = console.file.getvalue().splitlines()
    assert "best so far" not in first
    assert second.endswith("best so far")


def test_time_left_after_a_resume_counts_the_steps_of_this_session(clock):
    console = Console(file=io.StringIO(), width=200)
    told = Run(RunDisplay(console, lambda: 1), clock, start=10)
    told.step(60)
    told.step(60)
    assert "step 12/20" in console.file.getvalue()
    assert "8:00 left" in console.file.getvalue()


def test_a_terminal_gets_one_live_display_that_goes_away(corpus, encoder, tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=160, color_system=None)
    run(corpus, encoder, tmp_path / "run", console=console)
    shown = console.file.getvalue()
    assert re.search(r"epoch \d\.\d\d/2  step \d+/12 .*tokens/s", shown)
    assert "\x1b[2K" in shown  # lines are erased and drawn again
    lasting = [
        line for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)) if line.strip()
    ]
    assert any("validation F1" in line for line in lasting)


def test_the_display_is_closed_after_an_error(corpus, encoder, tmp_path):
    class Fail(transformers.TrainerCallback):
        def on_step_end(self, *_, **__):
            raise ZeroDivisionError

    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    with pytest.raises(ZeroDivisionError):
        run(corpus, encoder, tmp_path / "run", console=console, callbacks=[Fail()])
    assert console.file.getvalue().count("\x1b[?25h") == 1  # the cursor is back
