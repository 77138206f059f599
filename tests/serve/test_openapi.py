"""The API's own description, held against what the service does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.services import folder_of, running

KEY = "a-key-of-the-tests"
HOOKS = """
import json
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()
"""


@pytest.fixture(scope="module")
def service(tiny):
    with running(folder_of(tiny), sockets=True, max_texts=8) as service:
        yield service


def fuzz(service, folder: Path, examples: int, seed: int, *flags: str, config: str = "") -> None:
    """Run schemathesis with every check."""
    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    (folder / "hooks_of_tests.py").write_text(HOOKS)
    (folder / "schemathesis.toml").write_text(config)
    command = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [
            *(command, "run", f"http://127.0.0.1:{service.port}/openapi.json", "--checks", "all"),
            *("--max-examples", str(examples), "--seed", str(seed), "--no-color", *flags),
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks_of_tests", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert {line["status"] for line in service.requests()} >= {200, 422}
    assert not any(line["status"] >= 500 for line in service.requests())


def test_the_service_does_what_its_description_says(service, tmp_path):
    fuzz(service, tmp_path, 15, 1, "--phases", "examples,fuzzing")


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_the_service_does_what_its_description_says_at_length(service, tmp_path, seed):
    fuzz(service, tmp_path, 1000, seed)


@pytest.mark.long
def test_the_description_is_true_where_keys_are_asked_for(tiny, tmp_path):
    with running(folder_of(tiny), sockets=True, max_texts=8, api_keys=(KEY,)) as service:
        config = f'[auth.openapi.bearer]\nbearer = "{KEY}"\n[auth.openapi.key]\napi_key = "{KEY}"\n'
        fuzz(service, tmp_path, 100, 5, config=config)
        assert 401 in {line["status"] for line in service.requests()}


def test_the_description_is_complete(service):
    schema = service.get("/openapi.json").json()
    assert schema == service.app.openapi()
    assert (schema["info"]["title"], set(schema["paths"])) == (
        "Tagwright",
        {"/v1/entities", "/v1/models", "/metrics", "/health/live", "/health/ready"},
    )
    post = schema["paths"]["/v1/entities"]["post"]
    assert set(post["responses"]) == {"200", "408", "413", "415", "422", "500", "503", "504"}
    assert set(post["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert "security" not in post
    for path in schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                assert "X-Request-ID" in response["headers"]
                for content in response["content"].values():
                    assert "example" in content or content["schema"] == {"type": "string"}


def test_the_examples_are_answered(service):
    post = service.get("/openapi.json").json()["paths"]["/v1/entities"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        assert service.ask(example["value"]).status_code == 200
    lines = service.stream(post["requestBody"]["content"]["application/x-ndjson"]["example"])
    assert [line["line"] for line in lines] == [1, 2]
    assert not any("error" in line for line in lines)
