"""Answers to lines of output, as text with a line break at its end."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from tagwright.errors import InputError
from tagwright.predict.readers import Line
from tagwright.records import Entity, Prediction

__all__ = ["TARGETS", "bad_line", "conll", "jsonl", "marked"]

TARGETS = ("jsonl", "conll", "text")
_UNFIT = re.compile(r"[\t\n\r\ud800-\udfff]")


def jsonl(line: Line, text: str, prediction: Prediction, *, several: bool = False) -> str:
    """Write a JSON object: `line`, `text`, `entities`; probabilities with four decimals.

    `file` is added when there are several files, `id` when the input had one, and `lost_words` when words were
    cut by `on_overflow = "truncate"`.
    """
    entities = [entity.to_dict() | {"score": round(entity.score, 4)} for entity in prediction.entities]
    record = _place(line, several) | {"text": text, "entities": entities}
    if prediction.lost_words:
        record["lost_words"] = prediction.lost_words
    return _dump(record)


def bad_line(line: Line, error: str, *, several: bool = False, whole: bool = False) -> str:
    """Write a JSON object that says why a line was passed over; `whole` adds the line itself as `input`."""
    record = _place(line, several) | {"error": error}
    if whole:
        record["input"] = line.raw.decode("utf-8", "backslashreplace")
    return _dump(record)


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


def _dump(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which came in by a JSON escape: it leaves as one
        text = json.dumps(record)
    return text + "\n"
