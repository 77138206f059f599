"""A data set's summary as text for the terminal: renders what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from tagwright.report.show import shorten, visible

__all__ = ["summary_view"]

_LENGTHS = {"median": "median", "p90": "90% up to", "p99": "99% up to", "longest": "longest"}
_SHOWN = 10
_EXAMPLES = 3
_INDENT = 9
_FORM = 60  # characters of a form; a line of base64 is a word, too
_LINE = 400  # of a finding's example, where no terminal cuts it
_CHECKS = (
    ("invalid tags", "invalid_tags"),
    ("sentences shared by splits", "duplicates_across"),
    ("near-duplicates across splits", "near_duplicates"),
    ("duplicates", "duplicate_groups"),
    ("forms labelled in several ways", "inconsistent_forms"),
    ("half pairs of quotes or brackets", "unbalanced_spans"),
    ("odd characters", "odd_words"),
    ("missing types", "missing_types"),
    ("rare types", "rare_types"),
)


def summary_view(summary: Mapping[str, Any], *, top: int = 20) -> RenderableType:
    """Show what `tagwright.inspect.summary.inspect_data` found.

    Args:
        summary: `DataSummary.to_dict()`, or the JSON of `tagwright inspect`.
        top: likely label errors to show for each split.
    """
    facts = [summary["source"], summary["scheme"], summary["licence"]]
    parts: list[RenderableType] = [
        _line(" · ".join(fact for fact in facts if fact), style="bold"),
        _table(summary),
        _Findings(summary),
    ]
    for split, errors in (summary["label_errors"] or {}).items():
        parts += _label_errors(split, errors, summary["source"], top)
    for name, split in summary["splits"].items():
        parts += _section(f"most frequent in {name}", _examples(split["examples"]))
    parts += _section("notices", summary["notices"])
    return Group(*parts)


def _table(summary: Mapping[str, Any]) -> Table:
    splits: Mapping[str, Mapping[str, Any]] = summary["splits"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", overflow="fold")
    for name in splits:
        table.add_column(_line(name), justify="right", no_wrap=True)

    def add(label: str, values: Iterable[Any] = ()) -> None:
        table.add_row(_line(label), *(f"{v:,}" if isinstance(v, int) else v for v in values))

    def add_lengths(title: str, key: str) -> None:
        add(title)
        for name, label in _LENGTHS.items():
            add(f"  {label}", [split[key][name] for split in splits.values()])

    for row in ("sentences", "words", "mentions"):
        add(row, [split[row] for split in splits.values()])
    for label in dict.fromkeys(label for split in splits.values() for label in split["types"]):
        add(f"  {label}", [split["types"].get(label, 0) for split in splits.values()])
    add_lengths("words in a sentence", "words_per_sentence")
    if summary["encoder"]:
        add_lengths(f"pieces in a sentence ({summary['encoder']})", "pieces_per_sentence")
        add(f"  over its {summary['max_pieces']:,}", [split["over_limit"] for split in splits.values()])
    if summary["overlap"]:
        add("mentions that train has, too")
        for label, key in (("as written", "in_train_exact"), ("in any case", "in_train_casefold")):
            add(f"  {label}", [_share(summary["overlap"].get(name), key) for name in splits])
    return table


def _share(overlap: Mapping[str, int] | None, key: str) -> str:
    if overlap is None:
        return ""
    share = f" ({overlap[key] / overlap['mentions']:.1%})" if overlap["mentions"] else ""
    return f"{overlap[key]:,}{share}"


class _Findings:
    """The findings, one below the other: the count, what it is and means, and the worst few."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        self.findings: Sequence[Mapping[str, Any]] = summary["findings"]
        self.source = summary["source"]
        self.clean = [name for name, key in _CHECKS if not summary[key]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text()
        if not self.findings:
            yield _line("nothing wrong was found", style="bold")
        else:
            yield _line("found, what matters most first (--json has all)", style="bold")
        for finding in self.findings:
            count = f"{finding['count']:,}"
            head = Text.assemble(_line(f"{finding['what']}: "), _line(finding["meaning"], style="dim"))
            for number, line in enumerate(head.wrap(console, max(options.max_width - _INDENT, 20))):
                yield Text.assemble((f"{'' if number else count:>{_INDENT - 2}}  ", "bold"), line)
            for example in finding["examples"][:_EXAMPLES]:
                place = _short(example["where"], self.source)
                shown = ": ".join(part for part in (place, shorten(example["text"], _LINE)) if part)
                text = _line(" " * _INDENT + shown)
                text.no_wrap, text.overflow = True, "ellipsis"
                yield text
        if self.clean:
            yield Text()
            yield _line(f"looked for and not found: {', '.join(self.clean)}")


def _label_errors(split: str, errors: Mapping[str, Any], source: str, top: int) -> list[Text]:
    lines = [
        f"{item['score']:.4f}  {_short(item['where'], source)}: "
        + shorten(f"{item['suggestion']} in {item['context']}", _LINE)
        for item in errors["items"][:top]
    ]
    if len(errors["items"]) > top:
        lines.append(f"… and {len(errors['items']) - top:,} more (--top {len(errors['items'])}, or --json)")
    lines += errors["notices"]
    title = f"labels of {split} that may be wrong, the likeliest first (quality from 0 to 1)"
    return _section(title, lines, shown=len(lines))


def _short(places: str, source: str) -> str:
    """Leave the folder out of places: the first line names it, and a file's name tells its split."""
    rests = [place.removeprefix(source.rstrip("/") + "/") for place in places.split(" ≈ ")]
    return " ≈ ".join(rest.rpartition("/")[2] if rest.startswith("/") else rest for rest in rests)


def _examples(examples: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [
        f"{label}: " + " · ".join(f"{shorten(form, _FORM)} {count:,}" for form, count in forms.items())
        for label, forms in examples.items()
        if forms
    ]


def _section(title: str, lines: Sequence[str], *, shown: int = _SHOWN) -> list[Text]:
    """Return a titled list, cut after some lines, or nothing when there is none."""
    if not lines:
        return []
    section = [Text(), _line(title, style="bold"), *(_line(f"  {line}") for line in lines[:shown])]
    if len(lines) > shown:
        section.append(_line(f"  … and {len(lines) - shown:,} more (--json has all)"))
    return section


def _line(line: str, style: str = "") -> Text:
    """Return text with its control characters written as escapes, so that data cannot drive the terminal."""
    return Text(visible(line), style=style)
