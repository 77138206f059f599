"""docs/deploy.md and the files in deploy keep to the service: options, limits, counters; nginx and systemd agree."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from tagwright.cli.main import app
from tests.models import TEXT, tiny_bundle

pytest.importorskip(
    "prometheus_client", reason="the service is not installed: pip install 'tagwright[serve]'"
)

import httpx

from tagwright.serve.metrics import Metrics
from tagwright.serve.protocol import MAX_HEAD
from tagwright.serve.requests import LONGEST_WORD
from tagwright.serve.settings import Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
UNIT = (DEPLOY / "tagwright@.service").read_text(encoding="utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
NGINX = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
LIMITS = Settings()

PORT = 8000


def needs(program: str) -> Any:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def parse(words: list[str]) -> dict[str, Any]:
    """Read the words of a call of `tagwright serve` and return its parameters."""
    group = typer.main.get_command(app)
    _, command, rest = group.resolve_command(None, words)  # type: ignore[attr-defined]
    return dict(command.make_context("serve", rest).params)


def setting(name: str) -> str:
    [value] = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def seconds_in_nginx(name: str) -> int:
    """The value of a directive where it stands first."""
    found = re.search(rf"^\s*{name} (\d+)s;", NGINX, re.MULTILINE)
    assert found is not None
    return int(found[1])


def directives(name: str) -> list[list[str]]:
    """The words of every instruction of the Containerfile of that name."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", CONTAINER, flags=re.MULTILINE))
    return [line.split(maxsplit=1)[1:] for line in joined.splitlines() if line.startswith(f"{name} ")]


def listed(instruction: str) -> list[str]:
    words = json.loads(instruction)  # the exec form is JSON
    assert all(isinstance(word, str) for word in words)
    return list(words)


class TestUnit:
    def test_it_starts_the_service_by_a_call_that_works(self, tmp_path):
        line = (
            setting("ExecStart").replace("$BUNDLES", "a=/srv/a b=/srv/b").replace("$OPTIONS", "--max-queue 9")
        )
        program, *words = shlex.split(
            line.replace("%i", "8001").replace("${CREDENTIALS_DIRECTORY}", str(tmp_path))
        )

        given = parse(words)

        assert program.endswith("/bin/tagwright")
        assert given["bundles"] == ["a=/srv/a", "b=/srv/b"]
        assert (given["port"], given["max_queue"]) == (8001, 9)
        assert given["api_key_file"] == tmp_path / "api-keys"
        assert "LoadCredential=api-keys:" in UNIT

    def test_it_waits_longer_than_the_grace_period(self):
        assert int(setting("TimeoutStopSec")) > LIMITS.grace

    def test_it_waits_until_the_service_is_ready_and_not_for_one_that_died(self):
        with answering([503, 200]) as (port, asked):
            assert self.wait(port, os.getpid()) == 0
            assert len(asked) == 2
        ended = subprocess.Popen(["true"])
        ended.wait()
        assert self.wait(port, ended.pid) == 1

    def wait(self, port: int, pid: int) -> int:
        shell, flag, script = shlex.split(setting("ExecStartPost"))
        script = (
            script.replace("%i", str(port))
            .replace("$$", "$")
            .replace("/opt/tagwright/bin/python", sys.executable)
        )
        return subprocess.run([shell, flag, script], env={"MAINPID": str(pid)}, timeout=60).returncode

    @needs("systemd-analyze")
    def test_systemd_understands_it(self, tmp_path):
        programs = {"/opt/tagwright/bin/tagwright": "/bin/true", "/opt/tagwright/bin/python": "/bin/true"}
        text = UNIT
        for program, there in programs.items():
            text = text.replace(program, there)
        unit = tmp_path / "tagwright@8001.service"
        unit.write_text(text, encoding="utf-8")

        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
        )

        if done.returncode and "runtime" in done.stderr.lower():
            pytest.skip("systemd-analyze does not run here")
        assert (done.returncode, done.stderr) == (0, "")


class TestContainerfile:
    def test_it_starts_the_service_without_a_shell(self):
        [[entry]], [[command]] = directives("ENTRYPOINT"), directives("CMD")
        program, *words = [*listed(entry), *listed(command)]

        given = parse(words)

        assert program == "tagwright"
        assert (given["host"], given["port"]) == ("0.0.0.0", PORT)
        assert directives("EXPOSE") == [[str(PORT)]]
        assert directives("STOPSIGNAL") == [["SIGTERM"]]

    def test_nobody_in_it_is_root_and_nothing_is_there_that_is_not_needed(self):
        [[user]] = directives("USER")
        assert int(user.partition(":")[0]) > 0
        [[install]] = [words for words in directives("RUN") if "pip install" in words[0]]
        [extras] = re.findall(r"'\.\[(.*?)\]'", install)
        known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        assert set(extras.split(",")) <= set(known)
        assert not any("torch" in each for extra in extras.split(",") for each in known[extra])
        for [copied] in directives("COPY"):
            if not copied.startswith("--from"):
                assert all((ROOT / name).exists() for name in copied.split()[:-1])

    @pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (None, 1)])
    def test_its_health_check_tells_ready_from_not_ready_and_gone(self, status, code):
        [[check]] = directives("HEALTHCHECK")
        program, *words = listed(check.partition("CMD ")[2])
        assert program == "python"
        with answering([status or 200]) as (port, _):
            call = [sys.executable, *(word.replace(f":{PORT}", f":{port}") for word in words)]
            if status:
                assert subprocess.run(call, stderr=subprocess.DEVNULL, timeout=60).returncode == code
        if not status:
            assert subprocess.run(call, stderr=subprocess.DEVNULL, timeout=60).returncode == code


class TestNginx:
    def test_its_limits_are_the_services(self):
        assert f"client_max_body_size {LIMITS.max_body >> 20}m;" in NGINX
        assert LIMITS.max_body % (1 << 20) == 0
        assert seconds_in_nginx("proxy_read_timeout") > LIMITS.timeout
        assert seconds_in_nginx("keepalive_timeout") < LIMITS.keep_alive
        assert MAX_HEAD >= 4 * 8192 + 1024  # what nginx takes at most, with the headers that it adds

    @needs("nginx")
    def test_nginx_understands_it(self, tmp_path):
        configuration = configured(tmp_path, [8001, 8002], 8443, 8080)
        done = subprocess.run(
            ["nginx", "-t", "-e", "stderr", "-c", str(configuration)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert "[warn]" not in done.stderr.replace('the "user" directive makes sense only', "")


class TestPage:
    def test_counters_that_are_named_exist(self):
        metrics = Metrics()
        text = metrics.text().decode()
        known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
        named = set(re.findall(r"\btagwright_[a-z_]+\b", PAGE)) - {"tagwright_request_id"}
        assert named
        for name in named:
            assert name in known or name.removesuffix("_bucket") in known, name

    def test_the_table_of_limits_tells_the_defaults(self):
        rows = dict(re.findall(r"^\| `--([a-z-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))
        told = {
            "max-body": f"{LIMITS.max_body >> 20} MiB",
            "max-held": f"{LIMITS.max_held >> 20} MiB",
            "max-texts": f"{LIMITS.max_texts:,}",
            "max-words": f"{LIMITS.max_words:,}",
            "max-queue": f"{LIMITS.max_queue:,}",
            "timeout": f"{LIMITS.timeout:g} s",
            "grace": f"{LIMITS.grace:g} s",
        }
        assert rows == told
        assert f"| head and body | {LIMITS.head_timeout:g} s |" in PAGE
        assert f"| a word | {LONGEST_WORD:,} characters |" in PAGE
        assert f"({LIMITS.max_body:,} bytes)" in PAGE
        assert f"service's {LIMITS.keep_alive:g} s" in PAGE


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses that the server was given, the last one over and over."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.path)
        self.send_response(server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(statuses: list[int]) -> Iterator[tuple[int, list[str]]]:
    """Run a server that answers with some statuses; gives its port and the paths that were asked."""
    server: Any = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.statuses, server.asked = statuses, []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, server.asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configured(folder: Path, upstream: list[int], secure: int, plain: int) -> Path:
    """Write nginx' configuration for other ports, with a certificate made here and without a limit of the rate."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    text = NGINX
    for old, new in {
        "127.0.0.1:8001": f"127.0.0.1:{upstream[0]}",
        "127.0.0.1:8002": f"127.0.0.1:{upstream[1]}",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;\n    listen 127.0.0.1:{plain};",
        "    listen [::]:443 ssl http2;\n": "",
        "/etc/ssl/tagger.example.org.pem": str(certificate),
        "/etc/ssl/private/tagger.example.org.key": str(key),
        "rate=50r/s": "rate=100000r/s",
    }.items():
        assert old in text
        text = text.replace(old, new)
    paths = "".join(
        f"{each}_temp_path {folder}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""  # its workers have to read this folder
    head = f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
    path.write_text(f"{head}{text}}}\n", encoding="utf-8")
    return path


@pytest.mark.long
@needs("nginx")
def test_nothing_is_lost_behind_nginx_while_processes_restart(load_benchmark, tmp_path):
    """Two processes, a load through nginx, and each process ended and started anew."""
    serving = load_benchmark("serving")
    service = serving.tagwright_service(tiny_bundle(tmp_path / "tiny"))
    processes = [serving.Running(service, log=tmp_path / f"{number}.log") for number in range(2)]
    secure, plain = serving.free_port(), serving.free_port()
    configuration = configured(tmp_path, [each.port for each in processes], secure, plain)
    with (tmp_path / "nginx.log").open("w") as log:
        nginx = subprocess.Popen(["nginx", "-e", "stderr", "-c", str(configuration)], stderr=log)
    try:
        check_answers(secure)
        check_stream(plain)

        front = SimpleNamespace(service=service, port=plain)
        client = serving.Client(front, [TEXT, "a storm in New York"], 8, seconds=600, patience=30)
        for number, process in enumerate(processes):
            assert process.stop()[0] == 0
            processes[number] = serving.Running(service, port=process.port, log=process.log)
        client.process.terminate()
        found = client.result(60)

        assert found["statuses"].keys() == {"200"}
        assert found["lost"] == found["refused"] == 0
    finally:
        nginx.terminate()
        nginx.wait(30)
        for process in processes:
            process.stop()


def check_answers(port: int) -> None:
    """What comes through nginx by TLS."""
    with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False, timeout=30) as caller:
        for _ in range(100):
            try:
                caller.get("/health/ready")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        answered = caller.post("/v1/entities", json={"text": TEXT}, headers={"X-Request-ID": "mine.1"})
        assert answered.status_code == 200
        assert answered.headers.get_list("X-Request-ID") == ["mine.1"]
        odd = caller.post("/v1/entities", json={"text": 5}, headers={"X-Request-ID": "not mine"})
        assert (odd.status_code, odd.json()["request_id"]) == (422, odd.headers["X-Request-ID"])
        assert odd.headers["X-Request-ID"] != "not mine"
        assert caller.get("/").status_code == 200
        assert caller.get("/metrics").status_code == 404
        assert caller.get("/v1/entities/stream").status_code == 404
        assert caller.post("/v1/entities", content=b"a" * (LIMITS.max_body + 1)).status_code == 413


def check_stream(port: int) -> None:
    """Each line is answered before the next one is sent."""
    head = "POST /v1/entities?min_score=0.1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
        caller.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        received = b""
        for number in range(1, 4):
            line = json.dumps({"text": TEXT}).encode() + b"\n"
            caller.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            while b'{"line":%d,' % number not in received:
                piece = caller.recv(1 << 16)
                assert piece, received
                received += piece
        caller.sendall(b"0\r\n\r\n")
