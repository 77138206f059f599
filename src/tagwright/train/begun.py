"""What some work was begun with, against what it is to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagwright.config import Recipe

__all__ = ["first_change"]

Fields = Mapping[str, Mapping[str, Any]]


def first_change(before: Fields, now: Fields) -> tuple[str, Any, Any] | None:
    """Return the first field of a recipe that is not what it was; where the data lie does not count.

    Args:
        before: the fields of each section, as JSON values; one that was not known then has its default.
        now: the same.

    Returns:
        The field as `section.field`, what it was and what it is; None where all are the same.
    """
    defaults = Recipe().model_dump(mode="json")
    for section in [*now, *(name for name in before if name not in now)]:
        old, new = {**defaults.get(section, {}), **before.get(section, {})}, now.get(section, {})
        for field in [*new, *(name for name in old if name not in new)]:
            if old.get(field) != new.get(field) and (section, field) != ("data", "source"):
                return f"{section}.{field}", old.get(field), new.get(field)
    return None
