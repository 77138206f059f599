"""When a run saves, and when it stops: callbacks of `transformers.Trainer`."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import transformers

from tagwright.train.ranks import among_several

__all__ = ["EarlyStop", "SaveEvery", "StopOnInterrupt"]


def _epoch_ends(state: Any) -> bool:
    """Say whether a step is the last of its epoch, after which the run evaluates and saves in any case."""
    return bool(state.epoch == int(state.epoch)) or state.global_step >= state.max_steps


class SaveEvery(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Asks for a checkpoint every so many steps, beside those after each epoch."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Ask for one."""
        # Not at an epoch's end: a run that died between this save and the evaluation would go on without its score.
        if state.global_step % self.steps == 0 and not _epoch_ends(state):
            control.should_save = True
        return control


class EarlyStop(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Stops a run after so many evaluations without a better validation F1.

    It counts in the run's own log, which checkpoints keep; transformers' callback of this name begins to count anew
    when a run is resumed.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Stop when the best F1 lies too far back."""
        scores = [entry["eval_f1"] for entry in state.log_history if "eval_f1" in entry]
        if scores and len(scores) - 1 - scores.index(max(scores)) >= self.patience:
            control.should_training_stop = True
        return control

    on_epoch_begin = on_evaluate  # the checkpoint that a run goes on from may be its last


class StopOnInterrupt(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Turns the first Ctrl-C (or SIGTERM) into a checkpoint after the present step; alone, the second stops at once.

    Use as a context manager around `Trainer.train`. Among several processes signals are `EndTogether`'s, and the
    trainer tells all of them, after a batch, that one was asked, so that they stop at the same step.

    Attributes:
        asked: this process was asked to stop.
        agreed: all processes know that one was.
    """

    def __init__(self) -> None:
        self.asked = False
        self.agreed = False
        self._several = False
        self._before: dict[int, Any] = {}

    @property
    def stopping(self) -> bool:
        """Whether the run ends with the present step."""
        return self.agreed if self._several else self.asked

    def __enter__(self) -> StopOnInterrupt:
        self._several = among_several()
        if not self._several and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Save and stop if asked to; at an epoch's end, after its evaluation."""
        if self.stopping:
            control.should_training_stop = True
            control.should_save = not _epoch_ends(state)
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        """Skip the evaluation of an epoch that was broken off."""
        if self.stopping and not _epoch_ends(state):
            control.should_evaluate = False
            control.should_save = False
        return control
