"""The colours of the page and its figures: each by its name, in light and in dark."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["PALETTE", "Colour", "mark"]


class Colour(NamedTuple):
    """A colour as `#rrggbb` on light and on dark paper."""

    light: str
    dark: str


PALETTE = {
    "paper": Colour("#ffffff", "#0f1317"),
    "card": Colour("#f5f7f9", "#171d23"),
    "line": Colour("#d8dee5", "#323b45"),
    "muted": Colour("#57606b", "#a2adb9"),
    "ink": Colour("#14181d", "#e9edf1"),
    "blue": Colour("#0a5fa8", "#6cb4f5"),
    "on-blue": Colour("#ffffff", "#06131f"),
    "orange": Colour("#b34700", "#f5a35c"),
    "green": Colour("#00705a", "#45c9a5"),
    "predicted-tint": Colour("#ffe4cc", "#54300f"),
}
"""Blue and orange carry meaning, which the colour-blind can tell apart; green comes only beside them, dashed."""


def mark(name: str) -> str:
    """Return the colour that stands for a name of the palette in a figure until it becomes a variable."""
    return f"#0f{list(PALETTE).index(name) + 1:02x}f0"
