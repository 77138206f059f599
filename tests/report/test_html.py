"""The report's page: whole, the same on every run, and closed to whatever the data holds."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tagwright.report.html import render
from tagwright.report.palette import PALETTE
from tagwright.report.show import visible
from tests.report.context import HOSTILE, comparison, context
from tests.report.hostile import twins

VOID = {"meta", "link", "input", "br", "path", "rect", "use"}


class Outline(HTMLParser):
    """Every element with the names of its attributes, every id and every reference to one, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def ids(self) -> list[str | None]:
        return [value for _, name, value in self.attributes if name == "id"]


@pytest.fixture(scope="module")
def page() -> str:
    return render(context(comparison=comparison()))


def test_everything_is_on_the_page(page):
    text = " ".join(" ".join(Outline(page).text).split())
    for part in (
        "sample-tagger", "1,287 sentences", "0.4489", "0.3989 to 0.4989", "lenient", "surface", "location",
        "what missed means", "Bristol", "F1 by seen in train", "0.0821", "How training went", "surplus copies",
        "tag breaks the scheme iob2", 'encoder = "minilm"', "3.11.7", "the tagger does not know B-event",
        "No difference shows.", "+0.0400", "-0.0100 to +0.0900", "Each tagger is one training run.",
    ):  # fmt: skip
        assert part in text


def test_the_recipe_stands_in_lines(page):
    [recipe] = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert recipe.strip().split("\n") == [
        "[train]", "epochs = 3.0", "seed = 42", "", "[model]", "encoder = &#34;minilm&#34;",
    ]  # fmt: skip


def test_what_is_not_there_leaves_no_trace():
    empty = context(data=None, made={})
    empty["analysis"] |= {"slices": [], "examples": [], "frequent": [], "confident": [], "calibration": None}
    outline = Outline(render(empty))
    assert {"comparison", "slices", "calibration", "browse", "training", "data"}.isdisjoint(outline.ids())
    assert {"summary", "types", "errors", "made"} <= set(outline.ids())


@pytest.mark.parametrize("count", [1, 2, 50])
def test_any_number_of_types(count):
    types = [f"type-{number}" for number in range(count)]
    outline = Outline(render(context(types, comparison=comparison(types))))
    assert " ".join(outline.text).count(f"type-{count - 1}") > 3


def test_ids_are_unique_and_references_resolve(page):
    outline = Outline(page)
    ids = outline.ids()
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    wanted = set()
    for _, name, value in outline.attributes:
        if name == "href" and value.startswith("#"):
            wanted.add(value[1:])
        elif name in ("aria-labelledby", "aria-describedby"):
            wanted |= set(value.split())
        elif value:
            wanted |= set(re.findall(r"url\(#([^)]+)\)", value))
    assert wanted - set(ids) == set()


def test_nothing_comes_from_outside(page):
    outline = Outline(page)
    for tag, name, value in outline.attributes:
        if name in ("src", "href", "action", "data", "srcset", "poster"):
            assert value.startswith(("#", "data:")), (tag, name, value)
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles
    assert "xmlns" not in page
    assert not any(tag in ("iframe", "object", "embed", "base", "form", "img") for tag, _ in outline.elements)


def test_the_policy_allows_the_pages_own_script_and_no_other(page):
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = policy.replace("&#39;", "'")
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert len(re.findall(r"<script", page)) == 2  # the other is the block of JSON


def test_texts_from_data_stay_text():
    hostile, harmless = (Outline(render(one)) for one in twins(comparison=comparison(), examples=20))
    assert hostile.elements == harmless.elements
    assert hostile.open == harmless.open == []
    shown = " ".join(hostile.text)
    for text in HOSTILE:
        assert " ".join(visible(text).split()) in " ".join(shown.split())


def test_the_block_of_json_holds_every_error_and_no_markup():
    hostile, _ = twins(examples=20)
    page = render(hostile)
    [block] = re.findall(r'<script type="application/json" id="errors-data">(.*?)</script>', page, re.DOTALL)
    assert not re.search(r"[<>&\u2028\u2029]", block)
    loaded = json.loads(block)
    assert len(loaded["errors"]) == len(loaded["examples"]) == 20
    words = hostile["analysis"]["examples"][3]["words"]
    text = "".join(part[0] for part in loaded["examples"][3]["segments"])
    assert text == " ".join(map(visible, words))
    page.encode("utf-8")  # no lone surrogate is left


def test_the_same_context_gives_the_same_bytes_whatever_the_users_settings(tmp_path):
    code = (
        "import sys; from tests.report.context import *; from tagwright.report.html import render;"
        "sys.stdout.buffer.write(render(context(comparison=comparison())).encode());"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\nsvg.fonttype: path\n")
    pages = []
    for seed, rc in (("1", "/nowhere"), ("2", str(tmp_path / "matplotlibrc"))):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "MATPLOTLIBRC": rc}
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True)
        assert done.stderr == b""
        pages.append(done.stdout)
    assert pages[0] == pages[1] == render(context(comparison=comparison())).encode()


def test_drawing_leaves_the_users_settings_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    render(context())
    assert dict(matplotlib.rcParams) == before


def test_every_figure_has_a_name_and_a_description(page):
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        outline = Outline(svg)
        values = {name: value for tag, name, value in outline.attributes if tag == "svg"}
        assert values["role"] == "img"
        for name in values["aria-labelledby"].split():
            assert re.search(rf'id="{name}">[^<]+<', svg)
        assert not re.search(r"#[0-9a-f]{6}", svg), "a colour that is not the page's"


def luminance(colour: tuple[float, ...]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("side", ["light", "dark"])
def test_colours_can_be_read(side):
    colours = {
        name: tuple(int(getattr(pair, side)[place : place + 2], 16) / 255 for place in (1, 3, 5))
        for name, pair in PALETTE.items()
    }
    for text, ground in (
        ("ink", "paper"), ("ink", "card"), ("muted", "paper"), ("muted", "card"), ("blue", "paper"),
        ("blue", "card"), ("on-blue", "blue"), ("ink", "predicted-tint"),
    ):  # fmt: skip
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for shape in ("blue", "orange", "green", "muted"):
        assert contrast(colours[shape], colours["paper"]) >= 3, shape
    for cell in ("blue", "orange"):  # the heat map's strongest
        mixed = tuple(0.5 * a + 0.5 * b for a, b in zip(colours[cell], colours["paper"], strict=True))
        assert contrast(colours["ink"], mixed) >= 4.5, cell
