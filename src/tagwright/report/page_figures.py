"""The figures of the page, drawn from its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagwright.report import line_plots, plots
from tagwright.report.page import Page
from tagwright.report.plots import Bar
from tagwright.report.show import ratio, whole

__all__ = ["draw_figures"]


def draw_figures(page: Page) -> dict[str, str]:
    """Draw the figures: SVG by name; those that have nothing to show are left out."""
    drawn = {"types": _draw_types(page), "classes": _draw_classes(page)}
    confused = page.analysis["confusion"]
    if len(confused["gold"]) > 1:
        drawn["confusion"] = plots.confusion(
            "confusion",
            "Confusion of types",
            "Rows are gold types, columns predicted types; the table below holds the numbers.",
            confused,
            shares=page.analysis["confusion"].get("shares") or _shares(confused["counts"]),
        )
    for number, part in enumerate(page.analysis["slices"]):
        drawn[f"slice{number}"] = _draw_slice(f"slice{number}", part)
    calibration = page.analysis.get("calibration")
    if calibration and calibration["entities"]:
        drawn["reliability"] = line_plots.reliability(
            "reliability",
            "Reliability of scores",
            "How often entities of a score are right, against the score. On the diagonal, the score is the truth.",
            calibration["bins"],
        )
        drawn["thresholds"] = line_plots.thresholds(
            "thresholds",
            "Precision, recall and F1 against a threshold",
            "What is left when entities that score under a threshold are dropped.",
            calibration["curve"],
        )
    return drawn | _draw_history(page) | _draw_differences(page)


def _draw_types(page: Page) -> str:
    rows = [
        Bar(
            name,
            one["f1"],
            ratio(one["f1"]),
            one.get("f1_interval"),
            tip=f"{name}: F1 {ratio(one['f1'])}, {whole(one['support'])} gold entities",
        )
        for name, one, _ in page.types
    ]
    return plots.bars(
        "types",
        "F1 of each type",
        "Bars are F1, lines across them 95% intervals; the table has the numbers.",
        rows,
    )


def _draw_classes(page: Page) -> str:
    rows = [Bar(one["name"], one["count"], whole(one["count"])) for one in page.classes]
    limit = max([one["count"] for one in page.classes] or [0]) or 1
    return plots.bars(
        "classes",
        "Errors of each class",
        "How many errors there are of each class.",
        rows,
        limit=limit + 1e-9,
    )


def _draw_history(page: Page) -> dict[str, str]:
    drawn = {}
    losses = page.made.get("losses") or page.history
    for name, title, points, key in (
        ("loss", "Training loss", losses, "loss"),
        ("validation", "F1 on validation", page.history, "f1"),
    ):
        if any(point.get(key) is not None for point in points):
            drawn[name] = line_plots.history(
                name,
                title,
                f"{title} against training steps.",
                points,
                key=key,
                label=title,
                best_step=page.made.get("best_step") if key == "f1" else None,
            )
    return drawn


def _draw_differences(page: Page) -> dict[str, str]:
    drawn = {}
    comparison = page.context["comparison"]
    for number, pair in enumerate(comparison["pairs"] if comparison else ()):
        rows = [
            Bar(name, one["difference"], f"{one['difference']:+.4f}", one["interval"])
            for name, one in pair["per_type"].items()
        ]
        drawn[f"differences{number}"] = plots.differences(
            f"differences{number}",
            "Difference of F1 by type",
            "Points are differences, lines their 95% intervals; the table has the numbers.",
            rows,
            sides=(f"{pair['a']} better", f"{pair['b']} better"),
        )
    return drawn


def _draw_slice(name: str, part: Mapping[str, Any]) -> str:
    rows = [
        Bar(
            row["name"],
            row["f1"],
            f"{ratio(row['f1'])} ({whole(row['support'])})",
            row.get("f1_interval"),
            tip=f"{row['name']}: F1 {ratio(row['f1'])}, {whole(row['support'])} gold entities",
        )
        for row in part["rows"]
    ]
    return plots.bars(name, part["title"], f"F1 and the number of gold entities by {part['name']}.", rows)


def _shares(counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Scale the colours of a heat map: each cell by its row, and all of them so that the strongest is 1."""
    shares = [[count / (sum(row) or 1) for count in row] for row in counts]
    strongest = max(map(max, shares)) or 1
    return [[share / strongest for share in row] for row in shares]
