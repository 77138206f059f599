"""Numbers and words from data as text that can stand anywhere: in a page, a table, a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["interval", "ratio", "shorten", "visible", "whole"]

NOTHING = "–"
"""What stands for a number that is not there."""

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def ratio(value: float | None) -> str:
    """Show a ratio with four decimals."""
    return NOTHING if value is None else f"{value:.4f}"


def whole(value: float | None) -> str:
    """Show a count with separators between thousands; other numbers as they are."""
    if value is None:
        return NOTHING
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def interval(bounds: Sequence[float] | None, *, signs: bool = False) -> str:
    """Show two bounds, each with four decimals; `signs` for differences."""
    if not bounds:
        return NOTHING
    low, high = bounds
    return f"{low:+.4f} to {high:+.4f}" if signs else f"{low:.4f} to {high:.4f}"


def visible(text: str) -> str:
    r"""Write as escapes what no reader can see or what would turn the text around it.

    Those are control characters, lone surrogates, noncharacters and marks of writing direction.

    >>> visible("a\x00b\u202ec")
    'a\\x00b\\u202ec'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if _hidden(c) else c for c in text)


def shorten(text: str, length: int = 24) -> str:
    """Cut a text to a number of characters, the last of them an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def _hidden(character: str) -> bool:
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or character in _BIDI
        or code & 0xFFFE == 0xFFFE
        or 0xFDD0 <= code < 0xFDF0
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
