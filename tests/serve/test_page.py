"""The page of a service: what is typed is tagged, marked where it stands, filtered, listed and copied."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.serve.browser import (
    TEXT,
    Mark,
    browser,
    bundle,
    entities_of,
    entity,
    expect,
    serve,
    service,
    visit,
)

__all__ = ["browser", "bundle", "serve", "service", "visit"]  # fixtures

TEXTS = [
    TEXT,
    "one",
    "🇬🇧 London 🇫🇷 Paris #️⃣ 1️⃣ 👩🏽‍🚀 NASA",
    "Zoe\u0308 in A\u030angstro\u0308m , q\u0307\u0323 x\u0301\u0302\u0303\u0304 end",
    "وُلد نجيب محفوظ في القاهرة عام 1911 ، ونال Nobel Prize عام 1988 .",
    "ביקרתי ב- Google בתל אביב , it was nice .",
    "रवीन्द्रनाथ ठाकुर का जन्म कोलकाता में हुआ",
    "a\n\n\nb c\n New York\nis\n\n",
    "  blanks   and\ttabs  ",
    "𝒜 𝔸𝕟𝕟𝕒 𠮷野家 で 食べる",
    "half \ufffd and \u200e marks \u202eturned\u202c .",
]


def test_what_is_typed_is_tagged(visit, service):
    shown = visit()
    page = shown.page
    assert page.title().startswith("Tagwright")
    assert page.locator("#result").is_hidden()
    page.locator("#text").press_sequentially("Jeff Bezos left New York .")
    shown.settle("Jeff Bezos left New York .")
    assert [mark.text for mark in shown.marks()] == [
        one["text"] for one in entities_of(service, "Jeff Bezos left New York .")
    ]
    page.locator("#text").fill("")
    page.locator("#result").wait_for(state="hidden")
    assert page.locator("#list").is_hidden()


def test_marks_stand_where_the_entities_are(visit, service):
    shown = visit()
    found = 0
    for text in TEXTS:
        shown.tag(text)
        assert shown.shown() == text
        expected = [Mark(one["start"], one["text"], one["label"]) for one in entities_of(service, text)]
        assert shown.marks() == expected
        assert all(text[mark.start : mark.start + len(mark.text)] == mark.text for mark in expected)
        found += len(expected)
        rows = shown.page.locator("#list tbody tr")
        assert rows.locator(".go").evaluate_all("all => all.map((one) => one.textContent)") == [
            mark.text for mark in expected
        ]
    assert found > len(TEXTS) / 2


def test_a_mark_never_cuts_an_emoji_or_an_accent(visit):
    text = "ab👩‍👩‍👧cd e\u0301\u0302f 🇬🇧🇫🇷 end"
    shown = visit(go=False)
    family, letter, flag = entity(text, "👩‍👩", "A"), entity(text, "e", "B"), entity(text, "🇬", "C")
    shown.answer_with(family, letter, flag)
    shown.page.goto(shown.address)
    shown.tag(text)
    assert [mark.text for mark in shown.marks()] == ["👩‍👩‍👧", "e\u0301\u0302", "🇬🇧"]
    assert shown.shown() == text
    assert shown.page.locator("#list .go").all_inner_texts() == [
        "👩‍👩",
        "e",
        "🇬",
    ]  # the list says what the model said


# The characters of the marked text in the order in which they stand on the screen, line by line.
ORDER = """() => {
    const walker = document.createTreeWalker(document.getElementById("marked"), NodeFilter.SHOW_TEXT);
    const all = [];
    while (walker.nextNode()) {
        for (let place = 0; place < walker.currentNode.length; place += 1) {
            const range = new Range();
            range.setStart(walker.currentNode, place);
            range.setEnd(walker.currentNode, place + 1);
            const [box] = range.getClientRects();
            if (box?.width) all.push([Math.round(box.left * 8), walker.currentNode.data[place]]);
        }
    }
    return all.sort(([one], [other]) => one - other).map(([, character]) => character).join("");
}"""


def test_marks_do_not_turn_text_around(visit):
    shown = visit(viewport={"width": 2400, "height": 700})
    for text, parts in [
        ("وُلد نجيب محفوظ في القاهرة عام 1911 ثم", ["نجيب محفوظ", "القاهرة"]),
        ("نال Nobel Prize عام 1988 في القاهرة", ["Nobel Prize", "عام 1988", "القاهرة"]),
        ("he said שלום עולם to Tel Aviv", ["שלום", "עולם", "Tel Aviv"]),
        ("he said שלום עולם", ["שלום עולם"]),
        ("he said שלום עולם today", ["עולם"]),
        ("ב 12,000 איש ב 3.5 Google", ["12,000", "Google"]),
        ("abc דוד 123 (def) גיל", ["דוד 123", "גיל"]),
    ]:
        shown.answer_with(*(entity(text, part) for part in parts))
        shown.tag(text)
        marked = shown.page.evaluate(ORDER)
        assert [mark.text for mark in shown.marks()] == parts
        shown.page.locator("#legend button", has_text="person").click()
        assert shown.marks() == []
        assert marked == shown.page.evaluate(ORDER)
        shown.page.get_by_role("button", name="Show all").click()


def test_examples_are_tagged_and_the_old_text_comes_back(visit):
    shown = visit()
    page = shown.page
    shown.tag("my own words")
    names = page.locator("#examples button").all_inner_texts()
    assert len(names) >= 6
    seen = set()
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()
        shown.settle()
        seen.add(shown.shown())
    assert len(seen) == len(names)
    assert any("👩‍👩‍👧‍👦" in text for text in seen)
    page.get_by_role("button", name="Bring the old text back").click()
    shown.settle("my own words")


def test_older_answers_do_not_come_through(visit):
    shown = visit(go=False)
    page = shown.page
    held = []

    def answer(route):
        text = route.request.post_data_json["text"]
        if text == "first":
            held.append(route)
        else:
            route.fulfill(
                json={"model": "tiny", "results": [{"entities": [entity(text, "second")], "words": 1}]}
            )

    page.route("**/v1/entities", answer)
    page.goto(shown.address)
    page.locator("#text").fill("first")
    page.locator("#text").press("Control+Enter")
    expect(page.locator("#tag")).to_have_class("main busy")
    while not held:
        page.wait_for_timeout(5)
    shown.tag("second")
    held[0].fulfill(json={"model": "tiny", "results": [{"entities": [entity("first", "first")], "words": 1}]})
    page.wait_for_timeout(50)
    assert [mark.text for mark in shown.marks()] == ["second"]


@pytest.mark.long
def test_an_entity_far_down_is_reached_by_the_keyboard(visit):
    text = "word\n" * 20_000 + "Jeff"
    shown = visit(go=False)
    shown.answer_with(entity(text, "Jeff"))
    shown.page.goto(shown.address)
    shown.page.evaluate(
        "text => { const field = document.getElementById('text'); field.value = text; "
        "field.dispatchEvent(new Event('input')); }",
        text,
    )
    shown.settle(text)
    shown.page.locator("#legend button").last.focus()
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.textContent") == "Jeff"


@pytest.mark.long
def test_a_hundred_thousand_words(visit):
    """The page stays usable, whether they stand one in a line, ten or all."""
    words = [f"word{number}" for number in range(100_000)]
    for line in (1, 10, 100_000):  # words in a line
        text = "".join(word + (" " if place % line else "\n") for place, word in enumerate(words, 1))
        starts = [0]
        for word in words:
            starts.append(starts[-1] + len(word) + 1)
        entities = [
            {
                "label": "person",
                "start": starts[place],
                "end": starts[place] + len(words[place]),
                "score": 0.5,
                "text": words[place],
                "word_start": place,
                "word_end": place + 1,
            }
            for place in range(0, 100_000, 10)
        ]
        shown = visit(go=False)
        shown.answer_with(*entities, words=100_000)
        page = shown.page
        page.goto(shown.address)
        page.evaluate(
            "text => { const field = document.getElementById('text'); field.value = text; "
            "field.dispatchEvent(new Event('input')); }",
            text,
        )
        page.set_default_timeout(120_000)
        shown.settle(text)
        assert page.locator("#marked .entity[role]").count() == 10_000
        assert page.locator("#list tbody tr").count() == 200
        page.get_by_role("button", name="Show 200 more of 9800").click()
        assert page.locator("#list tbody tr").count() == 400
        assert "too long for a link" in page.locator("#size").inner_text()
        page.get_by_label("Score at least").fill("0.9")
        expect(page.locator("#marked .entity[role]")).to_have_count(0)
        assert shown.shown() == text


def test_paragraphs_are_cut_at_blanks_alone(visit):
    shown = visit()
    text = "\n".join(["Jeff Bezos " * 1500, "left", "x" * 13_000, "שלום " * 3000])
    shown.tag(text)
    assert shown.shown() == text
    blocks = shown.page.locator(".paragraph").evaluate_all(
        "all => all.map((one) => [one.textContent, one.dir])"
    )
    assert len(blocks) > 4
    for (one, _), (_, direction) in pairwise(blocks):
        assert one[-1] in " \n"
        assert one[-1] == "\n" or direction in ("ltr", "rtl")
    assert blocks[-1][1] == "rtl"
