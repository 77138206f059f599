"""A fragment is committed once and whole, and by nobody whose run is over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

from tagwright.errors import InputError, RunError
from tagwright.scale.commit import commit
from tagwright.scale.fragment import Counts, Fragment
from tagwright.scale.manifest import check_complete, read_records, totals
from tagwright.scale.output import Output, OutputError
from tagwright.scale.places import Place

FRAGMENTS = [Fragment(number, "in.jsonl", "jsonl", first=1024 * number) for number in range(3)]


def tag(rows: BinaryIO, rejects: BinaryIO) -> Counts:
    rows.write(b"rows\n")
    return Counts(rows=2, written=1, words=3)


def tag_with_reject(rows: BinaryIO, rejects: BinaryIO) -> Counts:
    rejects.write(b"{}\n")
    return Counts(rows=1, rejected=1, first_reject=f"row {rows.write(b'')}")


def opened(folder: Path, token: str = "a") -> Output:
    output = Output(Place.of(folder), "jsonl")
    output.open(token)
    return output


def committed(
    output: Output,
    number: int = 0,
    token: str = "a",
    tag: Any = tag,
    still: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    return commit(output, token, FRAGMENTS[number], tag, {"machine": {}}, still)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_fragment_has_its_file_and_then_its_record(tmp_path):
    output = opened(tmp_path)

    record = committed(output)

    sha = hashlib.sha256(b"rows\n").hexdigest()
    assert record["file"] == {"name": "part-000000.jsonl", "bytes": 5, "sha256": sha}
    assert record["rejects"] is None
    assert names(tmp_path) == ["_running/done/000000.json", "part-000000.jsonl"]
    assert (
        json.loads((tmp_path / "_running/done/000000.json").read_bytes())
        == read_records(output, FRAGMENTS)[0]
    )


def test_rejects_lie_apart_and_are_counted(tmp_path):
    output = opened(tmp_path)

    records = [committed(output, 1, tag=tag_with_reject), committed(output, 0), committed(output, 2)]

    assert (tmp_path / "_rejects/part-000001.jsonl").read_bytes() == b"{}\n"
    assert (tmp_path / "part-000001.jsonl").read_bytes() == b""
    assert totals(records) == Counts(rows=5, written=2, rejected=1, words=6, first_reject="row 0")
    check_complete(output, FRAGMENTS, read_records(output, FRAGMENTS))
    output.close()
    assert not (tmp_path / "_running").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "part-000000.jsonl").unlink(),
        lambda folder: (folder / "part-000000.jsonl").write_bytes(b"row\n"),
        lambda folder: (folder / "_rejects/part-000000.jsonl").unlink(),
        lambda folder: (folder / "_running/done/000000.json").write_bytes(b"{"),
        lambda folder: (folder / "_running/done/000000.json").write_bytes(b"{}"),
        lambda folder: (folder / "_running/done/000000.json").unlink(),
    ],
)
def test_what_lacks_a_file_or_a_record_is_not_done(tmp_path, spoil):
    output = opened(tmp_path)
    committed(output, tag=lambda rows, rejects: (rejects.write(b"x"), tag(rows, rejects))[1])
    assert list(read_records(output, FRAGMENTS)) == [0]

    spoil(tmp_path)

    assert read_records(output, FRAGMENTS) == {}
    with pytest.raises(RunError, match="fragment 0 is not done"):
        check_complete(output, FRAGMENTS[:1], {})


def test_the_record_of_another_plan_is_not_taken(tmp_path):
    output = opened(tmp_path)
    committed(output)

    assert read_records(output, [Fragment(0, "other.jsonl", "jsonl")]) == {}


def test_a_fragment_that_fails_leaves_nothing(tmp_path):
    output = opened(tmp_path)

    def fail(rows: BinaryIO, rejects: BinaryIO) -> Counts:
        rows.write(b"half")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        committed(output, tag=fail)

    assert names(tmp_path) == []


def test_a_worker_of_a_dead_run_changes_nothing_of_the_next_one(tmp_path):
    first = opened(tmp_path, "a")
    committed(first, 0, "a")
    second = Output(Place.of(tmp_path), "jsonl")

    def outlive(rows: BinaryIO, rejects: BinaryIO) -> Counts:
        rows.write(b"old")
        second.open("b")
        committed(second, 1, "b")
        return Counts()

    with pytest.raises(OutputError):
        committed(first, 1, "a", outlive)
    with pytest.raises(OutputError):
        committed(first, 2, "a")

    assert (tmp_path / "part-000001.jsonl").read_bytes() == b"rows\n"
    assert list(read_records(second, FRAGMENTS)) == [0, 1]
    assert not (tmp_path / "part-000002.jsonl").exists()


@pytest.mark.parametrize("finished", [True, False])
def test_a_worker_of_a_dead_run_changes_nothing_once_the_folder_is_finished(tmp_path, finished):
    first = opened(tmp_path, "a")

    def outlive(rows: BinaryIO, rejects: BinaryIO) -> Counts:
        rows.write(b"old")
        second = opened(tmp_path, "b")
        committed(second, 0, "b")
        if finished:
            second.close()
        return Counts()

    with pytest.raises(OutputError):
        committed(first, 0, "a", outlive)

    assert (tmp_path / "part-000000.jsonl").read_bytes() == b"rows\n"
    assert finished == (names(tmp_path) == ["part-000000.jsonl"])


def test_whoever_is_told_that_the_run_is_over_commits_nothing(tmp_path):
    output = opened(tmp_path)

    def over() -> None:
        raise RunError("over")

    with pytest.raises(RunError, match="over"):
        committed(output, still=over)

    assert names(tmp_path) == []


def test_two_at_once_leave_the_same_bytes(tmp_path):
    output = opened(tmp_path)

    def twice(rows: BinaryIO, rejects: BinaryIO) -> Counts:
        committed(output)
        return tag(rows, rejects)

    assert committed(output, tag=twice) == read_records(output, FRAGMENTS)[0]
    assert names(tmp_path) == ["_running/done/000000.json", "part-000000.jsonl"]


def test_a_full_disk_is_told_with_its_mend():
    from tagwright.scale.commit import Hashed

    with (
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(OutputError, match=r"OUT: .*space.*again"),
    ):
        Hashed(full, "OUT").write(b"x")


def test_a_file_too_many_is_named(tmp_path):
    output = opened(tmp_path)
    records = {0: committed(output)}
    (tmp_path / "part-000007.jsonl").write_bytes(b"")

    with pytest.raises(RunError, match=r"part-000007.*no part of the output"):
        check_complete(output, FRAGMENTS[:1], records)


def test_a_folder_with_something_else_is_refused_and_hidden_files_are_not(tmp_path):
    output = Output(Place.of(tmp_path), "jsonl")
    (tmp_path / ".DS_Store").write_bytes(b"")
    output.check_own()
    (tmp_path / "thesis.tex").write_bytes(b"")

    with pytest.raises(InputError, match="thesis"):
        output.check_own()


def test_what_an_earlier_run_wrote_is_thrown_away_and_nothing_else(tmp_path):
    output = opened(tmp_path)
    committed(output, tag=tag_with_reject)
    output.put_json(output.manifest, {})
    (tmp_path / "notes.txt").write_bytes(b"mine")

    output.clear()
    output.close()

    assert names(tmp_path) == ["notes.txt"]
