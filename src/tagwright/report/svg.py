"""A matplotlib figure as SVG inside a page: coloured by the page's variables, named, and the same on every run."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from tagwright.errors import require
from tagwright.report.palette import PALETTE, mark

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Draw", "draw_svg"]

Draw = Callable[["Figure", dict[str, str]], None]
"""Draws on a figure; the second argument takes, by an artist's gid, what is shown while the pointer is on it."""

_VARIABLES = {mark(name): f"var(--{name})" for name in PALETTE}
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: it can be read out, found and shown in any script
    "svg.hashsalt": "tagwright",
    "text.parse_math": False,
    "font.size": 12,
    "text.color": mark("ink"),
    "axes.labelcolor": mark("muted"),
    "axes.edgecolor": mark("line"),
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": mark("line"),
    "grid.linewidth": 1,
    "xtick.color": mark("line"),
    "ytick.color": mark("line"),
    "xtick.labelcolor": mark("muted"),
    "ytick.labelcolor": mark("ink"),
    "xtick.labelsize": 11,
    "ytick.labelsize": 12,
    "lines.solid_capstyle": "round",
}


def draw_svg(
    name: str, title: str, description: str, *, width: float, height: float, draw: Draw, css: str = ""
) -> str:
    """Draw a figure and return it as an `<svg>` element.

    Args:
        name: unique within the page; every id in the figure begins with it.
        title: the figure's accessible name.
        description: what it shows, for those who do not see it.
        width: in CSS pixels.
        height: in CSS pixels.
        draw: puts the axes on the figure; positions in a figure are shares of its width and height.
        css: more classes of the element.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib.figure import Figure

    tips: dict[str, str] = {}
    buffer = io.BytesIO()
    with _settings():
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        draw(figure, tips)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    _clean(root, name, tips)
    identity = {"role": "img", "aria-labelledby": f"{name}-title {name}-description"}
    box = root.attrib["viewBox"]
    root.attrib.clear()
    size = {"width": f"{width:g}", "height": f"{height:g}"}
    root.attrib.update({"viewBox": box, **size, "class": f"figure {css}".strip(), **identity})
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


@contextmanager
def _settings() -> Iterator[None]:
    """Draw with our settings whatever the user's are, and leave no trace; a missing glyph is the browser's to find."""
    import matplotlib

    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)  # it tells that it builds its cache
    try:
        with matplotlib.rc_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph ")
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_SETTINGS)
            yield
    finally:
        fonts.setLevel(level)


def _clean(root: ElementTree.Element, name: str, tips: dict[str, str]) -> None:
    """Drop namespaces and metadata, make ids the page's own, and colours its variables."""
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):  # its style would hold for the whole page
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        tip = tips.get(element.attrib.get("id", ""))
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            element.attrib[key.rpartition("}")[2]] = _attribute(key.rpartition("}")[2], value, name)
        if tip is not None:
            title = ElementTree.Element("title")
            title.text = tip
            element.insert(0, title)
        if element.tag not in ("text", "tspan", "title"):
            element.text = None
        element.tail = None


def _attribute(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return value.replace("#", f"#{name}-", 1)
    value = value.replace("url(#", f"url(#{name}-")
    if key in ("style", "fill", "stroke"):
        value = re.sub(r"#[0-9a-f]{6}", lambda found: _VARIABLES.get(found[0], found[0]), value)
    return value
