"""The report's page in headless Chromium: it renders, its filters work, nothing leaves, everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tagwright.report.html import render
from tagwright.report.show import visible
from tests.chromium import DESKTOP, browser
from tests.report.context import HOSTILE, comparison, context, example
from tests.report.hostile import twins

__all__ = ["browser"]  # the fixture is used by its name

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(context(examples=120, comparison=comparison())), encoding="utf-8")
    return path


class Visit:
    """A page that was opened, and everything that went wrong on it or left it."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.set_default_timeout(10_000)
        page.goto(file.as_uri())
        self.address = file.as_uri()

    def rows(self) -> Any:
        return self.page.locator("#error-rows tr")

    def count(self) -> str:
        return self.page.locator("#count").inner_text()


@pytest.fixture
def visit(browser, file, request) -> Iterator[Any]:
    """Open a page; in the end nothing was complained of, and nothing but the file was asked for."""
    opened: list[Visit] = []

    def open_it(path: Path = file, **settings: Any) -> Visit:
        page = browser.new_page(**({"viewport": DESKTOP, "reduced_motion": "reduce"} | settings))
        opened.append(Visit(page, path))
        return opened[-1]

    yield open_it
    for one in opened:
        assert one.complaints == []
        assert [url for url in one.requests if url != one.address and not url.startswith("data:")] == []
        one.page.close()


def test_it_renders(visit):
    shown = visit()
    assert shown.page.title() == "sample-tagger: Tagwright report"
    assert shown.page.locator("h1").inner_text() == "sample-tagger"
    for svg in shown.page.locator("svg").all():
        box = svg.bounding_box()
        assert box["width"] > 100
        assert box["height"] > 50


def test_errors_are_shown_a_page_at_a_time(visit):
    shown = visit()
    assert shown.count() == "120 of 120 errors, the first 50 shown"
    assert shown.rows().count() == 50
    more = shown.page.get_by_role("button", name="Show 50 more")
    more.click()
    assert shown.rows().count() == 100
    shown.page.get_by_role("button", name="Show 20 more").click()
    assert shown.rows().count() == 120
    assert shown.count() == "120 of 120 errors"
    assert shown.page.locator("#more").is_hidden()


def test_entities_are_marked_in_their_sentences(visit):
    shown = visit()
    missed, wrong = (shown.rows().nth(place).locator("td.wide") for place in (0, 1))
    shown_words = " ".join(missed.inner_text().split())
    assert shown_words == "Massive Attack gold location played in Bristol0 gold location said location #0"
    assert missed.locator(".hit").all_inner_texts() == ["Massive Attack"]
    assert missed.locator(".p").all_inner_texts() == ["Bristol0"]
    assert wrong.locator(".p").first.inner_text() == "Massive"
    assert wrong.locator(".g").all_inner_texts() == ["Massive", " Attack", "Bristol1"]


def test_filters_by_class_type_and_words(visit):
    shown = visit()
    page = shown.page
    page.get_by_label("Class", exact=True).select_option("missed")
    assert shown.count() == "60 of 120 errors, the first 50 shown"
    page.get_by_label("Predicted type", exact=True).select_option("(nothing)")
    assert shown.count() == "60 of 120 errors, the first 50 shown"
    page.get_by_label("Predicted type", exact=True).select_option("product")
    assert shown.count() == "0 of 120 errors"
    assert page.get_by_text("No error fits.").is_visible()
    page.get_by_role("button", name="Clear the filters").click()
    assert shown.count().startswith("120 of 120")
    page.get_by_label("Gold type", exact=True).select_option("location")
    page.get_by_label("Words in the sentence").fill("  BRISTOL99 ")
    assert shown.count() == "1 of 120 errors"
    assert "Bristol99" in shown.rows().first.inner_text()


def test_errors_can_be_put_in_order_of_their_score(visit):
    shown = visit()
    assert "missed" in shown.rows().first.inner_text()
    shown.page.get_by_label("Order").select_option("score")
    assert "0.9000" in shown.rows().first.inner_text()


def test_the_keyboard_is_enough(visit):
    shown = visit()
    page = shown.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter-text"
    page.keyboard.type("bristol7/")  # a slash while typing is a slash
    assert shown.count() == "0 of 120 errors"
    page.keyboard.press("Backspace")
    assert shown.count() == "11 of 120 errors"
    page.keyboard.press("Escape")
    assert shown.count().startswith("120 of 120")
    page.locator("#filter-class").focus()
    page.keyboard.press("w")
    assert shown.count().startswith("60 of 120")
    page.locator("#more").focus()
    page.keyboard.press("Enter")
    assert shown.rows().count() == 60


def test_a_class_and_a_cell_lead_to_their_errors(visit):
    shown = visit()
    page = shown.page
    page.get_by_role("button", name="wrong type", exact=True).click()
    assert shown.count().startswith("60 of 120")
    assert page.evaluate("document.activeElement.id") == "filter-class"
    assert page.locator("#browse h2").is_visible()
    page.locator("#confusion-cell0x3").click()  # on its number
    assert page.locator("#filter-gold").input_value() == "location"
    assert page.locator("#filter-predicted").input_value() == "(nothing)"
    assert shown.count().startswith("60 of 120")


def test_tables_are_sorted_by_their_heads(visit):
    page = visit().page
    table = page.locator("table.sortable", has=page.get_by_text("Scores of each type"))
    names = table.locator("tbody th")
    assert names.all_inner_texts() == ["product", "person", "location"]
    table.get_by_role("button", name="Type").click()
    assert names.all_inner_texts() == ["location", "person", "product"]
    table.get_by_role("button", name="F1", exact=True).click()
    assert names.all_inner_texts() == ["product", "person", "location"]
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    table.get_by_role("button", name="F1", exact=True).click()
    assert names.all_inner_texts() == ["location", "person", "product"]


def test_light_and_dark(visit):
    def ground(page):
        return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    light, dark = visit(color_scheme="light").page, visit(color_scheme="dark").page
    assert ground(light) == "rgb(255, 255, 255)"
    assert ground(dark) == "rgb(15, 19, 23)"
    bar = "getComputedStyle(document.querySelector('#types-bar0 path')).fill"
    assert light.evaluate(bar) != dark.evaluate(bar)
    dark.get_by_role("button", name="Switch between light and dark").click()
    assert ground(dark) == "rgb(255, 255, 255)"
    dark.reload()
    assert ground(dark) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP])
def test_no_sideways_scroll(visit, tmp_path, viewport):
    types = [f"a-type-with-a-rather-long-name-{number}" for number in range(30)]
    long = context(types, comparison=comparison(types))
    long["title"] = "x" * 300
    long["analysis"]["examples"][0] = example(0, ["y" * 500, "z", "w"], types)
    path = tmp_path / "long.html"
    path.write_text(render(long), encoding="utf-8")
    for shown in (visit(viewport=viewport), visit(path, viewport=viewport)):
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_everything_has_a_name_and_a_place(visit):
    page = visit().page
    assert page.locator("h1").count() == 1
    levels = [
        int(tag[1]) for tag in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName)")
    ]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for role in ("main", "navigation", "banner", "contentinfo", "search"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("img").count() == page.locator("svg").count()
    unnamed = """[...document.querySelectorAll("select,input,button,table,[tabindex],summary")].filter(e =>
        !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.caption && !e.textContent.trim())
        .map(e => e.outerHTML)"""
    assert page.evaluate(unnamed) == []
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("#count").get_attribute("aria-live") == "polite"


def test_it_can_be_read_without_javascript(visit):
    page = visit(java_script_enabled=False).page
    assert page.get_by_text("The list needs JavaScript").is_visible()
    assert page.get_by_text("Most frequent wrong forms").is_visible()
    assert page.locator("#browser").is_hidden()
    assert page.locator("#theme").is_hidden()


def test_hostile_texts_are_shown_and_do_nothing(visit, tmp_path):
    hostile, _ = twins(examples=45, comparison=comparison())
    path = tmp_path / "hostile.html"
    path.write_text(render(hostile), encoding="utf-8")
    shown = visit(path)
    assert shown.rows().count() == 45
    text = " ".join(shown.page.locator("#error-rows").text_content().split())
    assert all(" ".join(visible(one).split()) in text for one in HOSTILE[:3])
    assert shown.page.locator("img, iframe, #error-rows script, td svg").count() == 0
    words = hostile["analysis"]["examples"][7]["words"]
    sentence = shown.rows().nth(7).locator(".sentence").text_content()
    assert visible(words[2]) in sentence
    option = shown.page.locator("#filter-gold option").nth(1).get_attribute("value")
    shown.page.get_by_label("Gold type", exact=True).select_option(option)
    assert not shown.count().startswith("0 of")


def test_a_tagger_without_errors(visit, tmp_path):
    perfect = context()
    perfect["analysis"] |= {"examples": [], "confident": [], "frequent": []}
    path = tmp_path / "perfect.html"
    path.write_text(render(perfect), encoding="utf-8")
    page = visit(path).page
    assert page.get_by_text("Here everything is right.").is_visible()
    assert page.get_by_role("link", name="Error list").count() == 0
    page.get_by_role("button", name="Switch between light and dark").click()


def test_thousands_of_errors_are_filtered(visit, tmp_path):
    path = tmp_path / "many.html"
    path.write_text(render(context(examples=8000)), encoding="utf-8")
    shown = visit(path)
    assert shown.count() == "8,000 of 8,000 errors, the first 50 shown"
    shown.page.evaluate(
        """() => { const field = document.getElementById("filter-text");
        field.value = "bristol79"; field.dispatchEvent(new Event("input")); }"""
    )
    assert shown.count() == "111 of 8,000 errors, the first 50 shown"
