"""The report's bars and heat map: plain values in, SVG out; they draw what is given and compute no score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tagwright.report.palette import mark
from tagwright.report.show import shorten, visible, whole
from tagwright.report.svg import draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["NOTHING", "Bar", "bars", "confusion", "differences", "place_axes"]

NOTHING = "(nothing)"
"""What stands for a side that has no entity."""

_CHARACTER = 7.0
"""The width of a character of a label at most, on average, in pixels."""


class Bar(NamedTuple):
    """A bar of `bars`.

    Attributes:
        name: its label.
        value: its length; None where there is nothing to show.
        note: what stands right of it.
        interval: the bounds of a line across its end.
        other: a second value, shown as a mark.
        tip: what is shown while the pointer is on it; None takes name and value.
    """

    name: str
    value: float | None
    note: str
    interval: Sequence[float] | None = None
    other: float | None = None
    tip: str | None = None


def bars(
    name: str, title: str, description: str, rows: Sequence[Bar], *, limit: float = 1, width: float = 400
) -> str:
    """Draw horizontal bars, the first at the top.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        rows: the bars.
        limit: the end of the axis; where it is 1 the bars are ratios.
        width: in CSS pixels.
    """
    labels = [shorten(visible(row.name)) for row in rows]
    left = 14 + _CHARACTER * max(map(len, labels), default=1)
    right = 14 + _CHARACTER * max((len(row.note) for row in rows), default=1)
    row_height, above, below = 26, 6, 30
    height = above + below + row_height * max(len(rows), 1)

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, left, right, above, below)
        axes.grid(visible=True, axis="x")
        for place, row in enumerate(rows):
            if row.value is not None:
                [patch] = axes.barh(place, row.value, height=0.6, color=mark("blue"))
                patch.set_gid(f"bar{place}")
                tips[f"bar{place}"] = visible(row.tip or f"{row.name}: {row.note}")
            if row.interval:
                ends = [place, place]
                for colour, width_of in (("paper", 4.5), ("ink", 1.8)):  # a rim, so that it shows on the bar
                    axes.plot(
                        row.interval, ends, "-|", color=mark(colour), linewidth=width_of, markersize=8 + width_of,
                        markeredgewidth=width_of, solid_capstyle="butt",
                    )  # fmt: skip
            if row.other is not None:
                axes.plot(
                    [row.other], [place], "D", color=mark("orange"), markersize=7,
                    markeredgecolor=mark("paper"), markeredgewidth=1,
                )  # fmt: skip
            _note(axes, row.note, place, right)
        axes.set_xlim(0, limit)
        if limit == 1:
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
        else:
            axes.locator_params(axis="x", nbins=4, integer=True)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), labels)
        axes.tick_params(length=0)
        axes.spines["bottom"].set_visible(False)

    return draw_svg(name, title, description, width=width, height=height, draw=draw)


def confusion(
    name: str, title: str, description: str, confused: Mapping[str, Any], *, shares: Sequence[Sequence[float]]
) -> str:
    """Draw the confusion of types: rows gold, columns predicted, the right cells blue and the wrong ones orange.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        confused: `gold`, `predicted` and `counts`, as in an analysis.
        shares: how strongly each cell is coloured, in 0..1.
    """
    gold, predicted, counts = confused["gold"], confused["predicted"], confused["counts"]
    shown = [shorten(visible(label), 20) for label in gold]
    above_labels = [shorten(visible(label), 20) for label in predicted]
    many = max(len(gold), len(predicted)) > 20
    cell_width, cell_height = (20, 20) if many else (54, 34)
    left = 34 + _CHARACTER * max(map(len, shown))
    above = 30 + _CHARACTER * 0.95 * max(map(len, above_labels))
    width, height = left + cell_width * len(predicted) + 6, above + cell_height * len(gold) + 6

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        from matplotlib.patches import Rectangle

        axes = place_axes(figure, left, 6, above, 6)
        for row, (label, cells) in enumerate(zip(gold, counts, strict=True)):
            for column, (other, count) in enumerate(zip(predicted, cells, strict=True)):
                share = shares[row][column]
                colour = "blue" if row == column else "orange"
                if count:
                    key = f"cell{row}x{column}"
                    inside = Rectangle(
                        (column + 0.03, row + 0.03), 0.94, 0.94, color=mark(colour), linewidth=0
                    )
                    inside.set_alpha(0.07 + 0.43 * share)  # light enough for the ink on it
                    inside.set_gid(key)
                    axes.add_patch(inside)
                    tips[key] = visible(f"gold {label}, predicted {other}: {whole(count)}")
                if not many and (count or row == column < len(gold) - 1):
                    axes.text(
                        column + 0.5, row + 0.5, whole(count), ha="center", va="center",
                        color=mark("ink" if count else "muted"), fontsize=12 if count < 10_000 else 9,
                    )  # fmt: skip
        axes.set_xlim(0, len(predicted))
        axes.set_ylim(len(gold), 0)
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xticks([place + 0.5 for place in range(len(predicted))], above_labels, rotation=90)
        axes.set_yticks([place + 0.5 for place in range(len(gold))], shown)
        axes.tick_params(length=0, labelsize=11 if many else 12, labelcolor=mark("ink"))
        axes.set_xticks(range(len(predicted) + 1), minor=True)
        axes.set_yticks(range(len(gold) + 1), minor=True)
        axes.grid(visible=True, which="minor")
        axes.tick_params(which="minor", length=0)
        figure.text(left / width, 1 - 4 / height, "predicted", va="top", color=mark("muted"), fontsize=11)
        figure.text(
            4 / width, 1 - above / height, "gold", va="top", rotation=90, color=mark("muted"), fontsize=11
        )
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw_svg(name, title, description, width=width, height=height, draw=draw, css="natural")


def differences(
    name: str,
    title: str,
    description: str,
    rows: Sequence[Bar],
    *,
    sides: tuple[str, str],
    width: float = 400,
) -> str:
    """Draw differences as points with their intervals, left and right of zero.

    Args:
        name: unique within the page.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        rows: the differences; the first at the top.
        sides: who is better where a difference is negative, and where it is positive.
        width: in CSS pixels.
    """
    labels = [shorten(visible(row.name)) for row in rows]
    left = 14 + _CHARACTER * max(map(len, labels), default=1)
    right = 14 + _CHARACTER * max((len(row.note) for row in rows), default=1)
    row_height, above, below = 26, 24, 30
    height = above + below + row_height * max(len(rows), 1)
    ends = [abs(end) for row in rows for end in (*(row.interval or ()), row.value or 0)]
    reach = max([*ends, 0.05]) * 1.05

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = place_axes(figure, left, right, above, below)
        axes.grid(visible=True, axis="x")
        axes.axvline(0, color=mark("muted"), linewidth=1.2)
        for place, row in enumerate(rows):
            if row.interval:
                axes.plot(row.interval, [place, place], "-", color=mark("muted"), linewidth=2)
            colour = "blue" if (row.value or 0) >= 0 else "orange"
            [point] = axes.plot(
                [row.value or 0], [place], "o", color=mark(colour), markersize=9, markeredgecolor=mark("paper"),
                markeredgewidth=1,
            )  # fmt: skip
            point.set_gid(f"difference{place}")
            tips[f"difference{place}"] = visible(row.tip or f"{row.name}: {row.note}")
            _note(axes, row.note, place, right)
        axes.set_xlim(-reach, reach)
        axes.locator_params(axis="x", nbins=5)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), labels)
        axes.tick_params(length=0)
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        for x, align, text in ((0, "left", f"← {sides[0]}"), (1, "right", f"{sides[1]} →")):
            axes.annotate(
                shorten(visible(text)), (x, 1), (0, 6), xycoords="axes fraction", textcoords="offset points",
                ha=align, color=mark("muted"), fontsize=11, annotation_clip=False,
            )  # fmt: skip

    return draw_svg(name, title, description, width=width, height=height, draw=draw)


def place_axes(figure: Figure, left: float, right: float, above: float, below: float) -> Axes:
    """Put axes on a figure, their margins in pixels."""
    width, height = figure.get_size_inches() * 72
    return figure.add_axes(
        (left / width, below / height, (width - left - right) / width, (height - above - below) / height)
    )


def _note(axes: Axes, text: str, place: int, right: float) -> None:
    """Write a text right of a row, flush with the figure's right border."""
    axes.annotate(
        text, (1, place), (right - 2, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="center", annotation_clip=False,
    )  # fmt: skip
