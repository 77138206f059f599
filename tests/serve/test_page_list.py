"""What the page makes of entities: filters, a list, copies, and a choice of models."""

from __future__ import annotations

import json
import re

import pytest

from tests.models import tiny_bundle
from tests.serve.browser import (
    DESKTOP,
    TEXT,
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


def test_types_are_filtered(visit):
    shown = visit()
    page = shown.page
    shown.tag(TEXT)
    before = shown.marks()
    labels = {mark.label for mark in before}
    assert len(labels) > 1
    chosen = before[0].label
    button = page.locator("#legend button", has_text=chosen)
    number = sum(mark.label == chosen for mark in before)
    assert button.get_attribute("aria-pressed") == "true"
    assert button.inner_text().split() == [chosen, str(number)]
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert shown.marks() == [mark for mark in before if mark.label != chosen]
    assert page.locator("#list tbody tr").count() == len(before) - number
    assert f"{number} hidden" in page.locator("#summary").inner_text()
    assert shown.shown() == TEXT
    page.get_by_role("button", name="Show all").click()
    assert shown.marks() == before
    assert page.get_by_role("button", name="Show all").count() == 0


def test_scores_are_filtered(visit, service):
    shown = visit()
    page = shown.page
    shown.tag(TEXT)
    scores = [one["score"] for one in entities_of(service, TEXT)]
    least = sorted(scores)[1] // 0.01 / 100
    slider = page.get_by_label("Score at least")
    slider.fill(str(least))
    expect(page.locator("#least-number")).to_have_text(f"{least:.2f}")
    kept = [f"{score:.4f}" for score in scores if score >= least]
    assert page.locator("#list td.number").all_inner_texts() == kept
    assert len(shown.marks()) == len(kept)
    counts = page.locator("#legend .count").all_inner_texts()
    assert sum(map(int, counts)) == len(kept)
    slider.fill("1")
    page.get_by_text("The filters hide all entities.").wait_for()
    shown.tag(TEXT + " more")  # the filter stays
    assert shown.marks() == []


def test_the_list_is_sorted_and_leads_to_the_text(visit, service):
    shown = visit()
    page = shown.page
    shown.tag(TEXT)
    scores = [f"{one['score']:.4f}" for one in entities_of(service, TEXT)]
    cells = page.locator("#list td.number")
    head = page.get_by_role("button", name="Score", exact=True)
    head.click()
    assert cells.all_inner_texts() == sorted(scores)
    head.click()
    assert cells.all_inner_texts() == sorted(scores, reverse=True)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    head.click()
    assert cells.all_inner_texts() == scores
    page.locator("#list .go").nth(1).click()
    assert page.evaluate("document.activeElement.textContent") == shown.marks()[1].text
    assert (
        page.locator("#list tr[aria-current]").count() == page.locator("#marked [aria-current]").count() == 1
    )


@pytest.mark.long
def test_several_models(visit, serve, bundle, tmp_path):
    other = tiny_bundle(tmp_path / "other", labels=["O", "B-Gene", "I-Gene"], seed=3)
    running = serve(bundle, other)
    shown = visit(at=running)
    page = shown.page
    shown.tag(TEXT)
    assert {mark.label for mark in shown.marks()} != {"Gene"}
    choice = page.get_by_label("Model")
    assert choice.locator("option").all_inner_texts() == ["tiny", "other"]
    with page.expect_response("**/v1/entities"):
        choice.select_option("other")
    page.locator("#legend button", has_text="Gene").wait_for()
    assert page.locator("#legend button").count() == 1
    expect(page).to_have_url(re.compile("model=other"))
    again = visit(page.url.removeprefix(running.address), at=running)
    again.settle(TEXT)
    assert again.page.get_by_label("Model").input_value() == "other"


def test_one_model_is_no_choice(visit):
    page = visit().page
    expect(page.locator("#model-name")).to_have_text("tiny")
    assert page.get_by_label("Model").is_hidden()
    assert page.locator("#about .label").count() == 6
    assert page.get_by_role("link", name="API").evaluate("(link) => link.pathname") == "/docs"


def clipboard(page):
    return page.evaluate("navigator.clipboard.readText()")


def test_entities_are_copied(visit, service):
    shown = visit(permissions=["clipboard-read", "clipboard-write"])
    page = shown.page
    shown.tag(TEXT)
    entities = entities_of(service, TEXT)
    page.get_by_role("button", name="Copy JSON").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert json.loads(clipboard(page)) == {"model": "tiny", "text": TEXT, "entities": entities}
    page.get_by_role("button", name="Copy CoNLL").click()
    expect(page.locator("#copy-conll")).to_have_text("Copied")
    rows = [line.split("\t") for line in clipboard(page).removesuffix("\n\n").split("\n")]
    assert "".join(word for word, _ in rows) == "".join(TEXT.split())
    for one in entities:
        tags = [tag for _, tag in rows[one["word_start"] : one["word_end"]]]
        inside = [f"I-{one['label']}"] * (len(tags) - 1)
        assert tags == [f"B-{one['label']}", *inside]
    tagged = sum(one["word_end"] - one["word_start"] for one in entities)
    assert sum(tag != "O" for _, tag in rows) == tagged


def test_only_what_is_shown_is_copied(visit, service):
    shown = visit(permissions=["clipboard-read", "clipboard-write"])
    page = shown.page
    shown.tag(TEXT)
    entities = entities_of(service, TEXT)
    gone = entities[0]["label"]
    page.locator("#legend button", has_text=gone).click()
    page.get_by_role("button", name="Copy JSON").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert json.loads(clipboard(page))["entities"] == [one for one in entities if one["label"] != gone]
    page.locator("#copy-conll").click()
    expect(page.locator("#copy-conll")).to_have_text("Copied")
    copied = clipboard(page)
    assert gone not in copied
    assert copied.count("\tB-") == sum(one["label"] != gone for one in entities)


def test_copying_without_a_clipboard(visit):
    shown = visit(go=False, permissions=["clipboard-read", "clipboard-write"])
    page = shown.page
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(shown.address)
    shown.tag("Jeff Bezos")
    page.get_by_role("button", name="Copy JSON").click()
    page.get_by_role("button", name="Copied").wait_for()
    page.locator("#text").fill("")
    page.locator("#text").press("Control+v")
    assert json.loads(page.locator("#text").input_value())["text"] == "Jeff Bezos"


def test_words_that_conll_cannot_hold_and_words_that_were_cut(visit):
    text = "a b"
    shown = visit(go=False)
    shown.answer_with(entity(text, "a"), tokens=["a\tb"], tags=["O"])
    shown.page.goto(shown.address)
    shown.tag(text)
    shown.page.get_by_role("button", name="Copy CoNLL").click()
    shown.page.get_by_text("CoNLL cannot hold the word").wait_for()
    shown.answer_with(lost_words=3, words=9)
    shown.tag("some text")
    assert shown.page.locator("#summary").inner_text() == "0 entities in 9 words · the last 3 words cut off"
    assert shown.page.get_by_text("There are no entities in this text.").is_visible()


@pytest.mark.long
def test_colours_stay_the_same(visit):
    def colours(page):
        return page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('#legend button')].map(b => "
            "[b.querySelector('bdi').textContent, b.dataset.hue]))"
        )

    first, second = visit(), visit(color_scheme="dark", viewport=DESKTOP)
    first.tag(TEXT)
    second.tag("Jeff Bezos left .")
    assert colours(first.page) == colours(second.page)
    assert len(set(colours(first.page).values())) == 6
