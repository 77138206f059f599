"""A report's context, made by hand: every part of it small, and as hostile as data can be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

FOUND = (
    "duplicates_across",
    "duplicate_groups",
    "near_duplicates",
    "inconsistent_forms",
    "odd_words",
    "unbalanced_spans",
    "rare_types",
    "missing_types",
    "unseen_words",
    "long_sentences",
)
"""The lists of a data summary that are empty here."""

CLASSES = (
    "correct", "missed", "spurious", "wrong type", "too long", "too short", "shifted", "split", "merged",
)  # fmt: skip
"""The names of the classes of errors."""

TYPES = ("location", "person", "product")

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<img src=x onerror=alert(3)>",
    "\"><svg onload='alert(4)'>",
    "javascript:alert(5)",
    "{{ 7*7 }}{% raw %}",
    "<!-- --><style>*{display:none}</style>",
    "](https://example.invalid) `code` | cell",
    "a\x00b\x1b[31mc\x7f",
    "\u202egnirts\u2066",
    "\ud800 lone",
    "$\\frac{1}{2}$ $x_",
    "漢字かな交じり文",
    "&lt;b&gt;&#60;",
    "\u2028\u2029line\r\nbreak",
)


def scored(f1: float, support: int = 100) -> dict[str, Any]:
    return {
        "precision": min(f1 + 0.1, 1.0),
        "recall": max(f1 - 0.1, 0.0),
        "f1": f1,
        "support": support,
        "f1_interval": [max(f1 - 0.05, 0.0), min(f1 + 0.05, 1.0)],
    }


def scores(types: Sequence[str] = TYPES) -> dict[str, Any]:
    """What `Scores.to_dict()` gives."""
    values = [round(0.9 * (place + 1) / (len(types) + 1), 4) for place in range(len(types))]
    per_type = {
        name: scored(value, 20 + 10 * place)
        for place, (name, value) in enumerate(zip(types, values, strict=True))
    }
    plain = {**scored(0.4489, 1079), "macro_f1": 0.3101, "per_type": per_type}
    semeval = {"correct": 400, "incorrect": 100, "partial": 50, "missed": 529, "spurious": 90}
    loose = {key: value for key, value in plain.items() if key != "f1_interval"} | semeval
    return {
        "lenient": plain,
        "strict": plain | {"f1": 0.4412},
        "boundary": loose,
        "type": loose,
        "partial": loose,
        "surface": plain,
        "f1_interval": plain["f1_interval"],
        "accuracy": 0.9444,
        "sentences": 1287,
        "words": 23394,
        "lost_words": 0,
        "differing_words": 0,
    }


def example(
    number: int, words: Sequence[str], types: Sequence[str] = TYPES, kind: str = "missed"
) -> dict[str, Any]:
    """A sentence with one error over its first words, and a right entity at its end."""
    last = len(words)
    right = {"label": types[0], "word_start": last - 1, "word_end": last}
    gold = {"label": types[0], "word_start": 0, "word_end": min(2, last - 1)}
    wrong = {"label": types[-1], "word_start": 0, "word_end": 1, "score": 0.9}
    missed = kind == "missed"
    return {
        "id": f"{number}",
        "document": None,
        "words": list(words),
        "gold": [gold, right],
        "predicted": [right | {"score": 0.99}] if missed else [wrong, right | {"score": 0.99}],
        "errors": [
            {
                "class": kind,
                "gold": 0,
                "predicted": None if missed else 0,
                "form": " ".join(words[: gold["word_end"]]),
                "gold_type": types[0],
                "predicted_type": None if missed else types[-1],
                "score": None if missed else 0.9,
            }
        ],
    }


def analysis(types: Sequence[str] = TYPES, examples: int = 60) -> dict[str, Any]:
    """What `Analysis.to_dict()` gives."""
    kinds = itertools.cycle(("missed", "wrong type"))
    shown = [
        example(number, ("Massive", "Attack", "played", "in", f"Bristol{number}"), types, next(kinds))
        for number in range(examples)
    ]
    sides = [*types, "(nothing)"]
    counts = [[0] * len(sides) for _ in sides]
    for place in range(len(types)):
        counts[place][place] = 10 * (place + 1)
        counts[place][-1] = 7
        counts[-1][place] = 3
    return {
        "data": "sample",
        "split": "test",
        "sentences": 1287,
        "words": 23394,
        "notices": ["the tagger does not know B-event: all of them count as missed"],
        "scores": scores(types),
        "errors": {
            "classes": [
                {
                    "name": name,
                    "meaning": f"what {name} means",
                    "count": 11 * place,
                    "per_type": dict.fromkeys(types, place),
                }
                for place, name in enumerate(CLASSES)
            ]
        },
        "confusion": {"gold": sides, "predicted": sides, "counts": counts},
        "slices": [
            {
                "name": name,
                "title": f"F1 by {name}",
                "rows": [
                    {
                        "name": row,
                        "precision": 0.5,
                        "recall": 0.4,
                        "f1": 0.4444,
                        "support": 10,
                        "predicted": 8,
                    }
                    for row in rows
                ],
            }
            for name, rows in {
                "seen in train": ("as written", "in another case", "unseen"),
                "entity length": ("1", "2", "3", "4+"),
                "sentence length": ("1-10", "11-20", "21+"),
                "casing": ("lower", "Title", "UPPER", "mixed"),
            }.items()
        ],
        "frequent": [
            {"form": "Bristol", "gold": types[0], "predicted": None, "class": "missed", "count": 4},
            {"form": "Massive", "gold": None, "predicted": types[-1], "class": "spurious", "count": 2},
        ],
        "confident": [one for one in shown if one["errors"][0]["score"]][:20],
        "examples": shown,
        "examples_left_out": 0,
        "calibration": {
            "entities": 672,
            "ece": 0.0821,
            "temperature": 1.0,
            "thresholds": {},
            "bins": [
                {
                    "low": place / 10,
                    "high": (place + 1) / 10,
                    "count": 5 * place,
                    "score": place / 10 + 0.05,
                    "precision": place / 12,
                }
                for place in range(10)
            ],
            "curve": [
                {
                    "threshold": place / 20,
                    "precision": 0.5 + place / 50,
                    "recall": 0.4 - place / 60,
                    "f1": 0.45,
                }
                for place in range(21)
            ],
        },
    }


def data_summary(types: Sequence[str] = TYPES) -> dict[str, Any]:
    """What `DataSummary.to_dict()` gives."""
    lengths = {"median": 17, "p90": 29, "p99": 35, "longest": 105}
    split = {
        "sentences": 100,
        "words": 2000,
        "mentions": 90,
        "types": dict.fromkeys(types, 30),
        "examples": {label: {"Bristol": 3} for label in types},
        "words_per_sentence": lengths,
        "pieces_per_sentence": None,
        "over_limit": None,
    }
    return {
        "source": "sample",
        "licence": "CC BY 4.0",
        "scheme": "iob2",
        "notices": [],
        "splits": {"train": split, "validation": split, "test": split},
        "overlap": {"test": {"mentions": 90, "in_train_exact": 10, "in_train_casefold": 20}},
        "invalid_tags": [
            {"where": "train.conll:12", "split": "train", "tag": "I-person", "context": "a [I-person]"}
        ],
        "encoder": None,
        "max_pieces": None,
        "sha256": "da04" * 16,
        "labels": ["O", *(f"{role}-{label}" for label in types for role in "BI")],
        **{key: [] for key in FOUND},
        "label_errors": None,
        "duplicates": {"train": {"copies": 103, "groups": 90, "conflicting": 11}},
        "findings": [
            {
                "check": "invalid tags",
                "count": 1,
                "what": "tag breaks the scheme iob2",
                "meaning": "readings of the score differ there",
                "examples": [{"where": "train.conll:12", "text": "I-person in a [I-person]"}],
            }
        ],
    }


def comparison(types: Sequence[str] = TYPES) -> dict[str, Any]:
    """What `Comparison.to_dict()` gives."""
    system = {"source": "runs/old", "precision": 0.5, "recall": 0.4, "interval": [0.41, 0.48]}
    return {
        "data": "sample",
        "split": "test",
        "reading": "lenient",
        "sentences": 1287,
        "words": 23394,
        "mentions": 1079,
        "unit": "sentences",
        "units": 1287,
        "rounds": 10000,
        "seed": 0,
        "level": 0.95,
        "systems": [{"name": "old", "f1": 0.41, **system}, {"name": "sample-tagger", "f1": 0.45, **system}],
        "pairs": [
            {
                "a": "old",
                "b": "sample-tagger",
                "difference": 0.04,
                "interval": [-0.01, 0.09],
                "p": 0.12,
                "p_holm": 0.12,
                "differing": 300,
                "needed": 4000,
                "per_type": {
                    name: {"a": 0.4, "b": 0.45, "difference": 0.05, "interval": [-0.1, 0.2], "support": 50}
                    for name in types
                },
                "verdict": "No difference shows.",
            }
        ],
        "notes": ["Each tagger is one training run."],
    }


def context(types: Sequence[str] = TYPES, examples: int = 60, **changes: Any) -> dict[str, Any]:
    """A whole context for `tagwright.report.html.render`."""
    return {
        "title": "sample-tagger",
        "analysis": analysis(types, examples),
        "bundle": {
            "path": "runs/sample-tagger",
            "scheme": "iob2",
            "labels": ["O", *(f"{role}-{label}" for label in types for role in "BI")],
            "precision": "fp32",
            "runtime": "torch",
        },
        "made": {
            "recipe": {"train": {"epochs": 3.0, "seed": 42}, "model": {"encoder": "minilm"}},
            "versions": {"python": "3.11.7", "tagwright": "0.1.0"},
            "data": {"source": "sample", "sha256": "da04" * 16, "licence": None},
            "seed": 42,
            "steps": 60,
            "best_step": 40,
            "history": [
                {
                    "step": 20 * number,
                    "epoch": float(number),
                    "loss": 1.0 / number,
                    "learning_rate": 1e-4 / number,
                    "precision": 0.5,
                    "recall": 0.4,
                    "f1": 0.4 + number / 100,
                }
                for number in (1, 2, 3)
            ],
        },
        "data": data_summary(types),
        "comparison": None,
        "notices": [],
        "version": "0.1.0",
        **changes,
    }
