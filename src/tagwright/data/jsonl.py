"""JSON Lines: one object a line, words with tags or text with character spans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tagwright.config import DataSettings
from tagwright.data.files import read_text
from tagwright.data.offsets import SplitText
from tagwright.data.rows import Rows
from tagwright.data.table import rows_of_records
from tagwright.errors import InputError

__all__ = ["read_jsonl"]


def read_jsonl(
    path: str | Path,
    *,
    settings: DataSettings | None = None,
    split: SplitText | None = None,
    names: Sequence[str] | None = None,
) -> Rows:
    """Read a JSON Lines file.

    A line is `{"tokens": […], "tags": […]}` (or `words`; `ner_tags`) or `{"text": …, "spans": [[start, end,
    label], …]}` (or `entities`, `label`; or spans as objects); places count code points. `id` and `document`
    are kept where they are given. Blank lines are skipped.

    Args:
        path: the file, in UTF-8.
        settings: what to do with misfits and overlaps.
        split: cuts text into words; None takes `tagwright.data.offsets.split_plain`.
        names: the tags that numbers stand for; None looks for `labels.txt` beside the file.

    Raises:
        InputError: a line is no JSON object or of another shape; `file:line` is named.
    """
    text = read_text(path)
    if names is None:
        names = _names_beside(Path(path))
    rows = rows_of_records(
        _parse(text, str(path)), str(path), settings=settings or DataSettings(), split=split, names=names
    )
    if not len(rows):
        raise InputError("the file holds no sentence", where=str(path))
    return rows


class _TwiceError(ValueError):
    """A key stands twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in record if keys.count(key) > 1))
    return record


def _parse(text: str, source: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    decode = json.JSONDecoder(object_pairs_hook=_once).decode
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except _TwiceError as error:
            raise InputError(
                f"the key {error.args[0]!r} stands twice in an object",
                where=f"{source}:{number}",
                mend="leave one of them",
            ) from None
        except json.JSONDecodeError as error:
            whole = number == 1 and line.lstrip()[:1] in "[{"
            raise InputError(
                f"not JSON: {error.msg} at column {error.colno}",
                where=f"{source}:{number}",
                mend="write one object on each line" if whole else None,
            ) from None
        except RecursionError:
            raise InputError("the JSON is nested too deeply", where=f"{source}:{number}") from None
        except ValueError:  # a number with thousands of digits
            raise InputError(
                "not JSON that can be read: a number is too long", where=f"{source}:{number}"
            ) from None


def _names_beside(path: Path) -> list[str] | None:
    listed = path.with_name("labels.txt")
    if not listed.is_file():
        return None
    return [name.strip() for name in read_text(listed).splitlines() if name.strip()]
