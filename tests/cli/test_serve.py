"""`tagwright serve`: what it refuses before it starts, and one run from start to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.models import tiny_bundle

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

COMMAND = "serve"
BOUND = 120.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch):
    monkeypatch.delenv("TAGWRIGHT_API_KEY", raising=False)


class Process:
    """A running `tagwright serve`.

    Attributes:
        lines: what stood on stderr so far.
    """

    def __init__(self, *arguments: object, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tagwright", "serve", *map(str, arguments), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait_for(self, event: str) -> dict:
        """Wait for an event of the log."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.events(event), BOUND), self.lines
        return self.events(event)[0]

    def events(self, name: str) -> list[dict]:
        found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in found if line["event"] == name]

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what stood on stdout."""
        code = self._process.wait(BOUND)
        self._reader.join(BOUND)
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        self._process.stdout.close()
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code, out


@pytest.fixture
def start():
    """Start the command; what is left of it is killed."""
    started: list[Process] = []

    def start(*arguments, **environment) -> Process:
        started.append(Process(*arguments, **environment))
        return started[-1]

    yield start
    for process in started:
        if process._process.poll() is None:
            process.send(signal.SIGKILL)
            process.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_it_answers_until_it_is_told_to_stop(bundle, start, number):
    process = start(f"names={bundle}", bundle, "--max-texts", "2", TAGWRIGHT_API_KEY="a-key")
    url = process.wait_for("listening")["url"]
    with httpx.Client(base_url=url, headers={"x-api-key": "a-key"}, timeout=BOUND) as client:
        assert client.get("/health/live").json() == {"status": "ok"}  # at once, before the model is loaded
        assert process.wait_for("ready")["url"] == url
        assert client.get("/health/ready").status_code == 200
        answer = client.post("/v1/entities", json={"text": "Jeff Bezos left"}).json()
        assert (answer["model"], answer["results"][0]["words"]) == ("names", 3)
        assert client.post("/v1/entities", json={"texts": ["a"] * 3}).status_code == 422
        assert client.post("/v1/entities", json={"text": "a"}, headers={"x-api-key": "b"}).status_code == 401
        process.send(number)
        assert process.wait_for("stopping")["signal"] == number.name
        assert process.end() == (0, "")
    assert all(line.startswith("{") for line in process.lines), process.lines
    assert len(process.events("stopped")) == 1
    assert "Jeff" not in "".join(process.lines)
    assert "a-key" not in "".join(process.lines)


@pytest.mark.long
def test_a_stop_while_the_model_is_being_loaded_is_a_stop(bundle, start):
    process = start(bundle)
    process.wait_for("listening")
    process.send(signal.SIGTERM)
    assert process.end() == (0, "")


@pytest.mark.long
def test_a_second_signal_ends_it_at_once(bundle, start):
    process = start(bundle, "--grace", "1000")
    url = process.wait_for("ready")["url"]
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /v1/entities HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        )
        process.send(signal.SIGTERM)
        process.wait_for("stopping")
        process.send(signal.SIGTERM)
        assert process.end()[0] == -signal.SIGTERM


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--runtime", "onnx"], "the bundle holds weights, which run on torch, not on onnx"),
        (["--precision", "int8"], "torch does not compute a bundle with weights in int8"),
    ],
)
def test_what_the_bundle_was_not_made_for_ends_it_with_one_line(call, bundle, flags, message):
    code, out, err = call(bundle, "--port", 0, *flags)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("tagwright: error: ")
    assert message in last


@pytest.mark.long
def test_weights_that_cannot_be_loaded_end_it_with_one_line(tmp_path, start):
    folder = tiny_bundle(tmp_path / "tiny")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\0" * weights.stat().st_size)
    process = start(folder)
    assert process.end() == (2, "")
    assert process.lines[-1].startswith("tagwright: error: ")
    assert "model cannot be loaded" in process.lines[-1]
    assert not any("Traceback" in line for line in process.lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["{bundle}", "{bundle}"], "two bundles are called 'tiny'"),
        (["{bundle}", "--runtime", "abacus"], "'--runtime'"),
        (["{bundle}", "--api-key-file", "{empty}"], "there is no key in it; write one key a line"),
        (["{bundle}", "--api-key-file", "nowhere"], "No such file"),
        (["{bundle}", "--port", "{taken}"], "cannot be listened at"),
        (["{bundle}", "--port", "99999"], "port 99999"),
        (["{bundle}", "--host", "no.such.host.invalid"], "--host"),
        (["{bundle}", "--max-body", "0"], "max_body is 0"),
        (["{bundle}", "--timeout", "nan"], "timeout is nan"),
        (["{bundle}", "--cors", "page.example"], "https://page.example"),
        ([], "BUNDLE"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_2(call, bundle, tmp_path, arguments, message):
    empty = tmp_path / "empty"
    empty.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"bundle": bundle, "empty": empty, "taken": taken.getsockname()[1]}
        code, out, err = call(*(argument.format(**values) for argument in arguments))
    assert (code, out) == (2, "")
    assert err.startswith("tagwright: error: ")
    assert err.count("\n") == 1
    assert message in err


def test_an_empty_key_in_the_environment_is_refused(call, bundle, monkeypatch):
    monkeypatch.setenv("TAGWRIGHT_API_KEY", "")
    assert call(bundle)[::2] == (
        2,
        "tagwright: error: TAGWRIGHT_API_KEY is empty; set it to a key, or unset it\n",
    )


def test_a_missing_extra_is_named(call, bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, _, err = call(bundle)
    assert (code, err) == (2, "tagwright: error: fastapi is not installed; pip install 'tagwright[serve]'\n")


def test_an_address_that_others_reach_without_a_key_is_warned_of(bundle, start):
    process = start(bundle, "--host", "0.0.0.0")
    warning = process.wait_for("open_to_all")
    assert warning["level"] == "warning"
    assert "no key is set" in warning["message"]
    process.wait_for("listening")
