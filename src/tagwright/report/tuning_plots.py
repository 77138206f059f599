"""The figures of a search: plain values in, SVG out; they draw what is given and compute no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tagwright.report.palette import mark
from tagwright.report.plots import place_axes
from tagwright.report.show import ratio
from tagwright.report.svg import draw_svg
from tagwright.report.tuning import show_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["search_history", "slice_of"]

_STYLES = {"done": ("o", 8.0, "blue"), "pruned": ("x", 7.0, "muted"), "running": (".", 7.0, "muted")}


def search_history(
    name: str,
    title: str,
    description: str,
    trials: Sequence[Mapping[str, Any]],
    *,
    best: int | None,
    leaders: Sequence[tuple[float, float]],
) -> str:
    """Draw the F1 of each trial, in their order, and the best up to each.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        trials: `number`, `state` and `f1` of each.
        best: the number of the best one.
        leaders: number and F1 of the best trial up to each.
    """

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, 58, 16, 14, 42)
        if leaders:
            axes.step(
                [x for x, _ in leaders], [y for _, y in leaders], where="post", color=mark("blue"),
                linewidth=1.4, alpha=0.6, zorder=1,
            )  # fmt: skip
        _points(axes, trials, [one["number"] for one in trials], best, tips)
        _plain(axes)
        axes.set_xlim(-0.5, max((one["number"] for one in trials), default=0) + 0.5)
        axes.locator_params(axis="x", nbins=8, integer=True)
        axes.set_xlabel("trial", fontsize=11)
        axes.set_ylabel("validation F1", fontsize=11)

    return draw_svg(name, title, description, width=400, height=260, draw=draw)


def slice_of(
    name: str,
    title: str,
    description: str,
    trials: Sequence[Mapping[str, Any]],
    *,
    key: str,
    spec: Any,
    label: str,
    best: int | None,
) -> str:
    """Draw F1 against one of the fields that vary.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        trials: `values`, `state` and `f1` of each.
        key: the field.
        spec: what it may be: a range or a list of choices.
        label: what to call it.
        best: the number of the best trial.
    """
    choices = list(spec) if isinstance(spec, Sequence) else None
    used = [one for one in trials if key in one["values"]]

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, 58, 16, 14, 42)
        places = [one["values"][key] for one in used]
        if choices is not None:
            places = [choices.index(place) for place in places]
        _points(axes, used, places, best, tips)
        _plain(axes)
        if choices is not None:
            axes.set_xticks(range(len(choices)), [show_value(choice) for choice in choices])
            axes.set_xlim(-0.5, len(choices) - 0.5)
        else:
            _range(axes, spec)
        axes.set_xlabel(label, fontsize=11)
        axes.set_ylabel("validation F1", fontsize=11)

    return draw_svg(name, title, description, width=400, height=260, draw=draw)


def _points(
    axes: Axes,
    trials: Sequence[Mapping[str, Any]],
    places: Sequence[float],
    best: int | None,
    tips: dict[str, str],
) -> None:
    for one, place in zip(trials, places, strict=True):
        if one["f1"] is None or one["state"] not in _STYLES:
            continue
        marker, size, colour = _STYLES[one["state"]]
        if one["number"] == best:
            marker, size, colour = "D", 9.0, "orange"
        [point] = axes.plot(
            [place], [one["f1"]], marker, color=mark(colour), markersize=size, clip_on=False,
            markeredgecolor=mark("paper" if marker != "x" else colour), markeredgewidth=1.2, zorder=2,
        )  # fmt: skip
        point.set_gid(f"trial{one['number']}")
        tips[f"trial{one['number']}"] = f"trial {one['number']}, {one['state']}: F1 {ratio(one['f1'])}"


def _plain(axes: Axes) -> None:
    axes.grid(visible=True, axis="y")
    axes.margins(y=0.12)
    axes.locator_params(axis="y", nbins=5)
    axes.tick_params(length=0, labelcolor=mark("muted"), labelsize=11)
    axes.spines["left"].set_visible(False)


def _range(axes: Axes, spec: Mapping[str, Any]) -> None:
    low, high = spec["low"], spec["high"]
    if spec.get("log"):
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        axes.set_xscale("log")
        middle = (low * high) ** 0.5
        axes.xaxis.set_major_locator(FixedLocator([low, middle, high]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
        room = (high / low) ** 0.05
        axes.set_xlim(low / room, high * room)
    else:
        room = 0.05 * (high - low)
        axes.set_xlim(low - room, high + room)
        axes.locator_params(axis="x", nbins=6, integer="step" in spec and spec["step"] == int(spec["step"]))
