"""How far a corpus is: one line on a terminal, redrawn; elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from tagwright.scale.result import Step

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["LINES", "Meter", "clock"]

DRAWN = 0.5
"""Seconds between two drawings on a terminal, at least."""
LINES = 30.0
"""Seconds between two lines elsewhere, at least."""


class Meter:
    """Shows fragments, rows, words a second and the time left, on stderr.

    Speed and time left are those of this call, not of those before it.

    >>> with Meter() as meter:  # doctest: +SKIP
    ...     annotate(bundle, source, out, watch=meter.show)
    """

    def __init__(
        self, *, console: Console | None = None, file: TextIO | None = None, lines: float = LINES
    ) -> None:
        """Prepare the display.

        Args:
            console: the terminal; None takes stderr, where that is one.
            file: where lines go if there is no terminal; None takes stderr.
            lines: seconds between two of them, at least.
        """
        self._console = console
        self._file = file
        self._pause = lines
        self._bar: Any = None
        self._task: Any = None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, line: str) -> None:
        """Write a line of its own."""
        line = " ".join(line.split("\n"))  # a file's name may have a line break
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            self._write(line)

    def show(self, step: Step) -> None:
        """Show how far the run is, unless that was shown a moment ago."""
        terminal = self._console is not None or (self._file is None and sys.stderr.isatty())
        if terminal and self._bar is None:
            self._begin()
        now = time.monotonic()
        last = step.done == step.fragments
        if self._bar is not None:
            self._bar.update(self._task, completed=step.done, total=step.fragments, facts=_facts(step))
            if last or now - self._shown >= DRAWN or not step.now:
                self._bar.refresh()
                self._shown = now
        elif now - self._shown >= self._pause and not last:  # what is said at the end says the rest
            self._shown = now
            self._write(_facts(step))

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = self._console or Console(stderr=True)
        self._bar = Progress(
            BarColumn(bar_width=20),
            TextColumn("{task.fields[facts]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, facts="")
        self._bar.start()

    def _write(self, line: str) -> None:
        file = self._file or sys.stderr
        file.write(f"{line}\n")
        file.flush()


def _facts(step: Step) -> str:
    facts = [f"{step.done:,} of {step.fragments:,} fragments", f"{step.counts.rows:,} rows"]
    if step.counts.rejected:
        facts.append(f"{step.counts.rejected:,} rejected")
    if not step.now:
        facts.append(f"{step.workers} {'worker starts' if step.workers == 1 else 'workers start'}")
        return "  ".join(facts)
    facts.append(f"{step.words / max(step.seconds, 1e-9):,.0f} words/s")
    left = step.fragments - step.done
    if left:
        facts.append(f"{clock(step.seconds / step.now * left)} left")
    return "  ".join(facts)


def clock(seconds: float) -> str:
    """Write a duration.

    >>> clock(75), clock(7384)
    ('1:15', '2:03:04')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
