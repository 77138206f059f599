"""How far a run over files is: one line on a terminal, redrawn; nothing anywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tagwright.predict.files import Summary
from tagwright.predict.inputs import Inputs

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Meter"]

SECONDS = 0.2
"""Time between two drawings, at least."""


class Meter:
    """Shows the share of the input that is done, lines, bad lines, words a second and the time left, on stderr.

    Shares are of the files' bytes as they lie on the disk, packed or not. Speed and time left are those of this
    run alone, not of what a stopped one did before it.

    >>> with Meter(inputs) as meter:  # doctest: +SKIP
    ...     predict_lines(tagger, inputs, out, form=form, after=lambda summary, *_: meter.show(summary))
    """

    def __init__(
        self,
        inputs: Inputs,
        *,
        wanted: bool = True,
        console: Console | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Prepare the display.

        Args:
            inputs: what is read.
            wanted: whether to show anything; answers that go to the same terminal would be garbled.
            console: the terminal; None takes stderr. Nothing is shown where it is none.
            seconds: time between two drawings, at least.
        """
        self._inputs = inputs
        self._wanted = wanted
        self._console = console
        self._pause = seconds
        self._bar: Any = None
        self._drawn = 0.0
        self._first: tuple[float, int, int] | None = None

    def __enter__(self) -> Self:
        if not self._wanted or (self._console is None and not sys.stderr.isatty()):
            return self
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = self._console or Console(stderr=True)
        if not console.is_terminal or console.is_dumb_terminal:
            return self
        columns = (BarColumn(bar_width=20), TextColumn("{task.fields[facts]}", markup=False))
        # Without a thread that redraws it: the line changes with each chunk.
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
        self._total = self._inputs.size
        self._task = self._bar.add_task("", total=self._total, facts="")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def show(self, summary: Summary) -> None:
        """Draw what was done so far, unless that was done a moment ago."""
        now = time.monotonic()
        if self._bar is None or now - self._drawn < self._pause:
            return
        self._drawn = now
        done = self._inputs.read_bytes()
        facts = [f"{summary.lines:,} lines"]
        facts += [f"{summary.bad:,} bad"] if summary.bad else []
        if self._total is not None:
            facts.insert(0, f"{done / max(self._total, 1):.0%}")
        if self._first is None:  # what a stopped run did before is not this one's speed
            self._first = (now, done, summary.words)
        else:
            seconds, read, words = now - self._first[0], done - self._first[1], summary.words - self._first[2]
            facts.append(f"{words / max(seconds, 1e-9):,.0f} words/s")
            if self._total is not None and read > 0:
                facts.append(f"{_clock(seconds / read * (self._total - done))} left")
        self._bar.update(self._task, completed=done, facts="  ".join(facts))
        self._bar.refresh()


def _clock(seconds: float) -> str:
    """Write a duration.

    >>> _clock(75), _clock(7384)
    ('1:15', '2:03:04')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
