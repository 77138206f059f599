"""Hostile texts stay texts, whichever way they come into the page."""

from __future__ import annotations

from urllib.parse import quote

from tests.serve.browser import REFUSED, browser, bundle, entity, expect, service, visit

__all__ = ["browser", "bundle", "service", "visit"]  # fixtures

HOSTILE = [
    "<script>window.hit = 1</script>",
    "</script><script>window.hit = 2</script>",
    "<img src=x onerror=window.hit=3>",
    "<IMG SRC=x OnError=window.hit=4 //",
    "\"><svg onload='window.hit=5'>",
    "'><svg/onload=window.hit=6>",
    "</textarea><script>window.hit=7</script>",
    "</div></span><iframe srcdoc='<script>parent.hit=8</script>'></iframe>",
    "javascript:window.hit=9",
    "<a href='javascript:window.hit=10'>x</a>",
    "<body onload=window.hit=11>",
    "<details open ontoggle=window.hit=12>",
    "<input autofocus onfocus=window.hit=13>",
    "<video><source onerror=window.hit=14>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=15>",
    "<noscript><p title='</noscript><img src=x onerror=window.hit=16>'>",
    "<template><script>window.hit=17</script></template>",
    "<style>*{display:none!important}</style>",
    "<link rel=stylesheet href=//127.0.0.2/x.css>",
    "<base href=//127.0.0.2/>",
    "<meta http-equiv=refresh content='0;url=//127.0.0.2'>",
    "<object data=//127.0.0.2/x></object><embed src=//127.0.0.2/y>",
    "<form action=//127.0.0.2><button>go</button></form>",
    "${window.hit=24} {{window.hit=24}} #{window.hit=24}",
    "';window.hit=25;//",
    '\\";window.hit=26;//',
    "`;window.hit=27;//",
    "]]><script>window.hit=28</script><!--",
    "<!--><img src=x onerror=window.hit=29>-->",
    "&lt;img src=x onerror=window.hit=30&gt; &#60;b&#62; &amp;",
    "%3Cscript%3Ewindow.hit=31%3C/script%3E",
    "\u202e<script>window.hit=32</script>\u2066",
    "<scr\u0000ipt>window.hit=33</scr\u0000ipt>",
    "__proto__",
    "constructor",
    "data:text/html,<script>window.hit=36</script>",
]


def quiet(page):
    """Tell that nothing hostile has come to life."""
    made = page.evaluate(
        """() => ({
            hit: window.hit ?? null,
            images: document.images.length, scripts: document.scripts.length,
            others: document.querySelectorAll("iframe, object, embed, video, svg, math, base, details, form").length,
            styles: document.styleSheets.length, metas: document.querySelectorAll("meta").length,
            handlers: [...document.querySelectorAll("*")].filter((one) =>
                [...one.attributes].some(({ name }) => name.startsWith("on"))).length,
        })"""
    )
    assert made == {
        "hit": None,
        "images": 1,
        "scripts": 1,
        "others": 1,
        "styles": 1,
        "metas": 4,
        "handlers": 0,
    }


def test_hostile_texts_stay_texts(visit):
    shown = visit()
    text = "\n".join(HOSTILE)
    assert len(HOSTILE) >= 30
    shown.tag(text)
    assert shown.shown() == text
    quiet(shown.page)


def test_hostile_fragments_stay_texts(visit, service):
    hostile = "\n".join(HOSTILE).replace("\0", "")
    fields = f"text={quote(hostile)}&model={quote(HOSTILE[2])}&score=%3Cb%3E"
    shown = visit("#" + fields + "".join(f"&hide={quote(one)}" for one in HOSTILE))
    shown.settle(hostile)
    quiet(shown.page)
    for one in HOSTILE:  # as they are: no fields, no escapes
        shown.page.evaluate("fragment => { location.hash = fragment; }", one)
    shown.settle()
    quiet(shown.page)


def test_hostile_answers_stay_texts(visit):
    shown = visit(go=False)
    text = " ".join(f"{number:04}" for number in range(len(HOSTILE)))
    said = [entity(text, f"{number:04}", label) | {"text": label} for number, label in enumerate(HOSTILE)]
    models = {"models": [{"name": HOSTILE[0], "types": HOSTILE}, {"name": HOSTILE[2], "types": HOSTILE}]}
    shown.page.route("**/v1/models", lambda route: route.fulfill(json=models))
    shown.answer_with(*said, tokens=HOSTILE, tags=HOSTILE)
    shown.page.goto(shown.address)
    shown.tag(text)
    page = shown.page
    assert len(shown.marks()) == page.locator("#list tbody tr").count() == len(HOSTILE)
    assert page.locator("#list .go").evaluate_all("all => all.map((one) => one.textContent)") == HOSTILE
    page.locator("#marked .entity").nth(2).hover()
    expect(page.locator("#tip b")).to_have_text(HOSTILE[2])
    for button in page.locator("#legend button").all()[:3]:
        button.click()
    quiet(page)


def test_hostile_errors_stay_texts(visit):
    shown = visit(allowed=REFUSED)
    for message in (HOSTILE[2], HOSTILE[4], HOSTILE[17]):
        body = '{"error": {"code": "x", "message": %s}, "request_id": %s}'
        written = '"' + message.replace('"', '\\"') + '"'
        shown.refuse_with(422, body % (written, written))
        shown.page.locator("#text").fill("x")
        shown.page.locator("#tag").click()
        shown.wait_for_alert(message)
        quiet(shown.page)
