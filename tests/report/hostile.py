"""A context whose every text from data tries to be something else, and its harmless twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.report.context import CLASSES, HOSTILE, context

# Dictionaries whose keys come from data.
OPEN = {"per_type", "types", "thresholds", "versions", "splits", "overlap", "duplicates", "bundle"}


def swap(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """Change every text of a context, and the keys that come from data; the same text always to the same."""
    if isinstance(value, str):
        return value if value in CLASSES else change(value)  # those are ours
    if isinstance(value, list):
        return [swap(one, change, key) for one in value]
    if isinstance(value, dict):
        open_keys = key in OPEN or (key == "examples" and not {"words", "where"} & set(value))
        return {change(name) if open_keys else name: swap(one, change, name) for name, one in value.items()}
    return value


def numbered(texts: tuple[str, ...]) -> Callable[[str], str]:
    """Give each text one of `texts`, with a number of its own, in the order in which they are met."""
    seen: dict[str, str] = {}

    def change(text: str) -> str:
        number = len(seen)
        return seen.setdefault(text, f"{number:03} {texts[number % len(texts)]}")

    return change


def twins(**changes: Any) -> tuple[Any, Any]:
    """Return a hostile context and a harmless one of the same shape."""
    whole = context(**changes)
    return swap(whole, numbered(HOSTILE)), swap(whole, numbered(("word",)))
