"""What the page shows, in the order and the form it shows it in: lookups and labels, no arithmetic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tagwright.report.page_data import Lines, Table, data_findings, data_tables
from tagwright.report.plots import NOTHING
from tagwright.report.show import ratio, visible

__all__ = ["READINGS", "Page", "segments"]

READINGS = {
    "lenient": "Type and borders right; tags read as conlleval and seqeval read them.",
    "strict": "The same, for spans that the tag scheme allows as they stand.",
    "boundary": "Borders right, whatever the type.",
    "type": "Type right, borders that overlap.",
    "partial": "Borders that overlap count half.",
    "surface": "Each distinct form and type once (WNUT 2017).",
}
"""The readings of a score, in the order in which they are shown, and what counts as right in each."""


class Section(NamedTuple):
    """A section of the page: its id, its name in the navigation, its heading and its template."""

    id: str
    title: str
    heading: str

    @property
    def template(self) -> str:
        """The file of the section."""
        return f"{self.id}.html"


class Page:
    """The report's content, looked up in its context.

    Args:
        context: see `tagwright.report.html.render`.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        self.context = context
        self.analysis: Mapping[str, Any] = context["analysis"]
        self.scores: Mapping[str, Any] = self.analysis["scores"]
        self.made: Mapping[str, Any] = context["made"]

    @property
    def sections(self) -> list[Section]:
        """The sections that have something to show, in order."""
        analysis = self.analysis
        every = [
            (True, Section("summary", "Summary", "How good it is")),
            (self.context["comparison"], Section("comparison", "Comparison", "Against another tagger")),
            (self.types, Section("types", "Types", "Type by type")),
            (self.classes, Section("errors", "Errors", "Where it fails")),
            (analysis["slices"], Section("slices", "Slices", "On which entities it fails")),
            (
                analysis.get("calibration") and analysis["calibration"]["entities"],
                Section("calibration", "Calibration", "Whether its scores can be believed"),
            ),
            (analysis["examples"], Section("browse", "Error list", "Every error, in its sentence")),
            (self.history, Section("training", "Training", "How training went")),
            (self.context["data"], Section("data", "Data", "What it learned from and was scored on")),
            (True, Section("made", "Making", "How it was made")),
        ]
        return [section for there, section in every if there]

    @property
    def notices(self) -> list[str]:
        """Everything that was noticed, each once."""
        return list(dict.fromkeys([*self.context["notices"], *self.analysis["notices"]]))

    @property
    def readings(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Name, meaning and scores of each reading."""
        return [
            (name, meaning, self.scores[name]) for name, meaning in READINGS.items() if name in self.scores
        ]

    @property
    def types(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Each type with its lenient and its strict scores, the most frequent first."""
        lenient, strict = self.scores["lenient"]["per_type"], self.scores["strict"]["per_type"]
        names = sorted(lenient, key=lambda name: (-lenient[name]["support"], name))
        return [(name, lenient[name], strict.get(name, {})) for name in names]

    @property
    def classes(self) -> list[Mapping[str, Any]]:
        """The classes of errors, without what is right."""
        return [one for one in self.analysis["errors"]["classes"] if one["name"] != "correct"]

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """One entry for each evaluation in training."""
        return list(self.made.get("history") or ())

    @property
    def semeval(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The readings that count what is partly right."""
        return [(name, one) for name, _, one in self.readings if "spurious" in one]

    @property
    def sides(self) -> dict[str, list[str]]:
        """The types of either side that an error can have."""
        errors = [error for example in self.analysis["examples"] for error in example["errors"]]
        found = {
            side: {_text(error[f"{side}_type"]) or NOTHING for error in errors}
            for side in ("gold", "predicted")
        }
        order = [visible(name) for name, _, _ in self.types]
        for names in found.values():
            order += sorted(names - set(order) - {NOTHING})
        return {side: [name for name in [*order, NOTHING] if name in names] for side, names in found.items()}

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is known of the tagger and of the data it was trained on."""
        data = self.made.get("data") or {}
        facts = {
            **{name: _fact(value) for name, value in self.context["bundle"].items()},
            "engine": _fact(self.made.get("engine")),
            "trained on": _fact(data.get("source")),
            "SHA-256 of that data": _fact(data.get("sha256")),
            "licence of that data": _fact(data.get("licence")),
            "seed": _fact(self.made.get("seed")),
        }
        return [(name, value) for name, value in facts.items() if value]

    @property
    def versions(self) -> list[tuple[str, str]]:
        """The packages that the tagger was trained with."""
        return list((self.made.get("versions") or {}).items())

    @property
    def recipe(self) -> list[str]:
        """The recipe that the tagger was trained with, as lines of TOML; fields that are not set are left out."""
        return [visible(line) for line in _toml(self.made.get("recipe") or {})]

    @property
    def data_tables(self) -> list[Table]:
        """The tables of the data summary."""
        return data_tables(self.context["data"])

    @property
    def findings(self) -> list[Lines]:
        """What the checks of the data found."""
        return data_findings(self.context["data"])

    def browser(self) -> dict[str, Any]:
        """Return what the page's script needs to list and filter errors, every text made visible."""
        examples: list[dict[str, Any]] = []
        errors: list[list[Any]] = []
        for example in self.analysis["examples"]:
            for error in example["errors"]:
                place = len(examples)
                errors.append(
                    [
                        place,
                        visible(error["class"]),
                        error.get("golds", [error["gold"]]),
                        error.get("predictions", [error["predicted"]]),
                        *(_text(error[key]) for key in ("gold_type", "predicted_type", "form")),
                        None if error["score"] is None else ratio(error["score"]),
                    ]
                )
            examples.append(
                {
                    "id": visible(str(example["id"])),
                    "segments": [[*part.values()] for part in segments(example)],
                    "gold": [visible(span["label"]) for span in example["gold"]],
                    "predicted": [visible(span["label"]) for span in example["predicted"]],
                }
            )
        confused = {side: [*map(visible, self.analysis["confusion"][side])] for side in ("gold", "predicted")}
        return {"examples": examples, "errors": errors, "confused": confused}


def segments(example: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cut a sentence where a gold or a predicted entity begins or ends.

    Returns:
        Stretches of the text, one after another: the `text`, the index of its `gold` entity and of its `predicted`
        one, or None.
    """
    words = [visible(word) for word in example["words"]]
    sides: list[list[int | None]] = []
    for side in ("gold", "predicted"):
        owner: list[int | None] = [None] * len(words)
        for number, span in enumerate(example[side]):
            for place in range(span["word_start"], span["word_end"]):
                owner[place] = number
        sides.append(owner)
    gold, predicted = sides
    parts: list[dict[str, Any]] = []

    def add(text: str, *owners: int | None) -> None:
        if parts and (parts[-1]["gold"], parts[-1]["predicted"]) == owners:
            parts[-1]["text"] += text
        else:
            parts.append({"text": text, "gold": owners[0], "predicted": owners[1]})

    for place, word in enumerate(words):
        if place:
            both = [side[place] if side[place] == side[place - 1] else None for side in sides]
            add(" ", *both)
        add(word, gold[place], predicted[place])
    if example.get("first_word"):
        parts.insert(0, {"text": "… ", "gold": None, "predicted": None})
    if example.get("first_word", 0) + len(words) < example.get("sentence_words", 0):
        parts.append({"text": " …", "gold": None, "predicted": None})
    return parts


def _fact(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(one)}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _toml(recipe: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for number, (section, fields) in enumerate(recipe.items()):
        yield from ("", f"[{section}]") if number else (f"[{section}]",)
        for name, value in fields.items():
            if value is not None:
                yield f"{name} = {json.dumps(value, ensure_ascii=False)}"


def _text(value: str | None) -> str | None:
    return None if value is None else visible(value)
