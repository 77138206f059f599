"""What the benchmarks of the service share: starting and stopping services, loading them, checking their answers."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
HOST = "127.0.0.1"
STARTING = 120.0
"""Seconds that a service is given until its first answer."""
NEAR = 0.01
"""Tags whose log-probabilities, a word, differ by less in the reference's own eyes are near-ties."""

Spans = tuple[tuple[int, int, str], ...]


class Service(NamedTuple):
    """A way to serve: its name in the table, its command but for the port, and where it takes texts."""

    name: str
    command: tuple[str, ...]
    path: str
    bundle: Path
    ours: bool


def tagwright_service(bundle: Path, *options: str, name: str | None = None) -> Service:
    command = (sys.executable, "-m", "tagwright", "serve", str(bundle), *options)
    return Service(name or f"`tagwright serve`, {bundle.name}", command, "/v1/entities", bundle, True)


def direct_service(bundle: Path, style: str, threads: int | None, dtype: str = "float32") -> Service:
    command = [sys.executable, str(HERE / "serve_direct.py"), str(bundle), "--style", style, "--dtype", dtype]
    many = "own threads" if threads is None else f"{threads} thread{'s' * (threads > 1)}"
    if threads is not None:
        command += ["--threads", str(threads)]
    name = f"FastAPI + `pipeline` ({style}, {many}{', ' + dtype if dtype != 'float32' else ''})"
    return Service(name, tuple(command), "/ner", bundle, False)


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def post(port: int, path: str, body: Any, timeout: float = 60) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Running:
    """A service that runs, in a process group of its own."""

    def __init__(self, service: Service, *, port: int | None = None, log: Path | None = None) -> None:
        self.service = service
        self.port = port or free_port()
        self.log = log or Path(tempfile.mkstemp(suffix=".log")[1])
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
        environment.pop("OMP_NUM_THREADS", None)  # each service takes what it takes where nobody says
        begin = time.perf_counter()
        with self.log.open("ab") as log_file:
            self.process = subprocess.Popen(
                [*service.command, "--port", str(self.port)],
                stdout=log_file,
                stderr=log_file,
                env=environment,
                start_new_session=True,
            )
        while True:
            if self.process.poll() is not None or time.perf_counter() - begin > STARTING:
                self.kill()
                raise SystemExit(f"{service.name} does not start: {self.log.read_text()[-2000:]}")
            with suppress(OSError, http.client.HTTPException):
                if post(self.port, service.path, {"text": "a"})[0] == 200:
                    break
            time.sleep(0.05)
        self.started = time.perf_counter() - begin

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> tuple[int | None, float]:
        """End it as a supervisor does; return its exit code, None where it had to be killed, and the seconds taken."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        begin = time.perf_counter()
        try:
            code: int | None = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            code = None
        return code, time.perf_counter() - begin

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def resident_mb(self) -> float:
        """Resident memory in MB of 2**20 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Client:
    """A load on a running service, in its own process; see serve_client.py."""

    def __init__(self, running: Running, texts: Sequence[str], connections: int, **job: Any) -> None:
        self.running = running
        self.folder = tempfile.TemporaryDirectory()
        files = [Path(self.folder.name) / name for name in ("job.json", "result.json")]
        self.result_file = files[1]
        given = {"host": HOST, "port": running.port, "path": running.service.path, "texts": list(texts)}
        files[0].write_text(json.dumps({**given, "connections": connections, **job}), encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "serve_client.py"), *map(str, files)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "counting\n":
            raise SystemExit("the client failed")

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        code = self.process.wait(timeout)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if code:
            raise SystemExit("the client failed")
        found: dict[str, Any] = json.loads(self.result_file.read_text(encoding="utf-8"))
        self.folder.cleanup()
        return found


def load(running: Running, texts: Sequence[str], connections: int, **job: Any) -> dict[str, Any]:
    """Load a service, and add what the service itself took of one core."""
    client = Client(running, texts, connections, **job)
    before = running.cpu_seconds()
    result = client.result()
    result["server_cpu"] = (running.cpu_seconds() - before) / result["seconds"]
    return result


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else float("nan")


def percentiles(values: Iterable[float]) -> str:
    """p50 / p95 / p99."""
    ranked = sorted(values)
    return " / ".join(f"{percentile(ranked, share):,.1f}" for share in (0.5, 0.95, 0.99))


def sentences_of(data: str, split: str = "test") -> list[str]:
    """The sentences of a split, their words joined by blanks."""
    import tagwright as tw

    return [" ".join(words) for words in tw.load_data(data)[split]["tokens"][:]]


def document_of(data: str, words: int) -> str:
    """One text of so many words: the sentences of all splits, repeated."""
    import tagwright as tw

    found = [word for split in tw.load_data(data).values() for row in split["tokens"][:] for word in row]
    return " ".join((found * (words // len(found) + 1))[:words])


def spans_of(body: str) -> Spans:
    """The entities that our service answered for one text."""
    [result] = json.loads(body)["results"]
    return tuple((entity["start"], entity["end"], entity["label"]) for entity in result["entities"])


class Reference:
    """`Tagger.predict`'s entities of some texts, by the runtime that a service uses.

    Args:
        bundle: the bundle that is served.
        texts: the texts.
    """

    def __init__(self, bundle: Path, texts: Sequence[str]) -> None:
        from tagwright import Tagger

        self.tagger = Tagger.load(bundle)
        self.predictions = self.tagger.predict(texts)
        self.spans: list[Spans] = [
            tuple((entity.start, entity.end, entity.label) for entity in prediction.entities)
            for prediction in self.predictions
        ]
        self.precision = f"{self.tagger.runtime.name} {self.tagger.runtime.precision}"

    def near_tie(self, text: int, body: str) -> bool:
        """Whether the tagger itself holds the tags of a differing answer for as good as its own."""
        from math import log

        prediction = self.predictions[text]
        words = list(prediction.words)
        tags = ["O"] * len(words)
        [result] = json.loads(body)["results"]
        for entity in result["entities"]:
            for word in range(entity["word_start"], entity["word_end"]):
                tags[word] = f"{'B' if word == entity['word_start'] else 'I'}-{entity['label']}"
        gap, differing = 0.0, 0
        rows = self.tagger.probabilities(words)
        for own, other, row in zip(prediction.tags, tags, rows, strict=True):
            if own != other:
                gap += log(max(row[own], 1e-30)) - log(max(row.get(other, 0.0), 1e-30))
                differing += 1
        return differing > 0 and gap <= NEAR * differing

    def differing(self, result: dict[str, Any]) -> tuple[int, int, int]:
        """How many answers of a load were checked, how many differ, and how many of those are near-ties."""
        checked = differing = near = 0
        for text, bodies in result["answers"].items():
            for body, count in bodies:
                try:
                    found: Spans | None = spans_of(body)
                except (ValueError, KeyError):
                    continue  # counted by its status
                checked += count
                if found != self.spans[int(text)]:
                    differing += count
                    near += count * self.near_tie(int(text), body)
        return checked, differing, near


def heading(*packages: str) -> str:
    """The date, the machine, the versions and the command, for the head of a table."""
    model = next(
        (line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    named = ("tagwright", "uvicorn", "fastapi", "onnxruntime", "openvino", "torch", "transformers", *packages)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in named if _installed(name))
    python = sys.version.split()[0]
    return (
        f"{date.today()}  {os.cpu_count()} CPUs ({model})  Python {python}, {versions}\n"
        f"`{shlex.join(['python', *sys.argv])}`\n"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def parser_of(description: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
