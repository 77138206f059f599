"""Answers to output: the formats that there are, and what each makes of an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tagwright.errors import InputError
from tagwright.predict.annotations import doccano, label_studio
from tagwright.predict.lines import Line
from tagwright.records import SCORE_DIGITS, Entity, Prediction

__all__ = [
    "TARGETS",
    "Format",
    "bad_line",
    "check_storable",
    "conll",
    "format_named",
    "json_line",
    "jsonl",
    "marked",
    "table_row",
]

TARGETS = ("jsonl", "conll", "parquet", "label-studio", "doccano", "text")
_HALF = re.compile(r"[\ud800-\udfff]")
_UNFIT = re.compile(r"[\t\n\r\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Format:
    """How answers become a file: `begin + between.join(answers) + end`.

    Attributes:
        name: one of `TARGETS`.
        begin: what the file begins with.
        between: what stands between two answers.
        end: what it ends with.
        render: writes an answer; the line, its text and what was predicted.
        ending: of the names of such files.
        takes_errors: a bad line may be answered in its place, with `bad_line`.
    """

    name: str
    begin: str
    between: str
    end: str
    render: Callable[[Line, str, Prediction], str]
    ending: str
    takes_errors: bool = False


def format_named(
    target: str, *, several: bool = False, types: Sequence[str] = (), model: str = "tagwright"
) -> Format:
    """Return a format.

    The answers of `parquet` are JSON lines; `tagwright.predict.parquet_file.finish_parquet` makes the table of
    the file that they stand in.

    Args:
        target: one of `TARGETS`.
        several: there are several files, so that a line's number alone does not place it.
        types: the types of the bundle's entities.
        model: what annotation tools are told that the answers are from.

    Raises:
        InputError: there is no such format.
    """
    if target == "jsonl":
        return Format(target, "", "", "", partial(jsonl, several=several), ".jsonl", takes_errors=True)
    if target == "parquet":
        return Format(target, "", "", "", partial(table_row, several=several), ".parquet", takes_errors=True)
    if target == "conll":
        return Format(target, "", "", "", conll, ".conll")
    if target == "label-studio":
        render = partial(label_studio, several=several, model=model)
        return Format(target, "[\n", ",\n", "\n]\n", render, ".json")
    if target == "doccano":
        return Format(target, "", "", "", partial(doccano, several=several), ".jsonl")
    if target == "text":
        return Format(target, "", "", "", marked, ".txt")
    raise InputError(f"there is no format {target!r}", mend=f"name one of {', '.join(TARGETS)}")


def jsonl(line: Line, text: str, prediction: Prediction, *, several: bool = False) -> str:
    """Write a JSON object: `line`, `text`, `entities`; probabilities with four decimals.

    `file` is added when there are several files, `id` when the input had one, and `lost_words` when words were
    cut by `on_overflow = "truncate"`.
    """
    entities = [entity.to_dict(SCORE_DIGITS) for entity in prediction.entities]
    record = _place(line, several) | {"text": text, "entities": entities}
    if prediction.lost_words:
        record["lost_words"] = prediction.lost_words
    return json_line(record)


def table_row(line: Line, text: str, prediction: Prediction, *, several: bool = False) -> str:
    """Write what `jsonl` does, for a table of Parquet.

    Raises:
        InputError: half a surrogate pair, which Parquet's UTF-8 cannot hold.
    """
    check_storable(text)
    return jsonl(line, text, prediction, several=several)


def check_storable(text: str) -> None:
    """Refuse half a surrogate pair.

    Raises:
        InputError: Parquet's UTF-8 cannot hold the text.
    """
    if half := _HALF.search(text):
        what = f"Parquet cannot hold half a surrogate pair, U+{ord(half[0]):04X}"
        raise InputError(what, mend="write JSONL instead")


def bad_line(line: Line, error: str, *, several: bool = False, whole: bool = False) -> str:
    """Write a JSON object that says why a line was passed over; `whole` adds the line itself as `input`.

    Of a line that is longer than is read, `input` is the beginning, and `input_is_cut` is true.
    """
    record = _place(line, several) | {"error": error}
    if whole:
        record["input"] = line.raw.decode("utf-8", "backslashreplace")
        if line.cut:
            record["input_is_cut"] = True
    return json_line(record)


def conll(line: Line, text: str, prediction: Prediction) -> str:
    """Write words and tags, one word a line, and a blank line.

    Raises:
        InputError: a word that the format cannot hold, such as one with a tab in it.
    """
    for position, word in enumerate(prediction.words):
        unfit = not word or word != word.strip(" ") or _UNFIT.search(word)
        if unfit or (position == 0 and (word == "-DOCSTART-" or word.startswith(("# ", "\ufeff")))):
            raise InputError(f"CoNLL cannot hold the word {word!r}; write JSONL instead")
    rows = [f"{word}\t{tag}\n" for word, tag in zip(prediction.words, prediction.tags, strict=True)]
    return "".join([*rows, "\n"] if rows else [])


def marked(line: Line, text: str, prediction: Prediction) -> str:
    """Write the text with its entities marked in place, to be read by people.

    >>> marked(line, "Jeff Bezos left", prediction)  # doctest: +SKIP
    '[Jeff Bezos](person) left'
    """
    return "".join(_between(text, prediction.entities)) + "\n"


def _between(text: str, entities: Sequence[Entity]) -> list[str]:
    parts, done = [], 0
    for entity in entities:
        parts += [text[done : entity.start], f"[{entity.text}]({entity.label})"]
        done = entity.end
    return [*parts, text[done:]]


def _place(line: Line, several: bool) -> dict[str, Any]:
    place: dict[str, Any] = {"file": line.source} if several else {}
    place["line"] = line.number
    return place if line.id is None else place | {"id": line.id}


def json_line(record: dict[str, Any]) -> str:
    """Write an object as a line of JSON."""
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which came in by a JSON escape: it leaves as one
        text = json.dumps(record)
    return text + "\n"
