"""Character spans to word tags: what fits becomes IOB2, what does not is listed with a proposed border."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tagwright.errors import InputError

__all__ = ["CharSpan", "FittedSpans", "Misfit", "Misfits", "Overlaps", "fit_spans", "parse_spans"]

Misfits = Literal["error", "snap", "drop"]
Overlaps = Literal["error", "longest", "first"]


@dataclass(frozen=True, slots=True)
class CharSpan:
    """A labelled piece of a text, `text[start:end]`, in code points."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Misfit:
    """A span that does not fall on word borders.

    Attributes:
        where: `file:line` of the text.
        span: the span as it was given.
        text: what it covers.
        proposed: the borders of the words it touches, or None when it touches none.
        proposed_text: what those borders cover.
    """

    where: str
    span: CharSpan
    text: str
    proposed: tuple[int, int] | None
    proposed_text: str

    def __str__(self) -> str:
        span = self.span
        mend = f"{self.proposed[0]}..{self.proposed[1]} {self.proposed_text!r}" if self.proposed else "none"
        return f"{self.where}: {span.label} {span.start}..{span.end} {self.text!r} -> {mend}"


@dataclass(slots=True)
class FittedSpans:
    """The spans of one text as tags.

    Attributes:
        tags: IOB2, one a word.
        misfits: the spans off word borders.
        overlaps: the spans that lost against another they overlap, in words.
        doubles: spans that were given twice.
    """

    tags: list[str]
    misfits: list[Misfit] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    doubles: int = 0


def fit_spans(
    text: str,
    starts: Sequence[int],
    ends: Sequence[int],
    spans: Sequence[CharSpan],
    *,
    misfits: Misfits = "error",
    overlaps: Overlaps = "error",
    where: str = "text",
) -> FittedSpans:
    """Lay character spans over the words of a text.

    Args:
        text: the text.
        starts: where each word begins, in code points, ascending.
        ends: one past where each word ends.
        spans: the spans, in any order.
        misfits: `"snap"` widens a span off word borders to the words it touches; otherwise it is left out
            (the caller raises for `"error"`).
        overlaps: of spans that share a word, `"longest"` keeps the one with most characters, anything else
            the one that begins first; ties go to the one given first. The caller raises for `"error"`.
        where: `file:line`, for messages.

    Raises:
        InputError: a span is empty, reversed or out of range.
    """
    fitted = FittedSpans(["O"] * len(starts))
    placed: list[tuple[CharSpan, int, int]] = []
    for span in dict.fromkeys(spans):
        _check(span, text, where)
        first, last = bisect_right(ends, span.start), bisect_left(starts, span.end)
        if first >= last or (starts[first], ends[last - 1]) != (span.start, span.end):
            fitted.misfits.append(_misfit(span, text, starts, ends, first, last, where))
            if misfits != "snap" or first >= last:
                continue
        placed.append((span, first, last))
    fitted.doubles = len(spans) - len(set(spans))
    if overlaps == "longest":
        placed.sort(key=lambda item: item[0].start - item[0].end)
    else:
        placed.sort(key=lambda item: item[0].start)
    owner: list[CharSpan | None] = [None] * len(starts)
    for span, first, last in placed:
        rival = next((taken for taken in owner[first:last] if taken), None)
        if rival:
            fitted.overlaps.append(
                f"{where}: {span.label} {span.start}..{span.end} {text[span.start : span.end]!r} overlaps"
                f" {rival.label} {rival.start}..{rival.end} {text[rival.start : rival.end]!r}"
            )
            continue
        owner[first:last] = [span] * (last - first)
        fitted.tags[first:last] = [f"B-{span.label}"] + [f"I-{span.label}"] * (last - first - 1)
    return fitted


def _check(span: CharSpan, text: str, where: str) -> None:
    place = f"the span {span.start}..{span.end} ({span.label})"
    if span.start == span.end:
        raise InputError(f"{place} is empty", where=where)
    if span.start > span.end:
        raise InputError(f"{place} is reversed", where=where, mend="give its start before its end")
    if span.start < 0 or span.end > len(text):
        astral = any(character > "\uffff" for character in text)
        raise InputError(
            f"{place} is out of range: the text has {len(text)} characters",
            where=where,
            mend="count code points, not UTF-16 units or bytes" if astral or not text.isascii() else None,
        )


def _misfit(
    span: CharSpan, text: str, starts: Sequence[int], ends: Sequence[int], first: int, last: int, where: str
) -> Misfit:
    proposed = (starts[first], ends[last - 1]) if first < last else None
    return Misfit(
        where,
        span,
        text[span.start : span.end],
        proposed,
        text[proposed[0] : proposed[1]] if proposed else "",
    )


def parse_spans(value: Any, where: str) -> list[CharSpan]:
    """Read spans as annotation tools write them.

    Each is `[start, end, label]` or a mapping with `start`, `end` (or `start_offset`, `end_offset`) and
    `label`; a mapping of three lists does as well.

    Raises:
        InputError: anything else, with its place.
    """
    if isinstance(value, Mapping) and {"start", "end", "label"} <= set(value):
        columns = [value["start"], value["end"], value["label"]]
        if all(isinstance(column, Sequence) and not isinstance(column, str) for column in columns):
            value = list(zip(*columns, strict=False))
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(
            "the spans are not a list", where=where, mend="write them as [[start, end, label], …]"
        )
    spans = []
    for item in value:
        if isinstance(item, Mapping):
            start = item.get("start", item.get("start_offset"))
            end = item.get("end", item.get("end_offset"))
            triple: Sequence[Any] = (start, end, item.get("label"))
        else:
            triple = item if isinstance(item, Sequence) and len(item) == 3 else (None, None, None)
        start, end, label = triple
        if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label.strip():
            raise InputError(
                f"{str(item)[:60]} is not a span",
                where=where,
                mend='write it as [start, end, label] or {"start": …, "end": …, "label": …}',
            )
        spans.append(CharSpan(start, end, label.strip()))
    return spans
