"""The page can be used by everybody: by keyboard, by screen reader, in the dark, on a phone, without JavaScript."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.serve.browser import (
    PHONE,
    REFUSED,
    TEXT,
    browser,
    bundle,
    entity,
    expect,
    serve,
    service,
    visit,
)

__all__ = ["browser", "bundle", "serve", "service", "visit"]  # fixtures

FOCUSED = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    return [one.id || one.className || one.tagName, outlined];
}"""


def test_the_keyboard_is_enough(visit):
    shown = visit()
    page = shown.page
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outlined = page.evaluate(FOCUSED)
        if name == "BODY":
            break
        assert outlined, name
        seen.append(name)
        if name == "text":
            page.keyboard.type(TEXT.replace("\n", " "))  # a tab leaves the field, it is not typed
            page.keyboard.press("Control+Enter")
            shown.settle()
    assert seen[:5] == ["A", "text", "tag", "open", "link"]
    examples = page.locator("#examples button").count()
    assert seen[5 : 5 + examples] == ["quiet"] * examples
    rest = seen[5 + examples :]
    assert rest[0] == "least"
    assert rest[1:7] == [name for name in rest if name.startswith("type")]
    assert rest[7] == "entity"  # all marks are one stop
    assert rest[8:10] == ["copy-json", "copy-conll"]
    assert rest.count("go") == page.locator("#list .go").count() > 2


def test_marks_are_walked_by_arrow_keys_and_tell_their_score(visit):
    shown = visit()
    page = shown.page
    shown.tag(TEXT)
    marks = shown.marks()
    focused = "document.activeElement.textContent"
    tip = page.locator("#tip")
    page.locator("#legend button").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == marks[0].text
    expect(tip).to_contain_text(f"{marks[0].label} score 0.")
    described = page.evaluate("document.activeElement.getAttribute('aria-describedby')")
    assert page.locator(f"#{described}").get_attribute("role") == "tooltip"
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    assert page.evaluate(focused) == marks[0].text  # Escape moves nothing
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == marks[1].text
    expect(tip).to_contain_text(f"{marks[1].label} score 0.")
    page.keyboard.press("End")
    assert page.evaluate(focused) == marks[-1].text
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == marks[-1].text
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#list tr[aria-current] .go").inner_text() == marks[0].text
    page.locator("#least").focus()
    expect(tip).to_be_hidden()
    name = f"{marks[0].text}\u00a0{marks[0].label}"
    expect(page.locator("#marked .entity").first).to_have_accessible_name(name)
    expect(page.locator("#marked .entity").first).to_have_role("button")


def test_the_arrow_keys_follow_the_text_s_direction(visit):
    text = "قال دوود جبران وذهب سعيد"
    shown = visit(go=False)
    shown.answer_with(*(entity(text, part) for part in ("دوود", "جبران", "سعيد")))
    shown.page.goto(shown.address)
    shown.tag(text)
    page = shown.page
    page.locator("#marked .entity").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.textContent") == "جبران"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "دوود"


def test_the_tip_stays_while_the_pointer_is_on_it(visit):
    shown = visit()
    page = shown.page
    shown.tag(TEXT)
    tip = page.locator("#tip")
    page.locator("#marked .entity").first.hover()
    expect(tip).to_be_visible()
    box = tip.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2, steps=6)
    page.wait_for_timeout(250)  # longer than the time in which it would go
    assert tip.is_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.locator("#marked .entity").nth(1).hover()
    expect(tip).to_be_visible()
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()


def test_results_and_errors_are_announced(visit):
    shown = visit(allowed=REFUSED)
    page = shown.page
    shown.tag(TEXT)
    said = page.locator("#announce")
    assert said.get_attribute("role") == "status"
    expect(said).to_have_text(page.locator("#summary").inner_text().replace(" · ", ", "))
    assert page.locator("#alert").get_attribute("role") == "alert"
    shown.refuse_with(422, '{"error": {"code": "x", "message": "No."}}')
    page.locator("#tag").click()
    expect(page.get_by_role("alert")).to_have_text("No.")


def test_axe_finds_nothing(visit, serve):
    found = find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("axe_playwright_python, which carries axe-core, is not installed")
    axe = (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    running = serve(api_keys=("right-key",))
    shown = visit(
        "#text=" + "Jeff+Bezos+left+New+York+.+Paris+is+big+." * 5,
        at=running,
        allowed=REFUSED,
    )
    page = shown.page

    def check():
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            report = page.evaluate(
                "() => axe.run(document, { resultTypes: ['violations'], rules: { "
                "'focus-order-semantics': { enabled: true }, 'target-size': { enabled: true } } })"
            )
            found = [(one["id"], [node["html"] for node in one["nodes"]]) for one in report["violations"]]
            assert found == [], scheme
            assert len(report["passes"]) > 15

    page.get_by_label("API key").wait_for()
    page.evaluate(axe)
    check()
    page.get_by_label("API key").fill("right-key")
    page.get_by_label("API key").press("Enter")
    shown.settle()
    page.locator("#legend button").last.click()
    page.locator("#marked .entity[role]").first.click()
    check()
    page.locator("#text").fill("")
    page.locator("#result").wait_for(state="hidden")
    check()


# The contrast of letters and of ink on each type's ground, as the screen shows them.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const luminance = (colour) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
            .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrast = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const root = getComputedStyle(document.documentElement);
    const all = [];
    for (let hue = 0; hue < 12; hue += 1) {
        const label = document.createElement("span");
        label.className = "label";
        label.dataset.hue = hue;
        document.body.append(label);
        const { color, backgroundColor } = getComputedStyle(label);
        all.push([hue, contrast(color, backgroundColor), contrast(root.color, backgroundColor),
            contrast(color, root.backgroundColor), backgroundColor]);
        label.remove();
    }
    return all;
}"""


def test_light_and_dark(visit):
    page = visit().page
    for scheme, ground in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(15, 19, 23)")]:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == ground
        measured = page.evaluate(CONTRASTS)
        assert all(min(one[1:4]) >= 4.5 for one in measured), measured
        assert len({one[4] for one in measured}) == 12


def test_a_phone_is_never_scrolled_sideways(visit):
    shown = visit(go=False, viewport=PHONE, allowed=REFUSED)
    page = shown.page
    models = {"models": [{"name": name * 64, "types": ["t" * 300, "a type of words"]} for name in "nm"]}
    page.route("**/v1/models", lambda route: route.fulfill(json=models))
    text = "word " * 50 + "x" * 400 + " Jeff " + "https://example.org/" + "y" * 200
    shown.answer_with(
        entity(text, "x" * 400, "t" * 300),
        entity(text, "Jeff", "a type of words"),
        entity(text, "word", "word"),
    )
    page.goto(shown.address)

    def fits():
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    expect(page.locator("#about .label").first).to_be_visible()
    fits()
    shown.tag(text)
    fits()
    for mark in page.locator("#marked .entity[role]").all():
        mark.focus()
        expect(page.locator("#tip")).to_be_visible()
        box = page.locator("#tip").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        fits()
    shown.refuse_with(422, '{"error": {"code": "x", "message": "%s"}}' % ("z" * 400))
    page.locator("#tag").click()
    shown.wait_for_alert("zzz")
    fits()


def test_a_finger_s_tip_stays_until_another_tap(visit):
    shown = visit(has_touch=True, viewport=PHONE)
    shown.tag(TEXT)
    shown.page.locator("#marked .entity").first.tap()
    shown.page.wait_for_timeout(250)  # longer than a pointer's tip would stay
    assert shown.page.locator("#tip").is_visible()
    shown.page.locator("h1").tap()
    expect(shown.page.locator("#tip")).to_be_hidden()


def test_without_colours_and_on_paper(visit):
    shown = visit(forced_colors="active")
    shown.tag(TEXT)
    page = shown.page
    mark = page.locator("#marked .entity[role]").first
    assert shown.marks()[0].label in mark.evaluate("(one) => getComputedStyle(one, '::after').content")
    assert "solid" in mark.evaluate("(one) => getComputedStyle(one).outline")
    page.emulate_media(media="print")
    assert page.locator("#marked").is_visible()
    assert page.locator("#list table").is_visible()
    assert page.locator("#text").is_hidden()
    assert page.locator("#legend").is_hidden()


def test_without_javascript_it_says_so(visit):
    shown = visit(go=False, java_script_enabled=False)
    shown.page.goto(shown.address)
    assert shown.page.locator("noscript p").is_visible()
