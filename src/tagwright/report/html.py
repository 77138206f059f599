"""The report as one HTML page: renders what it is given, no arithmetic.

The page asks for nothing outside itself, and its Content-Security-Policy forbids it. Everything that comes from data is
escaped by the template, or goes into a JSON block that the page's script writes as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.errors import require
from tagwright.report import show
from tagwright.report.page import Page, segments
from tagwright.report.page_figures import draw_figures
from tagwright.report.palette import PALETTE

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render", "render_page"]

_TEMPLATES = Path(__file__).with_name("templates")


def render(context: Mapping[str, Any]) -> str:
    """Render a report.

    Args:
        context: plain values: `title`, `version` (Tagwright's), `analysis` (an analysis), `bundle` (facts by name),
            `made` (the bundle's record), `data` (a data summary or None), `comparison` (a comparison or None) and
            `notices`.

    Returns:
        The page; the same context gives the same text.

    Raises:
        MissingExtraError: jinja2 or matplotlib are not installed.
    """
    page = Page(context)
    markup = require("markupsafe", "report").Markup
    return render_page(
        "report.html",
        draw_figures(page),
        page=page,
        errors_json=markup(_json(page.browser())),
        **{
            key: context[key]
            for key in ("title", "version", "analysis", "bundle", "made", "data", "comparison")
        },
    )


def render_page(template: str, figures: Mapping[str, str], **shown: Any) -> str:
    """Render a template inside the frame of every page: its style, its script and its policy.

    Args:
        template: the file.
        figures: SVG by name.
        shown: what the template shows; `title` and `version` among it.
    """
    environment = _environment()
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    markup = require("markupsafe", "report").Markup
    return environment.get_template(template).render(
        policy=policy,
        palette=PALETTE,
        style=markup(_asset("page.css")),
        script=markup(script),
        figures={name: markup(svg) for name, svg in figures.items()},
        **shown,
    )


@cache
def _environment() -> Environment:
    jinja2 = require("jinja2", "report")
    environment: Environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {
        "ratio": show.ratio,
        "whole": show.whole,
        "interval": show.interval,
        "segments": segments,
    }
    return environment


def _finalize(value: Any) -> Any:
    """Show nothing for None, and no text from data as something else than text."""
    if type(value) is str:  # not Markup
        return show.visible(value)
    return "" if value is None else value


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """Write JSON that nothing in it can turn into markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
