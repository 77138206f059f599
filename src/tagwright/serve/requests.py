"""Requests to asks: JSON read strictly, and every complaint with its place.

Not pydantic: half a surrogate pair, which JSON can say, is answered as `tagwright predict` answers it; a list
of a million wrong values is one complaint; a key that stands twice is one, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl

from tagwright.serve.ask import Ask
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings

__all__ = ["CONTENTS", "OPTIONS", "OVERFLOWS", "ask_of", "check_keys", "parse_json", "parse_query"]

CONTENTS = ("text", "texts", "words")
OPTIONS = ("model", "min_score", "types", "on_overflow", "tokens")
OVERFLOWS = ("window", "error", "truncate")

LONGEST_WORD = 32_768
"""Characters of a word; cutting a word into pieces takes hundreds of times its own memory."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?", re.ASCII)
_NAMES = {str: "a string", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}


def invalid(message: str, place: str | None = None, *, code: str = "invalid_request") -> RefusalError:
    """Return the refusal of a request that says something wrong."""
    return RefusalError(422, code, message, place=place)


def parse_json(data: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RefusalError: 422, it is none; `place` says where.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise invalid(
            "The JSON is not UTF-8; encode it so.", f"byte {error.start}", code="invalid_json"
        ) from None
    try:
        values = _DECODER.decode(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        if not text.strip():
            raise invalid('The body is empty; send {"text": "…"}.', code="invalid_json") from None
        reason = f"{error.msg[:1].lower()}{error.msg[1:]}"
        place = f"line {error.lineno}, column {error.colno}"
        raise invalid(f"This is no valid JSON: {reason}.", place, code="invalid_json") from None
    except RecursionError:
        raise invalid("The JSON is nested too deeply; send a flat object.", code="invalid_json") from None
    except ValueError:
        raise invalid("A number in the JSON has too many digits.", code="invalid_json") from None
    if type(values) is not dict:
        raise invalid(f'The JSON is {_kind(values)}, not an object; send {{"text": "…"}}.')
    return values


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise invalid(f"The key {_shown(key)} stands twice; name it once.", _short(key))
            seen.add(key)
    return values


def _constant(name: str) -> Any:
    raise invalid(f"{name} is not JSON; give a number.", code="invalid_json")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def parse_query(query: bytes) -> dict[str, Any]:
    """Read the options that stand in a query.

    Raises:
        RefusalError: 422, one of them is unknown, stands twice or is no number.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise invalid("The query is not UTF-8, or has more than 64 fields; correct it.", "query") from None
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key not in OPTIONS:
            raise invalid(
                f"There is no query parameter {_shown(key)}; there are {', '.join(OPTIONS)}.", "query"
            )
        if key == "types":
            values.setdefault(key, []).extend(value.split(",") if value else [])
        elif key in values:
            raise invalid(f"The query parameter {key} stands twice; name it once.", key)
        elif key == "min_score" and _NUMBER.fullmatch(value):
            values[key] = float(value)
        elif key == "tokens" and value in ("true", "false"):
            values[key] = value == "true"
        else:
            values[key] = value
    return values


def check_keys(values: Collection[str], known: Collection[str], *, hint: str = "") -> None:
    """Refuse keys that are not known, by name."""
    for key in values:
        if key not in known:
            raise invalid(f"There is no key {_shown(key)}; there are {', '.join(known)}{hint}.", _short(key))


def ask_of(
    content: Mapping[str, Any], options: Mapping[str, Any], types: Collection[str], settings: Settings
) -> Ask:
    """Make an ask of what a request says.

    Args:
        content: exactly one of `text`, `texts`, `words`; None is as good as left out.
        options: `min_score`, `types`, `on_overflow`, `tokens`; None is as good as left out.
        types: the types that the model knows.
        settings: the limits.

    Raises:
        RefusalError: 422, with the place.
    """
    given = [key for key in CONTENTS if content.get(key) is not None]
    if len(given) != 1:
        what = f"both {given[0]} and {given[1]}" if given else "none of text, texts and words"
        raise invalid(f"The request has {what}; give exactly one of them.", given[1] if given else None)
    key, value = given[0], content[given[0]]
    texts: tuple[str, ...] | None = None
    words: tuple[tuple[str, ...], ...] | None = None
    if key == "text":
        texts = (_checked(value, str, "text"),)
        _check_blanks(value, "text")
    elif key == "texts":
        texts = tuple(_strings(_several(value, "texts", settings), "texts"))
        for place, text in enumerate(texts):
            if len(text) > LONGEST_WORD:
                _check_blanks(text, f"texts[{place}]")
    else:
        words = tuple(_sentence(each, f"words[{n}]") for n, each in enumerate(_several(value, key, settings)))
    return Ask(texts, words, **_options(options, types))


def _options(options: Mapping[str, Any], types: Collection[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if (least := options.get("min_score")) is not None:
        if type(least) not in (int, float):
            raise _wrong(least, "a number", "min_score")
        if not 0 <= least <= 1:
            raise invalid("min_score is out of range; give a number from 0 to 1.", "min_score")
        values["min_score"] = float(least)
    if (wanted := options.get("types")) is not None:
        if not _strings(_checked(wanted, list, "types"), "types"):
            raise invalid("types names no type; name one, or leave it out.", "types")
        for place, name in enumerate(wanted):
            if name not in types:
                known = ", ".join(sorted(types)) or "none"
                raise invalid(f"There is no type {_shown(name)}; there are {known}.", f"types[{place}]")
        values["types"] = frozenset(wanted)
    if (overflow := options.get("on_overflow")) is not None:
        if overflow not in OVERFLOWS:
            raise invalid(f"on_overflow is none of {', '.join(OVERFLOWS)}; name one of them.", "on_overflow")
        values["on_overflow"] = overflow
    if (tokens := options.get("tokens")) is not None:
        values["tokens"] = _checked(tokens, bool, "tokens")
    return values


def _several(value: Any, place: str, settings: Settings) -> list[Any]:
    checked: list[Any] = _checked(value, list, place)
    if len(checked) > settings.max_texts:
        raise invalid(
            f"{place} holds {len(checked):,} texts, more than {settings.max_texts:,}; send several requests.",
            place,
            code="too_many_texts",
        )
    return checked


def _sentence(value: Any, place: str) -> tuple[str, ...]:
    words = tuple(_strings(_checked(value, list, place), place))
    if max(map(len, words), default=0) > LONGEST_WORD:
        position = next(position for position, word in enumerate(words) if len(word) > LONGEST_WORD)
        raise _endless(f"{place}[{position}]")
    return words


def _check_blanks(text: str, place: str) -> None:
    """Refuse a text with a word of twice the longest, and perhaps of less; looks at its blocks, for speed."""
    for start in range(0, len(text) - LONGEST_WORD + 1, LONGEST_WORD):
        block = text[start : start + LONGEST_WORD]
        if block.split(None, 1) == [block]:
            raise _endless(place)


def _endless(place: str) -> RefusalError:
    what = f"{place} has {LONGEST_WORD:,} characters and more without a blank; put blanks between the words."
    return invalid(what, place, code="word_too_long")


def _strings(values: list[Any], place: str) -> list[str]:
    if not set(map(type, values)) <= {str}:
        position = next(position for position, value in enumerate(values) if type(value) is not str)
        raise _wrong(values[position], "a string", f"{place}[{position}]")
    return values


def _checked(value: Any, kind: type, place: str) -> Any:
    if type(value) is not kind:
        raise _wrong(value, _NAMES[kind], place)
    return value


def _wrong(value: Any, wanted: str, place: str) -> RefusalError:
    return invalid(f"{place} is {_kind(value)}; give {wanted}.", place)


def _kind(value: Any) -> str:
    return _NAMES.get(type(value), "a number")


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:40]}…"


def _shown(name: Any) -> str:
    return repr(_short(name)) if isinstance(name, str) else _kind(name)
