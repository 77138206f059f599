"""Stores of objects: the same commit, records and lease through pyarrow's S3 client and a server on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

from tagwright.errors import RunError
from tagwright.scale.commit import commit
from tagwright.scale.fragment import Counts, Fragment
from tagwright.scale.lease import Lease, lease_token
from tagwright.scale.manifest import check_complete, read_records
from tagwright.scale.output import Output, OutputError
from tagwright.scale.places import Place
from tagwright.scale.tries import Tries
from tests.scale.s3_server import S3Server, s3_server

FRAGMENTS = [Fragment(number, "b/in.jsonl", "jsonl", first=1024 * number) for number in range(3)]
BIG = bytes(range(256)) * (1 << 16)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server("b") as server:
        yield server


@pytest.fixture
def output(server: S3Server, request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Output]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield Output(Place.of(server.address(f"b/{request.node.name}")), "jsonl")
    server.before = lambda method, path: None


def tag(rows: BinaryIO, rejects: BinaryIO) -> Counts:
    rows.write(BIG)
    rejects.write(b"{}\n")
    return Counts(rows=1)


def ours(server: S3Server, output: Output) -> dict[str, bytes]:
    return server.under(f"{output.place.path}/")


def test_what_lies_in_a_store_is_told(server, output):
    output.put(output.place / "a b", b"x")

    assert (output.place / "a b").read_bytes() == b"x"
    assert (output.place / "a b").kind == "file"
    assert output.place.kind == "folder"
    assert [info.base_name for info in output.place.files()] == ["a b"]
    assert (output.place / "none").read_bytes() is None
    assert (output.place / "none").files() == []


def test_a_fragment_appears_whole_and_then_its_record(server, output):
    output.open("a")
    seen: list[set[str]] = []
    server.before = lambda method, path: seen.append(set(ours(server, output)))  # type: ignore[func-returns-value]

    record = commit(output, "a", FRAGMENTS[0], tag, {"machine": {}}, lambda: None)

    found = ours(server, output)
    assert found["part-000000.jsonl"] == BIG
    assert found["_rejects/part-000000.jsonl"] == b"{}\n"
    assert json.loads(found["_running/done/000000.json"]) == record == read_records(output, FRAGMENTS)[0]
    assert any("part-000000.jsonl" in names and "_running/done/000000.json" not in names for names in seen)
    assert not any(
        "part-000000.jsonl" not in names and "_running/done/000000.json" in names for names in seen
    )
    check_complete(output, FRAGMENTS[:1], {0: record})
    output.close()
    assert sorted(ours(server, output)) == ["_rejects/part-000000.jsonl", "part-000000.jsonl"]


def test_an_earlier_run_is_thrown_away(server, output):
    output.open("a")
    commit(output, "a", FRAGMENTS[0], tag, {"machine": {}}, lambda: None)
    output.put_json(output.manifest, {})
    output.put(output.place / "notes.txt", b"mine")

    output.clear()

    assert list(ours(server, output)) == ["notes.txt"]


def test_deaths_are_counted_until_the_fragment_is_done(server, output):
    tries = Tries(output, "a")

    assert [tries.begin(0), tries.begin(0), tries.begin(1)] == [0, 1, 0]
    tries.end(0)

    assert [tries.begin(0), Tries(output, "a").begin(1), Tries(output, "b").begin(1)] == [0, 1, 0]


def test_a_lease_is_held_and_lost_in_a_store(server, output):
    lease = Lease(output, print, beat=1e6, settle=0)
    with pytest.raises(RunError, match="another run is writing it by process"):
        Lease(output, print, settle=0)
    lease.check()
    server.objects[f"{output.running.path}/lease.json"] = json.dumps({"token": "x", "host": "far"}).encode()

    with pytest.raises(RunError, match="taken over by process"):
        lease.check()

    lease.release()
    assert lease_token(output) == "x"


def test_a_store_that_refuses_is_named(server, output):
    server.before = lambda method, path: 403 if method in ("PUT", "POST") else None

    with pytest.raises(
        OutputError, match=r"s3://b/.*cannot be written.*keys that may read and write"
    ) as raised:
        output.put(output.place / "a", b"x")

    assert "\n" not in str(raised.value)
