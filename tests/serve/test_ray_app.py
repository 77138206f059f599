"""The app in Ray Serve: what needs no cluster here; two replicas on one machine are long."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tagwright.errors import InputError
from tests.models import TEXT, tiny_bundle

pytest.importorskip("fastapi", reason="the service is not installed: pip install 'tagwright[serve]'")

import httpx

from tagwright import Tagger
from tagwright.serve.app import create_app
from tagwright.serve.ray_app import SPARE, _Replica, build, ray_app
from tagwright.serve.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own
TEXTS = [TEXT, "Jeff Bezos bought the Post", "nothing here", "é 👩‍🚀 in New York", ""]
needs_ray = pytest.mark.skipif(
    not any(Path(path, "ray").is_dir() for path in sys.path),
    reason="Ray is not installed: pip install 'tagwright[scale]'",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


def expected(bundle: Path) -> list[list[dict[str, Any]]]:
    tagger = Tagger.load(bundle, precision="fp32")
    return [
        [{**entity.to_dict(), "score": None} for entity in found.entities] for found in tagger.predict(TEXTS)
    ]


def entities(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**entity, "score": None} for entity in result["entities"]]


async def lifespan_of(app: Any, during: Any) -> list[str]:
    """Begin an app, await `during()`, and end it; return the types of what it said."""
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    begun = await told.get()
    if begun["type"] == "lifespan.startup.complete":
        await during()
    await asked.put({"type": "lifespan.shutdown"})
    ended = await told.get()
    await task
    return [begun["type"], ended["type"]]


def test_a_replica_is_up_once_its_model_answers_and_ends_its_engine(bundle):
    app = create_app([bundle], precision="fp32")
    replica = _Replica(app)

    async def during() -> None:
        replica.service.check_ready()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(replica), base_url="http://x") as client:
            answered = await client.post(
                "/v1/entities", json={"texts": TEXTS}, headers={"X-Request-ID": "mine"}
            )
        assert [entities(result) for result in answered.json()["results"]] == expected(bundle)
        assert "x-request-id" not in answered.headers  # Ray's proxy sets it

    said = asyncio.run(lifespan_of(replica, during))

    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert replica.service.stopping


def test_a_replica_whose_model_cannot_be_loaded_does_not_come_up(bundle, tmp_path):
    broken = tiny_bundle(tmp_path / "broken")
    weights = broken / "model.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))  # of the right size, so that only loading finds it out

    said = asyncio.run(lifespan_of(_Replica(create_app([broken])), None))

    assert said[0] == "lifespan.startup.failed"


@needs_ray
def test_the_limits_of_ray_follow_the_settings(bundle):
    application = ray_app([bundle], Settings(max_queue=10, grace=3), replicas=2, cpus=0.5)

    made = application._bound_deployment
    assert made.num_replicas == 2
    assert made.ray_actor_options["num_cpus"] == 0.5
    assert made.max_ongoing_requests == 10 + SPARE
    assert made.max_queued_requests == 10
    assert made.func_or_class is not None
    assert 3 < made._deployment_config.graceful_shutdown_timeout_s < 30


@needs_ray
def test_words_of_the_command_line_are_read(bundle):
    made = build(
        {
            "bundle": f"a={bundle},b={bundle}",
            "replicas": "3",
            "cpus": "2",
            "max_queue": "7",
            "log_texts": "true",
        }
    )

    assert made._bound_deployment.num_replicas == 3
    assert made._bound_deployment.max_ongoing_requests == 2 * 7 + SPARE


@needs_ray
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "bundle"),
        ({"bundle": "BUNDLE", "replica": "2"}, "replica"),
        ({"bundle": "BUNDLE", "replicas": "two"}, "replicas"),
        ({"bundle": "BUNDLE", "replicas": "0"}, "replicas"),
        ({"bundle": "BUNDLE", "cpus": "0"}, "cpus"),
        ({"bundle": "BUNDLE", "timeout": "soon"}, "timeout"),
        ({"bundle": "BUNDLE", "max_queue": "-1"}, "max_queue"),
        ({"bundle": "BUNDLE", "log_texts": "maybe"}, "log_texts"),
        ({"bundle": "BUNDLE", "runtime": "tf"}, "tf"),
        ({"bundle": "nowhere"}, "nowhere"),
    ],
)
def test_a_wrong_argument_is_named(bundle, arguments, named):
    given = {key: value.replace("BUNDLE", str(bundle)) for key, value in arguments.items()}

    with pytest.raises(InputError, match=named):
        build(given)


@needs_ray
def test_keys_are_not_handed_to_the_cluster(bundle):
    with pytest.raises(InputError, match="api_key_file"):
        ray_app([bundle], Settings(api_keys=("secret",)))


@pytest.fixture(scope="module")
def cluster(bundle, tmp_path_factory) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    """Two replicas that want a key: their address, the process, and the file with what they logged."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "keys").write_text("secret\n", encoding="utf-8")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [
        sys.executable,
        str(Path(__file__).with_name("ray_cluster.py")),
        str(port),
        f"bundle=tiny={bundle}",
    ]
    command += [
        "replicas=2",
        "cpus=0.5",
        "precision=fp32",
        "max_body=100000",
        f"api_key_file={folder / 'keys'}",
    ]
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "OMP_NUM_THREADS": "1",
    }
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line == "serving\n":
                break
        else:
            pytest.fail(log.read_text()[-3000:])
        yield f"http://127.0.0.1:{port}", process, log
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.stdout.close()


def replicas_that_answered(log: Path) -> set[int]:
    found = re.findall(
        r'pid=(\d+)\)[^\n]*"event":"request"[^\n]*/v1/entities', log.read_text(encoding="utf-8")
    )
    return {int(pid) for pid in found}


@pytest.mark.long
@needs_ray
def test_two_replicas_answer_as_the_tagger_does(cluster, bundle):
    address, process, log = cluster
    wanted = expected(bundle)
    with httpx.Client(base_url=address, headers={"Authorization": "Bearer secret"}, timeout=60) as client:

        def ask(number: int) -> None:
            text = number % len(TEXTS)
            answered = client.post(
                "/v1/entities", json={"text": TEXTS[text]}, headers={"X-Request-ID": f"mine-{number}"}
            )
            assert answered.status_code == 200, answered.text
            assert answered.headers.get_list("X-Request-ID") == [f"mine-{number}"]
            [result] = answered.json()["results"]
            assert entities(result) == wanted[text]

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(200)))
        deadline = time.monotonic() + 30
        while len(replicas_that_answered(log)) < 2 and time.monotonic() < deadline:
            ask(0)
        assert len(replicas_that_answered(log)) == 2

        refused = client.post("/v1/entities", json={"text": 5})
        assert (refused.status_code, refused.json()["error"]["place"]) == (422, "text")
        assert refused.json()["request_id"] == refused.headers["X-Request-ID"]
        assert client.post("/v1/entities", json={"text": "a" * 100_000}).status_code == 413
        assert client.get("/health/ready").status_code == 200
        assert "tagwright_words_total" in client.get("/metrics").text

        def lines() -> Iterator[bytes]:
            for text in TEXTS:
                yield json.dumps({"text": text}).encode() + b"\n"

        kind = {"Content-Type": "application/x-ndjson"}
        with client.stream("POST", "/v1/entities", content=lines(), headers=kind) as stream:
            answers = [json.loads(line) for line in stream.iter_lines()]
        assert [entities(answer) for answer in answers] == wanted
    assert httpx.post(f"{address}/v1/entities", json={"text": "a"}).status_code == 401

    pids = replicas_that_answered(log)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    assert "ended\n" in process.stdout.read()
    assert process.wait(60) == 0
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
