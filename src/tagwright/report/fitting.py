"""Tables that fit the terminal: columns are left out rather than digits cut."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table

__all__ = ["Fitting"]


class Fitting:
    """A table, without the columns that can be missed where the terminal is too narrow for all of them.

    Args:
        make: makes the table; it is given whether there is room for every column.
    """

    def __init__(self, make: Callable[[bool], Table]) -> None:
        self.make = make

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the one table or the other."""
        table = self.make(True)
        for column in table.columns:
            if column.no_wrap:  # rich would measure the longest word only
                widest = max(len(str(cell)) for cell in (column.header, *column.cells))
                column.min_width = max(widest, column.min_width or 0)
        least = Measurement.get(console, options.update(width=10_000), table).minimum
        yield table if least <= options.max_width else self.make(False)
