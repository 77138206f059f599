"""Answers to what annotation tools import, so that people correct them rather than begin with nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from tagwright.errors import InputError
from tagwright.predict.lines import Line
from tagwright.records import Entity, Prediction

__all__ = ["doccano", "label_studio", "label_studio_config"]

# What no database of theirs stores; one such character would undo the import of the whole file.
_UNFIT = re.compile(r"[\0\ud800-\udfff]")
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")


def label_studio(
    line: Line, text: str, prediction: Prediction, *, several: bool = False, model: str = "tagwright"
) -> str:
    """Write a task of Label Studio with a prediction, without a line break at its end.

    Places count code points, as Label Studio does. The names of the tags, `label` and `text`, are those of its
    template for named entities; `label_studio_config` gives the configuration. The prediction's score is that
    of the word the model is least sure of, so that tasks sorted by it begin with the doubtful ones.

    Args:
        line: what was tagged; its place and `id` go to the task's data.
        text: its text.
        prediction: the answer.
        several: there are several files: `file` is added to the data.
        model: the `model_version`.

    Raises:
        InputError: a character that Label Studio cannot store.
    """
    _check(text, "Label Studio")
    known = hashlib.blake2b(text.encode())
    results = []
    for entity in prediction.entities:
        identity = known.copy()
        identity.update(f"\0{entity.start}\0{entity.end}\0{entity.label}".encode())
        value = {"start": entity.start, "end": entity.end, "text": entity.text, "labels": [entity.label]}
        results.append(
            {
                "id": identity.hexdigest()[:10],
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "value": value,
                "score": round(entity.score, 4),
            }
        )
    score = round(float(min(prediction.scores, default=1.0)), 4)
    task = {
        "data": {"text": text} | _place(line, several),
        "predictions": [{"model_version": model, "score": score, "result": results}],
    }
    return json.dumps(task, ensure_ascii=False)


def label_studio_config(types: Sequence[str]) -> str:
    """Return the labelling configuration that `label_studio` answers fit.

    >>> print(label_studio_config(["person"]))
    <View>
      <Labels name="label" toName="text">
        <Label value="person"/>
      </Labels>
      <Text name="text" value="$text"/>
    </View>
    """
    labels = "".join(f"    <Label value={quoteattr(label)}/>\n" for label in types)
    return (
        f'<View>\n  <Labels name="label" toName="text">\n{labels}  </Labels>\n'
        '  <Text name="text" value="$text"/>\n</View>'
    )


def doccano(line: Line, text: str, prediction: Prediction, *, several: bool = False) -> str:
    """Write a JSON line that doccano imports into a project of sequence labelling.

    `label` is a list of `[start, end, type]`. Places count UTF-16 units, as doccano does in projects that do not
    count grapheme clusters; they are those of code points where the text has no character above U+FFFF. The
    line's place and `id` become the example's metadata. All is ASCII, so that no choice of an encoding can
    move the places.

    Args:
        line: what was tagged.
        text: its text.
        prediction: the answer.
        several: there are several files: `file` is added.

    Raises:
        InputError: a text that doccano does not take: empty, or with a character it cannot store.
    """
    if not text:
        raise InputError("doccano takes no empty text")
    _check(text, "doccano")
    # One key for all of the metadata: doccano lays the lines out as a table, and a column with gaps gets NaN.
    record = {
        "text": text,
        "label": _in_units(text, prediction.entities),
        "meta": _place(line, several),
    }
    return json.dumps(record) + "\n"


def _in_units(text: str, entities: Sequence[Entity]) -> list[list[Any]]:
    """Return start, end and label of each entity, in UTF-16 units."""
    spans: list[list[Any]] = [[entity.start, entity.end, entity.label] for entity in entities]
    if not spans or not _ASTRAL.search(text):
        return spans
    units = [0]
    for character in text:
        units.append(units[-1] + (2 if character > "\uffff" else 1))
    return [[units[start], units[end], label] for start, end, label in spans]


def _check(text: str, tool: str) -> None:
    if unfit := _UNFIT.search(text):
        what = f"{tool} cannot store the character U+{ord(unfit[0]):04X}"
        raise InputError(what, mend="write JSONL instead")


def _place(line: Line, several: bool) -> dict[str, Any]:
    place: dict[str, Any] = {"file": line.source} if several else {}
    place["line"] = line.number
    return place if line.id is None else place | {"id": line.id}
