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
        shown, done = Text(), 0
        for entity in prediction.entities:
            colour = colours.get(entity.label, COLOURS[0])
            shown.append(text[done : entity.start])
            shown.append(entity.text, style=f"bold {colour}")
            shown.append(f" {entity.label}", style=f"dim {colour}")
            done = entity.end
        shown.append(text[done:])
        with console.capture() as captured:
            console.print(shown)
        return captured.get()

    return render
