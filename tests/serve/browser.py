"""The page of a real service in headless Chromium, for the tests of the page."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")

from tagwright.serve.app import create_app  # noqa: E402
from tagwright.serve.logs import JsonLog  # noqa: E402
from tagwright.serve.settings import Settings  # noqa: E402
from tests import chromium  # noqa: E402
from tests.models import tiny_bundle  # noqa: E402

DESKTOP = chromium.DESKTOP
PHONE = {"width": 360, "height": 640}
PATIENCE = 15_000
"""Milliseconds after which what was waited for will not come."""

browser = chromium.browser
expect = chromium.playwright.expect

REFUSED = "Failed to load resource"
"""What Chromium itself writes to the console when a request fails."""

TEXT = "Jeff Bezos 😀 left New York with the 👩‍👩‍👧 fam .\nSa\u0303o Paulo is big ."

# Each entity's text and type as they stand in the page, and where it begins in the text, in code points.
MARKS = """() => [...document.querySelectorAll("#marked .entity[role]")].map((mark) => {
    const before = new Range();
    before.setStart(document.getElementById("marked"), 0);
    before.setEndBefore(mark);
    return [[...before.toString()].length, mark.textContent, mark.dataset.type];
})"""


class Mark(NamedTuple):
    """An entity, as the page marks it."""

    start: int
    text: str
    label: str


class Running:
    """A service on a port of its own, in a thread; `seen` is what came in, but for the bodies."""

    def __init__(self, bundles: Sequence[Path | str], settings: Settings | None = None) -> None:
        self.bundles = bundles
        self.settings = settings
        self.port = 0
        self.seen: list[str] = []
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Start, on the port that it had before, if any."""
        self._silence = os.open(os.devnull, os.O_WRONLY)
        self._log = JsonLog(self._silence)
        app = create_app(list(self.bundles), self.settings, log=self._log)

        async def noted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.seen.append(f"{scope['raw_path']} {scope['query_string']} {scope['headers']}")
            await app(scope, receive, send)

        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            noted, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2
        )
        self._server = uvicorn.Server(config)
        ready = threading.Event()

        async def serve() -> None:
            running = asyncio.create_task(self._server.serve([listening]))
            while not self._server.started:
                await asyncio.sleep(0.005)
            await app.state.service.wait_ready()
            ready.set()
            await running

        self._thread = threading.Thread(target=asyncio.run, args=(serve(),))
        self._thread.start()
        assert ready.wait(30)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._log.close()
        os.close(self._silence)


class Visit:
    """A page that was opened, and everything that went wrong on it or left it."""

    def __init__(self, page: Any, address: str, allowed: str | None) -> None:
        self.page = page
        self.address = address
        self.allowed = allowed
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        page.set_default_timeout(PATIENCE)

    def settle(self, text: str | None = None) -> None:
        """Wait until the page has shown the answer to a text, or to what stands in its field."""
        self.page.wait_for_function(
            """(text) => document.getElementById("marked").textContent === (text ??
            document.getElementById("text").value) &&
            document.getElementById("result").getAttribute("aria-busy") === "false" """,
            arg=text,
        )

    def tag(self, text: str) -> None:
        """Put a text into the field, as pasting does, and wait for its entities."""
        self.page.locator("#text").fill(text)
        self.page.locator("#text").press("Control+Enter")
        self.settle(text)

    def marks(self) -> list[Mark]:
        return [Mark(*mark) for mark in self.page.evaluate(MARKS)]

    def shown(self) -> str:
        return str(self.page.evaluate("document.getElementById('marked').textContent"))

    def alert(self) -> str:
        return str(self.page.locator("#alert").inner_text())

    def wait_for_alert(self, part: str) -> None:
        self.page.wait_for_function(
            "part => document.getElementById('alert').innerText.includes(part)", arg=part
        )

    def answer_with(self, *entities: dict[str, Any], **more: Any) -> None:
        """Have the model's answers replaced by these entities; `more` goes into the result."""

        def answer(route: Any) -> None:
            result = {"entities": list(entities), "words": 1, "tokens": ["x"], "tags": ["O"]} | more
            route.fulfill(json={"model": "tiny", "results": [result]})

        self.page.route("**/v1/entities", answer)

    def refuse_with(
        self, status: int, body: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        """Have requests for entities refused."""
        self.page.route(
            "**/v1/entities",
            lambda route: route.fulfill(status=status, body=body or "", headers=headers or {}),
        )


def entity(text: str, part: str, label: str = "person", score: float = 0.9) -> dict[str, Any]:
    """Return the entity that an answer would hold for the first place of a part of a text."""
    start = text.index(part)
    place = {"start": start, "end": start + len(part), "word_start": 0, "word_end": 1}
    return {"label": label, "text": part, "score": score, **place}


def entities_of(service: Running, text: str) -> list[dict[str, Any]]:
    """Ask the service itself."""
    request = urllib.request.Request(
        service.address + "v1/entities",
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["results"][0]["entities"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: Any) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def service(bundle: Path) -> Iterator[Running]:
    running = Running([bundle])
    yield running
    running.stop()


@pytest.fixture
def serve(bundle: Path) -> Iterator[Any]:
    """Start services with settings of their own; they are stopped in the end."""
    started: list[Running] = []

    def start(*bundles: Path | str, **limits: Any) -> Running:
        started.append(Running(bundles or [bundle], Settings(**limits)))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def visit(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Open the page; in the end nothing was complained of, and nothing but the service was asked."""
    opened: list[Visit] = []

    def open_it(
        fragment: str = "",
        *,
        at: Running | None = None,
        go: bool = True,
        allowed: str | None = None,
        **settings: Any,
    ) -> Visit:
        address = (at or request.getfixturevalue("service")).address
        context = browser.new_context(**({"viewport": DESKTOP, "reduced_motion": "reduce"} | settings))
        opened.append(Visit(context.new_page(), address, allowed))
        if go:
            opened[-1].page.goto(address + fragment)
            opened[-1].page.locator("#examples button").last.wait_for()
        return opened[-1]

    yield open_it
    for one in opened:
        allowed = one.allowed
        assert [said for said in one.complaints if allowed is None or not said.startswith(allowed)] == []
        assert [url for url in one.requests if not url.startswith(one.address)] == []
        one.page.context.close()
