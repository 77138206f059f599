"""A search as a page: how it went, which fields matter, every trial; renders what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tagwright.errors import require
from tagwright.report.html import render_page
from tagwright.report.page import Section
from tagwright.report.plots import Bar, bars
from tagwright.report.show import ratio
from tagwright.report.tuning import short_names, show_value
from tagwright.report.tuning_plots import search_history, slice_of

__all__ = ["render_tuning"]


def render_tuning(made: Mapping[str, Any]) -> str:
    """Render a search as a page that asks for nothing outside itself.

    Args:
        made: what `Tuned.to_dict()` gives, or the JSON of `tagwright tune`.

    Returns:
        The page; the same search gives the same text.

    Raises:
        MissingExtraError: jinja2 or matplotlib are not installed.
    """
    require("jinja2", "report")
    require("matplotlib", "report")
    page = TuningPage(made)
    return render_page(
        "tuning.html",
        page.figures(),
        page=page,
        title=made["study"],
        version=made["versions"].get("tagwright", ""),
        made=made,
    )


class TuningPage:
    """The page's content, looked up in the search: labels and order, no arithmetic.

    Args:
        made: what `Tuned.to_dict()` gives.
    """

    def __init__(self, made: Mapping[str, Any]) -> None:
        self.made = made
        self.names = short_names(list(made["space"]))
        self.trials = [one for one in made["trials"] if one["state"] != "dropped"]
        by_number = {one["number"]: one for one in self.trials}
        self.best: Mapping[str, Any] | None = by_number.get(made["best"])
        self.first: Mapping[str, Any] | None = by_number.get(made["first"])

    @property
    def sections(self) -> list[Section]:
        """The sections that have something to show, in order."""
        every = [
            (True, Section("found", "Found", "What it found")),
            (self.trials, Section("course", "Course", "How it went")),
            (self.trials, Section("fields", "Fields", "Which fields matter")),
            (self.trials, Section("trials", "Trials", "Every trial")),
            (True, Section("searched", "Making", "What was searched")),
        ]
        return [section for there, section in every if there]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each trial, in the order of its number."""
        return [
            {
                "number": one["number"],
                "values": [
                    (show_value(one["values"].get(key)), one["values"].get(key)) for key in self.names
                ],
                "epochs": f"{one['epochs']:g}",
                "f1": one["f1"],
                "spread": one["deviation"],
                "seeds": ", ".join(f"{run['seed']}: {ratio(run['f1'])}" for run in one["runs"]),
                "state": "best" if one is self.best else one["state"],
                "reason": one["reason"] if one["state"] == "failed" else None,
            }
            for one in self.trials
        ]

    @property
    def counts(self) -> str:
        """How many trials ended how."""
        return ", ".join(f"{count} {state}" for state, count in self.made["counts"].items() if count)

    @property
    def several(self) -> bool:
        """Whether a trial has several seeds."""
        return len(self.made["seeds"]) > 1

    @property
    def space(self) -> list[tuple[str, str]]:
        """The fields, and what they may be."""
        return [(key, _spec(spec)) for key, spec in self.made["space"].items()]

    @property
    def best_values(self) -> list[tuple[str, str, str]]:
        """Each field with its value in the recipe itself and in the best."""
        if self.best is None:
            return []
        before = self.first["values"] if self.first else {}
        return [
            (key, show_value(before.get(key)), show_value(self.best["values"][key])) for key in self.names
        ]

    def figures(self) -> dict[str, str]:
        """Draw the page's figures."""
        shown = [one for one in self.trials if one["f1"] is not None]
        if not shown:
            return {}
        best = None if self.best is None else self.best["number"]
        drawn = {
            "history": search_history(
                "history",
                "F1 of each trial",
                "; ".join(f"trial {one['number']}, {one['state']}: {ratio(one['f1'])}" for one in shown),
                shown,
                best=best,
                leaders=_leaders(self.trials),
            )
        }
        if self.made["importance"]:
            rows = [
                Bar(self.names[key], share, f"{share:.2f}") for key, share in self.made["importance"].items()
            ]
            drawn["importance"] = bars(
                "importance",
                "Importance of the fields",
                ", ".join(f"{row.name} {row.note}" for row in rows),
                rows,
            )
        for place, (key, name) in enumerate(self.names.items()):
            drawn[f"slice{place}"] = slice_of(
                f"slice{place}",
                f"F1 by {name}",
                "; ".join(f"{show_value(one['values'].get(key))}: {ratio(one['f1'])}" for one in shown),
                shown,
                key=key,
                spec=self.made["space"][key],
                label=name,
                best=best,
            )
        return drawn

    @property
    def slices(self) -> list[tuple[str, str]]:
        """Name of the figure and of the field, for each field, those that matter most first."""
        keys = list(self.names)
        order = dict.fromkeys([*self.made["importance"], *keys])
        return [(f"slice{keys.index(key)}", self.names[key]) for key in order]


def _leaders(trials: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Return the best F1 up to each trial that is done."""
    found: list[tuple[float, float]] = []
    for one in trials:
        if one["state"] == "done" and (not found or one["f1"] > found[-1][1]):
            found.append((one["number"], one["f1"]))
    return [*found, (trials[-1]["number"], found[-1][1])] if found else []


def _spec(spec: Any) -> str:
    if not isinstance(spec, Mapping):
        return ", ".join(show_value(choice) for choice in spec)
    how = ", on a logarithmic scale" if spec.get("log") else ""
    step = f" in steps of {show_value(spec['step'])}" if "step" in spec else ""
    return f"{show_value(spec['low'])} to {show_value(spec['high'])}{step}{how}"
