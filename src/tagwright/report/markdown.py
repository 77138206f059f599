"""The tables of a report as Markdown, for a model card or a pull request; no arithmetic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tagwright.report.page import Page
from tagwright.report.plots import NOTHING
from tagwright.report.show import interval, ratio, visible, whole

__all__ = ["to_markdown"]

_SPECIAL = re.compile(r"[\\`*_\[\]<>|~$&]|:(?=\S)|^[-+=#]|(?<=^\d)[.)]")
_REFERENCE = re.compile(r"[@#]\w")
"""What a forge takes for the name of a person or the number of an issue, however it is escaped."""

_FREQUENT = 10


def to_markdown(context: Mapping[str, Any]) -> str:
    """Write a report as Markdown.

    Words from the data stand in code spans, so that none of them is taken for markup or for a mention.

    Args:
        context: see `tagwright.report.html.render`.
    """
    page = Page(context)
    parts = [
        *_summary(page),
        *_comparison(context["comparison"]),
        *_types(page),
        *_errors(page),
        *_slices(page),
        *_calibration(page),
        *_data(page),
        *_made(page),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(page: Page) -> Iterator[str]:
    analysis, lenient = page.analysis, page.scores["lenient"]
    yield f"# {_plain(page.context['title'])}"
    yield (
        f"On {_plain(analysis['data'])}, {_plain(analysis['split'])} split ({whole(analysis['sentences'])} sentences, "
        f"{whole(analysis['words'])} words): F1 **{ratio(lenient['f1'])}**, 95% interval "
        f"{interval(lenient.get('f1_interval'))}."
    )
    yield from (f"> {_plain(notice)}" for notice in page.notices)
    yield "## Scores"
    yield _table(
        ["reading", "precision", "recall", "F1", "95% interval", "macro F1", "support"],
        [
            [name, *_ratios(one), ratio(one.get("macro_f1")), whole(one["support"])]
            for name, _, one in page.readings
        ],
    )
    accuracy = ratio(page.scores["accuracy"])
    yield f"Token accuracy {accuracy}; words lost {whole(page.scores['lost_words'])}."


def _comparison(comparison: Mapping[str, Any] | None) -> Iterator[str]:
    if not comparison:
        return
    yield "## Comparison"
    yield _table(
        ["system", "F1", "95% interval", "precision", "recall"],
        [
            [
                _plain(one["name"]),
                ratio(one["f1"]),
                interval(one["interval"]),
                ratio(one["precision"]),
                ratio(one["recall"]),
            ]
            for one in comparison["systems"]
        ],
    )
    yield from (_plain(pair["verdict"]) for pair in comparison["pairs"])
    yield from (f"> {_plain(note)}" for note in comparison.get("notes", ()))


def _types(page: Page) -> Iterator[str]:
    yield "## Types"
    yield _table(
        ["type", "precision", "recall", "F1", "95% interval", "strict F1", "support"],
        [
            [_plain(name), *_ratios(one), ratio(strict.get("f1")), whole(one["support"])]
            for name, one, strict in page.types
        ],
    )


def _errors(page: Page) -> Iterator[str]:
    yield "## Errors"
    yield _table(
        ["class", "count", "meaning"],
        [[_plain(one["name"]), whole(one["count"]), _plain(one["meaning"])] for one in page.classes],
        text=(2,),
    )
    confused = page.analysis["confusion"]
    if 1 < len(confused["gold"]) <= 13:
        yield "Gold types in rows, predicted types in columns:"
        rows = zip(confused["gold"], confused["counts"], strict=True)
        yield _table(
            ["gold", *map(_plain, confused["predicted"])],
            [[_plain(name), *map(whole, counts)] for name, counts in rows],
        )
    frequent = page.analysis["frequent"][:_FREQUENT]
    if frequent:
        yield "Most frequent wrong forms:"
        yield _table(
            ["form", "gold", "predicted", "class", "count"],
            [
                [
                    _code(one["form"]),
                    _plain(one["gold"] or NOTHING),
                    _plain(one["predicted"] or NOTHING),
                    _plain(one["class"]),
                    whole(one["count"]),
                ]
                for one in frequent
            ],
            text=(1, 2, 3),
        )


def _slices(page: Page) -> Iterator[str]:
    if page.analysis["slices"]:
        yield "## Slices"
    for part in page.analysis["slices"]:
        yield _table(
            [_plain(part["title"]), "precision", "recall", "F1", "95% interval", "support"],
            [[_plain(row["name"]), *_ratios(row), whole(row["support"])] for row in part["rows"]],
        )


def _calibration(page: Page) -> Iterator[str]:
    calibration = page.analysis.get("calibration")
    if not calibration or not calibration["entities"]:
        return
    yield "## Calibration"
    yield (
        f"Expected calibration error {ratio(calibration['ece'])} over {whole(calibration['entities'])} entities, "
        f"temperature {calibration['temperature']:g}."
    )
    yield _table(
        ["score", "entities", "mean score", "right"],
        [
            [
                f"{one['low']:.1f} to {one['high']:.1f}",
                whole(one["count"]),
                ratio(one["score"]),
                ratio(one["precision"]),
            ]
            for one in calibration["bins"]
            if one["count"]
        ],
    )


def _data(page: Page) -> Iterator[str]:
    if not page.context["data"]:
        return
    yield "## Data"
    for block in page.data_tables:
        head = [_plain(block.caption), *map(_plain, block.head[1:])]
        yield _table(head, [[_plain(row[0]), *row[1:]] for row in block.rows])
    findings = page.findings
    if findings:
        yield "\n".join(f"- {_plain(one.caption)}: {_plain(one.text)}" for one in findings)


def _made(page: Page) -> Iterator[str]:
    yield "## How it was made"
    yield "\n".join(f"- {_plain(name)}: {_code(value)}" for name, value in page.facts)
    if page.recipe:
        lines = (line.replace("```", "'''") for line in page.recipe)  # none of them ends the fence
        yield "\n".join(["```toml", *lines, "```"])
    if page.versions:
        yield ", ".join(f"{_plain(name)} {_code(value)}" for name, value in page.versions)


def _ratios(one: Mapping[str, Any]) -> list[str]:
    return [ratio(one["precision"]), ratio(one["recall"]), ratio(one["f1"]), interval(one.get("f1_interval"))]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text: Sequence[int] = ()) -> str:
    """Write a table; its first column and those of `text` are left-aligned, the others numbers."""
    line = ["---" if not place or place in text else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, line, *rows))


def _plain(text: str) -> str:
    """Write text that is no markup."""
    shown = visible(text)
    return _code(shown) if _REFERENCE.search(shown) else _SPECIAL.sub(r"\\\g<0>", shown)


def _code(text: str) -> str:
    """Write a code span, in or out of a table."""
    shown = visible(text).replace("|", "\\|")
    runs = {len(run) for run in re.findall("`+", shown)}
    fence = "`" * next(length for length in range(1, len(shown) + 2) if length not in runs)
    pad = " " if not shown.strip() or "`" in (shown[:1], shown[-1:]) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
