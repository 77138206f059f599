"""The report's curves: plain values in, SVG out; they draw what is given and compute no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tagwright.report.palette import mark
from tagwright.report.plots import place_axes
from tagwright.report.show import ratio, whole
from tagwright.report.svg import draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["history", "reliability", "thresholds"]


def reliability(name: str, title: str, description: str, bins: Sequence[Mapping[str, Any]]) -> str:
    """Draw how often entities of a score are right, over a histogram of the scores.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        bins: `low`, `high`, `count`, `score` and `precision` of each, as in an analysis.
    """

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, 44, 14, 12, 112)
        axes.plot([0, 1], [0, 1], color=mark("muted"), linewidth=1.2, linestyle=(0, (4, 4)))
        used = [one for one in bins if one["count"]]
        axes.plot(
            [one["score"] for one in used], [one["precision"] for one in used], "-", color=mark("blue"),
            linewidth=2,
        )  # fmt: skip
        for place, one in enumerate(used):
            [point] = axes.plot(
                [one["score"]], [one["precision"]], "o", color=mark("blue"), markersize=8,
                markeredgecolor=mark("paper"), markeredgewidth=1.5,
            )  # fmt: skip
            point.set_gid(f"bin{place}")
            tips[f"bin{place}"] = (
                f"mean score {ratio(one['score'])}, right {ratio(one['precision'])}, {whole(one['count'])} entities"
            )
        _unit(axes)
        axes.set_ylabel("share that is right", fontsize=11)
        axes.tick_params(axis="x", labelbottom=False)
        axes.annotate("too sure", (0.97, 0.05), ha="right", color=mark("muted"), fontsize=11)
        axes.annotate("not sure enough", (0.03, 0.93), color=mark("muted"), fontsize=11)
        below = place_axes(figure, 44, 14, 244, 42)
        below.bar(
            [one["low"] for one in bins], [one["count"] for one in bins],
            width=[one["high"] - one["low"] for one in bins], align="edge", color=mark("muted"),
            edgecolor=mark("paper"), linewidth=1,
        )  # fmt: skip
        below.set_xlim(0, 1)
        below.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        below.set_yticks([])
        below.tick_params(length=0)
        below.spines["left"].set_visible(False)
        below.set_xlabel("score of the entity; grey: how many have it", fontsize=11)

    return draw_svg(name, title, description, width=400, height=350, draw=draw)


def thresholds(name: str, title: str, description: str, curve: Sequence[Mapping[str, Any]]) -> str:
    """Draw precision, recall and F1 of the entities whose score reaches a threshold.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        curve: `threshold`, `precision`, `recall` and `f1` of each point, as in an analysis.
    """

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, 44, 14, 34, 42)
        x = [point["threshold"] for point in curve]
        for key, label, colour, dashes in (
            ("precision", "precision", "orange", (0, (6, 3))),
            ("recall", "recall", "green", (0, (1.5, 2.5))),
            ("f1", "F1", "blue", "-"),
        ):
            [line] = axes.plot(
                x, [point[key] for point in curve], color=mark(colour), linewidth=2.2, linestyle=dashes
            )
            line.set_label(label)
        _unit(axes)
        axes.set_xlabel("threshold: entities with a lower score are dropped", fontsize=11)
        figure.legend(
            loc="upper left", ncols=3, frameon=False, fontsize=12, borderaxespad=0, handlelength=2.6,
            bbox_to_anchor=(44 / 400, 1 - 4 / 350),
        )  # fmt: skip

    return draw_svg(name, title, description, width=400, height=350, draw=draw)


def history(
    name: str,
    title: str,
    description: str,
    points: Sequence[Mapping[str, Any]],
    *,
    key: str,
    label: str,
    best_step: int | None = None,
) -> str:
    """Draw a value of a training run against its steps.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        points: entries with `step` and the value; those without the value are left out.
        key: the value.
        label: what the value is.
        best_step: the step whose weights were kept, which is marked.
    """
    used = [point for point in points if point.get(key) is not None]

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, 52, 16, 14, 42)
        few = len(used) <= 30
        steps = [point["step"] for point in used]
        axes.plot(
            steps, [point[key] for point in used], "o-" if few else "-", color=mark("blue"), linewidth=2,
            markersize=6, markeredgecolor=mark("paper"), clip_on=False,
        )  # fmt: skip
        for point in used:
            if point["step"] == best_step:
                axes.plot(
                    [point["step"]], [point[key]], "D", color=mark("orange"), markersize=9, clip_on=False,
                    markeredgecolor=mark("paper"), markeredgewidth=1,
                )  # fmt: skip
        axes.grid(visible=True, axis="y")
        axes.set_xlim(0, max(steps, default=1) or 1)
        axes.margins(y=0.12)
        if key == "loss":
            axes.set_ylim(bottom=0)
        axes.locator_params(nbins=5)
        axes.tick_params(length=0, labelcolor=mark("muted"), labelsize=11)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("step", fontsize=11)
        axes.set_ylabel(label, fontsize=11)

    return draw_svg(name, title, description, width=400, height=240, draw=draw)


def _unit(axes: Axes) -> None:
    """Let both axes run from 0 to 1."""
    ticks, labels = [0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"]
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
    axes.grid(visible=True)
    axes.tick_params(length=0, labelcolor=mark("muted"), labelsize=11)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
