"""What a run shows while it trains: one live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any

import transformers
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["RunDisplay"]

LINES_IN_EPOCH = 5


class RunDisplay(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """Shows epoch, step, tokens a second, loss, validation F1 and time left, on stderr.

    Tokens are the encoder's pieces without padding; the time of evaluations and checkpoints is not counted.

    Args:
        console: where to write.
        pieces: returns how many pieces have been trained on.
    """

    def __init__(self, console: Console, pieces: Any) -> None:
        self.console = console
        self.pieces = pieces
        self.seconds = 0.0
        self.loss: float | None = None
        self.last: float | None = None
        self._clock = 0.0
        self._bar: Progress | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the display."""
        self.first_step = state.global_step
        self._lines = max(1, state.max_steps // max(1, round(args.num_train_epochs * LINES_IN_EPOCH)))
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[facts]}"),
                TimeElapsedColumn(),
                console=self.console,
                transient=True,
            )
            self._task = self._bar.add_task(
                "training", total=state.max_steps, completed=state.global_step, facts=""
            )
            self._bar.start()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._clock = time.perf_counter()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock anew: checkpoints are not training."""
        self._clock = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock and show where the run is."""
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=state.global_step,
                description=self._epoch(args, state),
                facts=self._facts(state),
            )
        elif state.global_step % self._lines == 0:
            self.console.print(
                f"{self._epoch(args, state)}  {self._facts(state)}", highlight=False, soft_wrap=True
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take the loss."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Show the validation scores."""
        self._clock = time.perf_counter()
        self.last = metrics["eval_f1"]
        better = state.best_metric is None or self.last > state.best_metric
        self.console.print(
            f"{self._epoch(args, state)}  validation F1 {metrics['eval_f1']:.4f} "
            f"(precision {metrics['eval_precision']:.4f}, recall {metrics['eval_recall']:.4f}, "
            f"strict F1 {metrics['eval_strict_f1']:.4f})" + ("  best so far" if better else ""),
            highlight=False,
            soft_wrap=True,
        )

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the display."""
        self.close()

    def close(self) -> None:
        """Close the display, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _epoch(self, args: Any, state: Any) -> str:
        return f"epoch {state.epoch or 0:.2f}/{args.num_train_epochs:g}  step {state.global_step}/{state.max_steps}"

    def _facts(self, state: Any) -> str:
        done = state.global_step - self.first_step
        left = self.seconds / max(done, 1) * (state.max_steps - state.global_step)
        facts = [f"{self.pieces() / max(self.seconds, 1e-9):,.0f} tokens/s"]
        facts += [f"loss {self.loss:.4f}"] if self.loss is not None else []
        facts += [f"F1 {self.last:.4f}"] if self.last is not None else []
        return "  ".join([*facts, f"{int(left) // 60}:{int(left) % 60:02d} left"])
