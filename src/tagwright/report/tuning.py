"""A search for the terminal: a table that lives while it runs, and what it came to in the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

__all__ = ["SearchDisplay", "short_names", "show_value", "tuning_view"]

Trials = Sequence[Mapping[str, Any]]
BEST = "best"


class SearchDisplay:
    """Shows a search: a live table on a terminal, a line for each trial that ends elsewhere.

    Args:
        console: where to write.
        total: trials in all.
        keys: the fields that vary.
    """

    def __init__(self, console: Console, *, total: int, keys: Sequence[str]) -> None:
        self.console = console
        self.total = total
        self.keys = list(keys)
        self._trials: Trials = ()
        self._shares: dict[int, float] = {}
        self._told: set[int] | None = None
        self._waiting = 0
        self._started = time.monotonic()
        self._before = 0
        self._live: Live | None = None

    def __enter__(self) -> SearchDisplay:
        if self.console.is_terminal:
            self._live = Live(console=self.console, get_renderable=self._render, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._live is not None:
            self._live.transient = (
                kind is None
            )  # what comes of a search is shown once more; what was stopped is not
            self._live.stop()
            self._live = None

    def show(self, trials: Trials) -> None:
        """Take the trials as they are now."""
        self._trials = list(trials)
        ended = {one["number"]: one for one in trials if one["state"] not in ("running", "dropped")}
        if self._told is None:  # of an earlier call, or of others
            self._told = set(ended)
            self._before = len(ended)
        for number in sorted(ended.keys() - self._told):
            self._told.add(number)
            if self._live is None:
                self._print(self._line(ended[number], len(ended)))

    def progress(self, number: int, share: float) -> None:
        """Take how much of a trial of this process is done, in 0..1."""
        self._shares[number] = share

    def wait(self, count: int) -> None:
        """Say once that the last trials run elsewhere."""
        if count != self._waiting:
            self._waiting = count
            self._print(
                f"waiting for {count} {'trial that runs' if count == 1 else 'trials that run'} elsewhere;"
                " Ctrl-C does not stop them"
            )

    def _line(self, trial: Mapping[str, Any], done: int) -> str:
        values = "  ".join(
            f"{name} {show_value(trial['values'][key])}" for key, name in short_names(self.keys).items()
        )
        line = f"{done}/{self.total}  trial {trial['number']}  {values}  {_state(trial)}"
        if trial["f1"] is not None:
            line += f"  F1 {trial['f1']:.4f}"
        if trial["reason"]:
            line += f"  {trial['reason']}"
        if trial["number"] == best_number(self._trials):
            line += "  best so far"
        left = self._left()
        return line + (f"  about {left} left" if left and done < self.total else "")

    def _left(self) -> str | None:
        """Estimate the time that the other trials take, from those of this call."""
        ended = sum(one["state"] not in ("running", "dropped") for one in self._trials)
        running = [
            one["number"]
            for one in self._trials
            if one["state"] == "running" and one["number"] in self._shares
        ]
        done = ended - self._before + sum(self._shares[number] for number in running)
        if done < 0.05:
            return None
        seconds = (time.monotonic() - self._started) / done * max(self.total - self._before - done, 0)
        return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"

    def _render(self) -> RenderableType:
        room = max(self.console.height - 6, 4)
        table = trials_table(self._trials, self.keys, self._shares, room=room)
        ended = sum(one["state"] not in ("running", "dropped") for one in self._trials)
        left = self._left()
        foot = f"{ended} of {self.total} trials" + (f", about {left} left" if left else "")
        return Group(table, Text(foot))

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


def best_number(trials: Trials) -> int | None:
    """Return the number of the trial of the highest F1 among those that are done."""
    done = [one for one in trials if one["state"] == "done" and one["f1"] is not None]
    return max(done, key=lambda one: (one["f1"], -one["number"]))["number"] if done else None


def trials_table(
    trials: Trials, keys: Sequence[str], shares: Mapping[int, float] | None = None, *, room: int | None = None
) -> Table:
    """Show trials: number, fields that vary, epochs, F1 and state; the best is marked.

    Args:
        trials: as of `Trial.to_dict()`.
        keys: the fields.
        shares: how much of a running trial is done.
        room: rows at most: the best and the last ones.
    """
    best = best_number(trials)
    shown = list(trials)
    if room is not None and len(shown) > room:
        shown = [one for one in shown[:-room] if one["number"] == best] + shown[-room:]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("trial", justify="right", no_wrap=True)
    for name in short_names(keys).values():
        table.add_column(name, justify="right")
    for name in ("epochs done", "F1"):
        table.add_column(name, justify="right", no_wrap=name == "F1")
    table.add_column("", no_wrap=False, overflow="fold")
    several = any(one["deviation"] is not None for one in trials)
    for one in shown:
        f1 = "" if one["f1"] is None else f"{one['f1']:.4f}"
        if several and one["deviation"] is not None:
            f1 += f" ± {one['deviation']:.4f}"
        state = _state(one)
        share = (shares or {}).get(one["number"])
        if one["state"] == "running" and share is not None:
            state = f"{share:.0%}"
        if one["number"] == best:
            state = BEST
        if one["reason"] and one["state"] == "failed":
            state += f": {one['reason']}"
        table.add_row(
            str(one["number"]),
            *(show_value(one["values"].get(key)) for key in keys),
            f"{one['epochs']:g}",
            f1,
            Text(state),
            style="bold" if one["number"] == best else "",
        )
    return table


def tuning_view(made: Mapping[str, Any]) -> RenderableType:
    """Show what a search came to: every trial, and what may be said.

    Args:
        made: what `Tuned.to_dict()` gives, or the JSON of `tagwright tune`.
    """
    trials = [one for one in made["trials"] if one["state"] != "dropped"]
    seeds = len(made["seeds"])
    told = (
        f"validation F1 of {made['encoder']} on {made['data']['source']},"
        f" {seeds} {'seed' if seeds == 1 else 'seeds'} a trial; trial 0 is the recipe itself"
    )
    return Group(
        trials_table(trials, list(made["space"])),
        Text(),
        Text(told),
        Text(),
        *(Text(line) for line in made["words"]),
    )


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return what to call fields in a table: without their section where that is clear."""
    last = [key.rpartition(".")[2] for key in keys]
    return {
        key: name.replace("_", " ") if last.count(name) == 1 else key
        for key, name in zip(keys, last, strict=True)
    }


def show_value(value: Any) -> str:
    """Show a value of a field."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def _state(trial: Mapping[str, Any]) -> str:
    return str(trial["state"])
