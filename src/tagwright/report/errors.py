"""Where a tagger fails, as text for the terminal: renders what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tagwright.report.show import interval, ratio, shorten, visible, whole

__all__ = ["errors_view"]

_CONTEXT = 8
"""So many words stand on either side of a mistake."""

_COLUMNS = 12
"""With more types than this no table has a column for each, however wide the terminal is."""

_CONFUSIONS = 10

_WORD = 40
"""A word around a mistake that is longer, as addresses are, is cut."""

NOTHING = "(nothing)"  # as in `Analysis.to_dict()["confusion"]`


def errors_view(analysis: Mapping[str, Any]) -> RenderableType:
    """Show where a tagger fails: classes of error, confused types, slices, wrong forms, confident mistakes.

    Gold and predicted spans are marked by brackets, so that nothing is lost without colour.

    Args:
        analysis: `Analysis.to_dict()`; parts that are missing or empty are left out.
    """
    return _View(analysis)


class _View:
    def __init__(self, analysis: Mapping[str, Any]) -> None:
        self.analysis = analysis

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        analysis = self.analysis
        sections: list[tuple[str, Sequence[RenderableType]]] = [
            ("what was right and what went wrong", _classes(analysis.get("errors"))),
            ("confusion of types", _confusion(analysis.get("confusion"))),
            ("F1 by what spans have in common", _slices(analysis.get("slices", ()))),
            ("most frequent wrong forms", _frequent(analysis.get("frequent", ()))),
        ]
        first = True
        for title, forms in sections:
            if forms:
                yield from () if first else (Text(),)
                first = False
                yield Text(title, style="bold")
                # Each part comes in several forms, the widest first.
                yield next((form for form in forms if _fits(form, console, options)), forms[-1])
        if analysis.get("confident"):
            yield from () if first else (Text(),)
            yield Text("most confident mistakes", style="bold")
            for example in analysis["confident"]:
                yield from _mistake(example)


def _fits(form: RenderableType, console: Console, options: ConsoleOptions) -> bool:
    return Measurement.get(console, options.update(width=10_000), form).maximum <= options.max_width


def _classes(errors: Mapping[str, Any] | None) -> list[RenderableType]:
    """Return the classes with a column for each type, or with the types in words."""
    if not errors:
        return []
    rows: Sequence[Mapping[str, Any]] = errors["classes"]
    types = sorted({label for row in rows for label in row["per_type"]})
    short = _table("class", "count", "by type")
    short.columns[2].justify = "left"
    short.columns[2].no_wrap = False
    for row in rows:
        by_type = sorted(row["per_type"].items(), key=lambda item: (-item[1], item[0]))
        counted = [f"{visible(label)} {whole(count)}" for label, count in by_type]
        short.add_row(row["name"], whole(row["count"]), Text(" · ".join(_cut(counted, 6))))
    if len(types) > _COLUMNS:
        return [short]
    wide = _table("class", "count", *types)
    for row in rows:
        wide.add_row(
            row["name"], whole(row["count"]), *(whole(row["per_type"].get(label) or None) for label in types)
        )
    return [wide, short]


def _confusion(confusion: Mapping[str, Any] | None) -> list[RenderableType]:
    """Return the whole table, or the types that are confused most often."""
    if not confusion or len(confusion["gold"]) < 2:
        return []
    names, others, counts = confusion["gold"], confusion["predicted"], confusion["counts"]
    pairs = [
        (count, name, other)
        for name, row in zip(names, counts, strict=True)
        for other, count in zip(others, row, strict=True)
        if count and name != other and NOTHING not in (name, other)  # missed and spurious say it already
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    short = _table("count", "gold", "predicted")
    short.columns[0].justify = "right"
    short.columns[1].justify = short.columns[2].justify = "left"
    for count, name, other in pairs[:_CONFUSIONS]:
        short.add_row(whole(count), Text(visible(name)), Text(visible(other)))
    if len(pairs) > _CONFUSIONS:
        short.add_row("", Text(f"… and {len(pairs) - _CONFUSIONS:,} more pairs of types"))
    if len(names) > _COLUMNS:
        return [short] if pairs else []
    wide = _table("gold \\ predicted", *others)
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = (
            Text(whole(count or None), style="bold" if n == place else "") for n, count in enumerate(row)
        )
        wide.add_row(Text(visible(name)), *cells)
    return [wide, short] if pairs else [wide]


def _slices(slices: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return all slicings in one table, with as many of its columns as there is room for."""
    columns: dict[str, Callable[[Mapping[str, Any]], str | Text]] = {
        "precision": lambda row: ratio(row["precision"]),
        "recall": lambda row: ratio(row["recall"]),
        "F1": lambda row: Text(ratio(row["f1"]), style="bold"),
        "95% interval": lambda row: interval(row.get("f1_interval")),
        "gold": lambda row: whole(row["support"]),
        "predicted": lambda row: whole(row["predicted"]),
    }
    tables: list[RenderableType] = []
    for names in (list(columns), [name for name in columns if "%" not in name], ["F1", "gold", "predicted"]):
        table = _table("", *names)
        table.columns[0].no_wrap, table.columns[0].overflow = len(names) > 3, "fold"
        for part in slices:
            table.add_row(Text(part["title"], style="italic"))
            for row in part["rows"]:
                table.add_row(f"  {row['name']}", *(columns[name](row) for name in names))
        tables.append(table)
    return tables if slices else []


def _frequent(rows: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    if not rows:
        return []
    table = _table("count", "form", "gold", "predicted", "class")
    table.columns[0].justify = "right"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "left", False
    for row in rows:
        names = (visible(row[key] or "–") for key in ("form", "gold", "predicted", "class"))
        table.add_row(whole(row["count"]), *map(Text, names))
    return [table]


def _mistake(example: Mapping[str, Any]) -> Iterable[RenderableType]:
    """Yield a mistake: its score and class, and its words as gold and the prediction have them."""
    [error] = example["errors"]
    sides = {"gold": error.get("golds"), "predicted": error.get("predictions")}
    marked = {
        side: [example[side][place] for place in _places(places, error[side])]
        for side, places in sides.items()
    }
    spans = [span for found in marked.values() for span in found]
    begin = max(0, min(span["word_start"] for span in spans) - _CONTEXT)
    end = min(len(example["words"]), max(span["word_end"] for span in spans) + _CONTEXT)
    document = example.get("document")
    place = f"sentence {visible(example['id'])}" + (f" of {visible(document)}" if document else "")
    yield Text.assemble((ratio(error["score"]), "bold"), f"  {error['class']} · {place}")
    sentence = Table.grid(padding=(0, 2, 0, 0))
    for side, found in marked.items():
        line = _marked(example["words"], found, begin, end, style="green" if side == "gold" else "red")
        sentence.add_row(" " * 6, side, line)
    yield sentence


def _places(places: Sequence[int] | None, one: int | None) -> Sequence[int]:
    """Return all spans of a mistake on a side; or the one that stands for them."""
    if places is not None:
        return places
    return [] if one is None else [one]


def _marked(
    words: Sequence[str], spans: Sequence[Mapping[str, Any]], begin: int, end: int, *, style: str
) -> Text:
    """Return words with spans in brackets, each followed by its type: `met [Jeff Bezos]person in`."""
    pieces: list[tuple[str, str]] = [("…", "")] if begin > 0 else []
    place = begin
    for span in spans:
        pieces += [(_short(word), "") for word in words[place : span["word_start"]]]
        text = " ".join(visible(word) for word in words[span["word_start"] : span["word_end"]])
        pieces.append((f"[{text}]{visible(span['label'])}", f"bold {style}"))
        place = span["word_end"]
    pieces += [(_short(word), "") for word in words[place:end]]
    if end < len(words):
        pieces.append(("…", ""))
    return Text(" ").join(Text(text, style=style) for text, style in pieces)


def _short(word: str) -> str:
    return shorten(visible(word), _WORD)


def _cut(parts: Sequence[str], limit: int) -> list[str]:
    return [*parts[:limit], f"… and {len(parts) - limit} more"] if len(parts) > limit else list(parts)


def _table(*names: str) -> Table:
    """Make a table whose first column is text and whose others are numbers, none of them cut."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for place, name in enumerate(names):
        table.add_column(Text(visible(name)), justify="right" if place else "left", no_wrap=True)
    return table
