"""Text for terminals, with its entities in the colours of their types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

from tagwright.predict.lines import Line
from tagwright.predict.writers import Format, format_named
from tagwright.records import Prediction

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["coloured_format"]

# A text must not steer the terminal: its control characters, but tab and line feed, are shown as signs.
CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red")


def coloured_format(types: Sequence[str], console: Console | None = None) -> Format:
    """Return the format `text` as a terminal shows it: each entity bold in its type's colour, the type behind it.

    Where there are no colours (`NO_COLOR`, a terminal without), it is the `text` of `format_named`.

    Args:
        types: the types of the bundle's entities, which take the colours in turn.
        console: the terminal; None takes stdout.
    """
    from rich.console import Console

    plain = format_named("text")
    console = console or Console(highlight=False, soft_wrap=True)
    if console.no_color or not console.color_system:
        return plain
    return replace(plain, render=_renderer(console, dict(zip(types, cycle(COLOURS), strict=False))))


def _renderer(console: Console, colours: dict[str, str]) -> Callable[[Line, str, Prediction], str]:
    from rich.text import Text

    def render(line: Line, text: str, prediction: Prediction) -> str:
        text = text.translate(CONTROLS)  # each character by one, so that the places stay true
        shown, done = Text(), 0
        for entity in prediction.entities:
            colour = colours.get(entity.label, COLOURS[0])
            shown.append(text[done : entity.start])
            shown.append(text[entity.start : entity.end], style=f"bold {colour}")
            shown.append(f" {entity.label}", style=f"dim {colour}")
            done = entity.end
        shown.append(text[done:])
        with console.capture() as captured:
            console.print(shown)
        return captured.get()

    return render
