"""A report as text for the terminal: the views of its parts, one below the other."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tagwright.report.calibration import reliability_diagram
from tagwright.report.comparison import comparison_view
from tagwright.report.data import summary_view
from tagwright.report.errors import errors_view
from tagwright.report.show import ratio, visible, whole
from tagwright.report.terminal import score_table, show

__all__ = ["overview", "to_text"]


def overview(context: Mapping[str, Any]) -> RenderableType:
    """Show a report.

    Args:
        context: see `tagwright.report.html.render`.
    """
    return Group(*_parts(context))


def to_text(context: Mapping[str, Any]) -> str:
    """Return the same as plain text."""
    stream = io.StringIO()
    show(overview(context), file=stream)
    return stream.getvalue()


def _parts(context: Mapping[str, Any]) -> Iterable[RenderableType]:
    analysis = context["analysis"]
    on = f"on {analysis['data']}, {analysis['split']}: {whole(analysis['sentences'])} sentences"
    yield Text(visible(f"{context['title']} {on}"), style="bold")
    yield Text()
    yield score_table(analysis["scores"])
    if context["comparison"]:
        yield from (_heading("comparison"), comparison_view(context["comparison"]))
    yield from (_heading("errors"), errors_view(analysis))
    calibration = analysis.get("calibration")
    if calibration and calibration["entities"]:
        yield _heading("calibration")
        yield Text(f"expected calibration error {ratio(calibration['ece'])}")
        yield reliability_diagram(calibration["bins"])
    if context["data"]:
        yield from (_heading("data"), summary_view(context["data"]))


def _heading(name: str) -> RenderableType:
    # Not rich's Rule: it is as wide as the console, and a pipe has no width.
    return Group(Text(), Text(name.upper(), style="bold"), Text("─" * len(name), style="dim"), Text())
