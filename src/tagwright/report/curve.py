"""A learning curve for the terminal and as a picture: renders what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tagwright.errors import require

__all__ = ["curve_svg", "curve_view"]

WIDTH = 40  # characters of the plot, where there is room for it
LEAST = 16


def curve_view(curve: Mapping[str, Any]) -> RenderableType:
    """Show a curve: a row for each share with F1 and its interval, in figures and drawn, and the judgement.

    Args:
        curve: what `Curve.to_dict()` gives, or the JSON of `tagwright curve`.
    """
    points = curve["points"]
    runs = len(points[0]["runs"]) if points else 0
    told = (
        f"{curve['split']} F1 of {curve['encoder']} on {curve['data']}; parts drawn by {curve['unit']},"
        f" {runs} {'seed' if runs == 1 else 'seeds'}; {curve['support']:,} gold spans"
    )
    return Group(_Points(points), Text(), Text(told), Text(), Text(curve["judgement"]["words"]))


class _Points:
    """The table of the points; what room the figures leave is the plot's, if that is enough for one."""

    def __init__(self, points: Any) -> None:
        self.points = points

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        figures = Measurement.get(console, options.update(width=10_000), _table(self.points, 0)).maximum
        room = min(WIDTH, options.max_width - figures - 3)
        yield _table(self.points, room if room >= LEAST else 0)


def _table(points: Any, plot: int) -> Table:
    low, high = _range(points)
    banded = any(point["interval"] for point in points)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("sentences", justify="right", no_wrap=True)
    table.add_column("F1", justify="right", no_wrap=True, style="bold")
    if banded:
        table.add_column("±", justify="right", no_wrap=True)
        table.add_column("95% interval", no_wrap=True)
    if plot:
        table.add_column(f"{low:.2f}{f'{high:.2f}':>{plot - 4}}", no_wrap=True)
    for point in points:
        row = [f"{point['share']:g}", f"{point['sentences']:,.0f}", f"{point['f1']:.4f}"]
        if banded:
            row += [f"{point['deviation']:.4f}", "{:.4f} to {:.4f}".format(*point["interval"])]
        table.add_row(*row, *([Text(_bar(point, low, high, plot))] if plot else []))
    return table


def curve_svg(curve: Mapping[str, Any]) -> str:
    """Draw a curve as SVG: F1 against sentences on a logarithmic axis, each seed, and the band of the mean.

    Args:
        curve: what `Curve.to_dict()` gives.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    points = curve["points"]
    sizes = [point["sentences"] for point in points]
    with rc_context({"svg.hashsalt": "tagwright", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=(6.4, 4), layout="constrained")
        axes = figure.add_subplot()
        if all(point["interval"] for point in points):
            low, high = ([point["interval"][end] for point in points] for end in (0, 1))
            axes.fill_between(sizes, low, high, alpha=0.2, label="95% interval of the mean", linewidth=0)
        axes.plot(sizes, [point["f1"] for point in points], marker="o", label="mean over seeds")
        runs = [run for point in points for run in point["runs"]]
        axes.scatter(
            [run["sentences"] for run in runs],
            [run["f1"] for run in runs],
            s=12,
            color="0.4",
            label="one seed",
        )
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("training sentences")
        axes.set_ylabel(f"{curve['split']} F1")
        axes.set_title(f"{curve['encoder']} on {curve['data']}")
        axes.grid(alpha=0.3)
        axes.legend(loc="best", frameon=False)
        drawn = StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def _range(points: Any) -> tuple[float, float]:
    """Return the ends of the plot's axis, in whole twentieths."""
    bounds = [bound for point in points for bound in point["interval"] or [point["f1"]]]
    low, high = int(min(bounds) * 20) / 20, -int(-max(bounds) * 20 // 1) / 20
    return low, max(high, low + 0.05)


def _bar(point: Mapping[str, Any], low: float, high: float, width: int) -> str:
    def place(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    cells = [" "] * width
    if point["interval"]:
        first, last = (place(bound) for bound in point["interval"])
        cells[first : last + 1] = ["─"] * (last + 1 - first)
        cells[first], cells[last] = "├", "┤"
    cells[place(point["f1"])] = "●"
    return "".join(cells).rstrip()
