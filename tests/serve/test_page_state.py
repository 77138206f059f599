"""The page's state: in the address, after errors, with a key, from files."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import unquote_plus

import pytest

from tests.serve.browser import REFUSED, TEXT, browser, bundle, expect, serve, service, visit

__all__ = ["browser", "bundle", "serve", "service", "visit"]  # fixtures


def test_the_state_goes_round_and_to_no_server(visit, service):
    secret = "Jeff Bezos 😀 left\nNew York & the #1 = 100% + Sa\u0303o Paulo"
    shown = visit()
    page = shown.page
    shown.tag(secret)
    label = shown.marks()[0].label
    page.locator("#legend button", has_text=label).click()
    page.get_by_label("Score at least").fill("0.25")
    expect(page).to_have_url(re.compile("score=0.25"))
    address = page.url
    assert unquote_plus(address.split("text=")[1].split("&")[0]) == secret
    del service.seen[:]
    again = visit(address.removeprefix(service.address))
    again.settle(secret)
    assert again.page.locator("#text").input_value() == secret
    assert again.marks() == shown.marks()
    assert again.page.locator("#legend [aria-pressed=false]").inner_text().split()[0] == label
    assert again.page.get_by_label("Score at least").input_value() == "0.25"
    again.page.evaluate("() => { location.hash = 'text=other'; }")
    again.settle("other")
    assert again.page.get_by_label("Score at least").input_value() == "0"
    again.page.go_back()
    again.settle(secret)
    assert service.seen
    assert all("Bezos" not in unquote_plus(one) and "score" not in one for one in service.seen)


def test_a_link_is_copied_unless_it_is_too_long(visit):
    shown = visit(permissions=["clipboard-read", "clipboard-write"])
    page = shown.page
    shown.tag("Jeff Bezos")
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#link")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert "text=Jeff+Bezos" in page.url
    shown.tag("word " * 4000)
    expect(page).not_to_have_url(re.compile("text="))
    assert "too long for a link" in page.locator("#size").inner_text()
    assert page.locator("#link").is_disabled()
    page.evaluate("() => { location.hash = 'text=' + 'x'.repeat(20_000); }")
    expect(page.locator("#note")).to_contain_text("The link has 20,005 characters")
    assert page.locator("#text").input_value().startswith("word")


def test_a_link_to_another_service(visit):
    shown = visit("#text=Jeff+Bezos&model=elsewhere&score=7")
    shown.settle("Jeff Bezos")
    expect(shown.page.locator("#note")).to_have_text(
        "The link names the model elsewhere, which is not served here."
    )
    assert shown.page.get_by_label("Score at least").input_value() == "0"


@pytest.mark.long
def test_the_service_goes_and_comes_back(visit, serve):
    running = serve()
    shown = visit(at=running, allowed=REFUSED)
    shown.tag(TEXT)
    running.stop()
    shown.page.locator("#text").fill("Jeff Bezos left")
    shown.wait_for_alert("The service does not answer.")
    for _ in range(3):
        shown.page.locator("#tag").click()
        expect(shown.page.locator("#tag")).to_have_class("main")
    shown.wait_for_alert("The service does not answer.")
    assert shown.page.locator("#text").input_value() == "Jeff Bezos left"
    assert shown.page.locator("#result").is_hidden()  # its marks were of another text
    running.start()
    shown.settle("Jeff Bezos left")
    expect(shown.page.locator("#alert")).to_be_empty()
    assert shown.marks()


def test_a_request_that_breaks_off_is_not_sent_for_ever(visit):
    shown = visit(allowed=REFUSED)
    shown.page.clock.install()
    sent = []
    shown.page.route("**/v1/entities", lambda route: (sent.append(1), route.abort()))
    shown.page.locator("#text").fill("text")
    shown.page.locator("#tag").click()
    for _ in range(3):
        shown.page.clock.run_for(3000)
        shown.page.wait_for_timeout(1)
    shown.wait_for_alert("The service breaks off at this text of 4 characters")
    shown.page.clock.run_for(120_000)
    assert len(sent) == 3


def test_refusals_are_said_in_the_service_s_words(visit, serve):
    running = serve(max_body=300)
    shown = visit(at=running, allowed=REFUSED)
    page = shown.page
    page.locator("#text").fill("too long " * 100)
    shown.wait_for_alert("The body is longer than 300 bytes")
    assert page.locator("#alert small").inner_text().startswith("Request ")
    assert page.get_by_role("alert").inner_text() == shown.alert()
    page.locator("#text").fill("short")
    shown.settle("short")
    expect(page.locator("#alert")).to_be_empty()


def test_a_busy_service_is_asked_again(visit):
    shown = visit(allowed=REFUSED)
    shown.page.clock.install()
    full = '{"error": {"code": "queue_full", "message": "The queue is full."}, "request_id": "r1"}'
    shown.refuse_with(503, full, {"retry-after": "7"})
    shown.page.locator("#text").fill("Jeff Bezos")
    shown.page.locator("#tag").click()
    shown.wait_for_alert("The queue is full. The text stays here")
    shown.page.unroute("**/v1/entities")
    shown.page.clock.run_for(6000)
    assert shown.page.locator("#result").is_hidden()
    shown.page.clock.run_for(1500)
    shown.settle("Jeff Bezos")
    expect(shown.page.locator("#alert")).to_be_empty()


def test_odd_answers(visit):
    shown = visit(allowed=REFUSED)
    misfit = '{"results": [{"entities": [{"label": "x", "score": 1, "start": 0, "end": 99}]}]}'
    for status, body, said in [
        (200, "<html>hello</html>", "The service's answer cannot be read."),
        (200, '{"results": [{"entities": [{"label": 1}]}]}', "The service's answer does not fit the text."),
        (504, '{"error": {"code": "timeout", "message": "It took too long."}}', "It took too long."),
        (200, misfit, "The service's answer does not fit the text."),
        (502, "<html><h1>Bad gateway</h1></html>", "The service answers 502 and gives no reason."),
    ]:
        shown.refuse_with(status, body)
        shown.page.locator("#text").fill("Jeff")
        shown.page.locator("#tag").click()
        shown.wait_for_alert(said)
        assert shown.page.locator("#alert h1").count() == 0


def test_the_key_is_asked_for_and_kept_in_this_tab(visit, serve):
    running = serve(api_keys=("right-key",))
    shown = visit("#text=Jeff+Bezos", at=running, allowed=REFUSED)
    page = shown.page
    field = page.get_by_label("API key")
    field.wait_for()
    shown.wait_for_alert("The service asks for its API key.")
    for key, said in [("schlüssel", "A key has no blanks"), ("wrong-key", "The service refuses this key.")]:
        field.fill(key)
        field.press("Enter")
        shown.wait_for_alert(said)
    field.fill("right-key")
    page.get_by_role("button", name="Use this key").click()
    shown.settle("Jeff Bezos")
    assert field.is_hidden()
    expect(page.locator("#alert")).to_be_empty()
    page.reload()
    shown.settle("Jeff Bezos")
    assert field.is_hidden()
    assert "right-key" not in page.url
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("document.cookie") == ""


def drop(page, name, content):
    """Drop a file on the page, as the browser tells of it."""
    page.evaluate(
        """([name, encoded]) => {
            const bytes = [...atob(encoded)].map((one) => one.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "text/plain" }));
            for (const type of ["dragover", "drop"]) {
                document.getElementById("text").dispatchEvent(
                    new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
            }
        }""",
        [name, b64encode(content).decode()],
    )


def test_files_are_opened_and_dropped(visit, tmp_path):
    shown = visit()
    page = shown.page
    path = tmp_path / "notes.txt"
    path.write_bytes("\ufeffJeff Bezos 😀\r\nleft".encode())
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Open a file").click()
    chosen.value.set_files(path)
    shown.settle("Jeff Bezos 😀\nleft")
    drop(page, "other.txt", "Sa\u0303o Paulo".encode())
    shown.settle("Sa\u0303o Paulo")
    drop(page, "wide.txt", "Zoë in Zürich".encode("utf-16"))
    shown.settle("Zoë in Zürich")
    for name, content, said in [
        ("latin.txt", "Zürich".encode("latin-1"), "latin.txt is not text in UTF-8; save it as such."),
        ("picture.txt", b"\x89PNG\0\0", "picture.txt is not text in UTF-8; save it as such."),
        ("zeros.txt", b"a\0b", "zeros.txt is not a text file."),
        ("long.txt", b"long\n" * 500_000, "long.txt has 2.4 MiB, and this page takes 2.0 MiB at most"),
    ]:
        drop(page, name, content)
        expect(page.locator("#note")).to_contain_text(said)
    assert page.locator("#text").input_value() == "Zoë in Zürich"


def test_a_file_that_the_service_does_not_take(visit, serve):
    running = serve(max_body=10_000)
    shown = visit(at=running, allowed=REFUSED)
    drop(shown.page, "long.txt", b"word " * 4000)
    shown.wait_for_alert("The body is longer than 10,000 bytes")
    assert len(shown.page.locator("#text").input_value()) == 20_000
