"""Services for tests: real apps with real engines and tiny models, with or without a socket before them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")
pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")

from tagwright.predict.tagger import Tagger  # noqa: E402
from tagwright.serve.app import create_app  # noqa: E402
from tagwright.serve.logs import JsonLog  # noqa: E402
from tagwright.serve.models import Bundle  # noqa: E402
from tagwright.serve.server import Server, listen_at  # noqa: E402
from tagwright.serve.settings import Settings  # noqa: E402
from tests.serve.engines import BOUND, Watched, watched  # noqa: E402

TEXT = "Jeff Bezos bought the Post in New York ."
LINES = "application/x-ndjson"


class WatchedBundle(Bundle):
    """A bundle whose model can be held up."""

    def load(self) -> Tagger:
        return watched(self.folder)


class Running:
    """A service in an event loop of its own thread.

    Attributes:
        app: the app.
        service: its state.
        port: where it listens; 0 where it has no socket.
        taggers: what answers, by name, once it is ready.
    """

    def __init__(self, *bundles: Any, sockets: bool = False, wait: bool = True, **limits: Any) -> None:
        self._log_file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._log = JsonLog(self._log_file.fileno())
        self.settings = Settings(**limits)
        self.app = create_app(bundles, self.settings, log=self._log)
        self.service = self.app.state.service
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._listener: socket.socket | None = listen_at("127.0.0.1", 0) if sockets else None
        self.port = self._listener.getsockname()[1] if self._listener else 0
        self.server = Server(self.app) if sockets else None
        self._loop = self.server.config.get_loop_factory()() if self.server else asyncio.new_event_loop()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(BOUND)
        if wait:
            self.do(self.service.wait_ready())

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self.error = error
        finally:
            self._loop.close()
            self._started.set()

    async def _serve(self) -> None:
        if self.server is not None:
            task = asyncio.create_task(self.server.serve([self._listener]))
            while not self.server.started and not task.done():
                await asyncio.sleep(0.001)
            self._started.set()
            await task
            return
        async with self.app.router.lifespan_context(self.app):
            self._started.set()
            await self._stopping.wait()

    def do(self, work: Any) -> Any:
        """Run a coroutine in the service's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(BOUND)

    def begin(self, work: Any) -> Any:
        """Start a coroutine in the service's loop; return its future."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _request(self, method: str, path: str, **values: Any) -> Any:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, **values)

    def request(self, method: str, path: str, **values: Any) -> Any:
        """Ask without a socket; see `httpx.request`."""
        return self.do(self._request(method, path, **values))

    def start_request(self, method: str, path: str, **values: Any) -> Any:
        """Begin to ask; return the answer's future."""
        return self.begin(self._request(method, path, **values))

    def get(self, path: str, **values: Any) -> Any:
        return self.request("GET", path, **values)

    def ask(self, content: Any = None, *, query: str = "", **values: Any) -> Any:
        """POST to /v1/entities: an object as JSON, bytes as they are."""
        if not isinstance(content, bytes | str):
            content = json.dumps(content)
        values.setdefault("headers", {"content-type": "application/json"})
        return self.request("POST", f"/v1/entities{query}", content=content, **values)

    def stream(self, content: bytes | str, *, query: str = "") -> list[dict[str, Any]]:
        """POST JSON lines; return the lines of the answer."""
        answer = self.ask(content, query=query, headers={"content-type": LINES})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == LINES
        return [json.loads(line) for line in answer.text.splitlines()]

    def runtime(self, model: int = 0) -> Watched:
        """Return the watched runtime of a model."""
        tagger = self.service.models[model].tagger
        assert tagger is not None
        assert isinstance(tagger.runtime, Watched)
        return tagger.runtime

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), BOUND)

    def log(self) -> list[dict[str, Any]]:
        """Return the lines of the log so far."""
        assert self._log.flush(BOUND)
        size = os.fstat(self._log_file.fileno()).st_size
        return [json.loads(line) for line in os.pread(self._log_file.fileno(), size, 0).splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the log's lines of requests."""
        return [line for line in self.log() if line["event"] == "request"]

    def counts(self) -> dict[str, float]:
        """Return the counters, by name and labels."""
        text = self.get("/metrics").text
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in rows}

    def stop(self) -> None:
        """Tell the service to stop."""
        self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self.service.stop()
        self._stopping.set()
        if self.server is not None:
            self.server.should_exit = True

    def close(self) -> None:
        """Stop the service and wait for its end."""
        for served in self.service.models:
            if served.tagger is not None and isinstance(served.tagger.runtime, Watched):
                served.tagger.runtime.gate.set()
        if self._thread.is_alive():
            self.stop()
        self._thread.join(BOUND)
        assert not self._thread.is_alive()
        self._log.close()
        self._log_file.close()
        if self._listener is not None:
            self._listener.close()


@contextmanager
def running(*bundles: Any, **values: Any) -> Iterator[Running]:
    """Run a service; see `Running`."""
    service = Running(*bundles, **values)
    try:
        yield service
    finally:
        service.close()


def wait_for(true: Callable[[], Any]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end, "what was waited for does not come"
        time.sleep(0.002)


def head(
    path: str = "/v1/entities", method: str = "POST", kind: str = "application/json", **more: Any
) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: service", f"Content-Type: {kind}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(body: bytes, **more: Any) -> bytes:
    """Return a whole request."""
    return head(Content_Length=len(body), **more) + body


class Response:
    """What came back on a connection."""

    def __init__(self, connection: socket.socket, *, method: str = "POST") -> None:
        file = connection.makefile("rb")
        status = file.readline()
        assert status.startswith(b"HTTP/1.1 "), status
        self.status = int(status.split()[1])
        if self.status == 100:
            assert file.readline() == b"\r\n"
            status = file.readline()
            self.status = int(status.split()[1])
        self.headers: dict[str, str] = {}
        while (line := file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        self.body = file.read(int(self.headers.get("content-length", 0))) if method != "HEAD" else b""

    def json(self) -> Any:
        return json.loads(self.body)


def folder_of(path: Path, **values: Any) -> WatchedBundle:
    """Read a bundle whose model can be held up."""
    return WatchedBundle.read(path, **values)
