"""One run at a time writes a folder, and a dead one frees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

from tagwright.errors import RunError
from tagwright.scale import lock as locks
from tagwright.scale.lease import Lease, lease_token
from tagwright.scale.lock import FileLock, take_lock
from tagwright.scale.output import Output
from tagwright.scale.places import Place

HOLD = """
import sys
from tagwright.scale.lock import {kind} as Lock
from tagwright.scale.output import Output
from tagwright.scale.places import Place
lock = Lock(Output(Place.of(sys.argv[1]), "jsonl"), {more})
print(lock.token, flush=True)
sys.stdin.read()
lock.release()
"""


def output_in(folder: Path) -> Output:
    return Output(Place.of(folder), "jsonl")


def held_by_another(folder: Path, kind: str = "FileLock", more: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD.format(kind=kind, more=more), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip()
    return process


def kill(process: subprocess.Popen[str]) -> None:
    with process:
        process.send_signal(signal.SIGKILL)


def lease(folder: Path, *, stale: float = 0.5, said: list[str] | None = None) -> Lease:
    say = [].append if said is None else said.append
    return Lease(output_in(folder), say, beat=0.1, stale=stale, settle=0)


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path):
    lock = take_lock(output_in(tmp_path), print)

    with pytest.raises(RunError, match=rf"another run is writing it by process {os.getpid()} on .*since 20"):
        take_lock(output_in(tmp_path), print)
    lock.release()

    take_lock(output_in(tmp_path), print).release()


def test_where_nothing_was_begun_nothing_is_left(tmp_path):
    take_lock(output_in(tmp_path / "new"), print).release()

    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_frees_the_folder(tmp_path):
    process = held_by_another(tmp_path)
    with pytest.raises(RunError, match=f"process {process.pid}"):
        FileLock(output_in(tmp_path))

    kill(process)

    FileLock(output_in(tmp_path)).release()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(RunError, match=r"file/out: cannot be written: not a directory"):
        FileLock(output_in(tmp_path / "file" / "out"))


def test_a_file_system_without_locks_gets_a_lease(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)

    lock = take_lock(output_in(tmp_path), print)

    assert isinstance(lock, Lease)
    assert lease_token(output_in(tmp_path)) == lock.token
    lock.release()
    assert lease_token(output_in(tmp_path)) is None


def test_a_lease_whose_owner_was_killed_here_is_free_at_once(tmp_path):
    process = held_by_another(tmp_path, "Lease", "print, settle=0")
    with pytest.raises(RunError, match=f"process {process.pid}"):
        lease(tmp_path)

    kill(process)
    said: list[str] = []
    lease(tmp_path, stale=1e9, said=said).release()

    assert said == []


def other_machine(folder: Path, beat: int = 1) -> None:
    owner = {"token": "x", "beat": beat, "host": "far", "pid": 7, "machine": "other", "since": "then"}
    output = output_in(folder)
    output.running.local.mkdir(exist_ok=True)
    output.put_json(output.running / "lease.json", owner)


def test_a_lease_without_signs_of_life_is_taken_over(tmp_path):
    other_machine(tmp_path)
    said: list[str] = []

    taken = lease(tmp_path, said=said)

    assert ["process 7 on far (since then)" in line for line in said] == [True]
    taken.check()
    taken.release()


def test_a_lease_with_signs_of_life_is_not(tmp_path):
    other_machine(tmp_path)
    stop = threading.Event()

    def live() -> None:
        beat = 1
        while not stop.wait(0.05):
            beat += 1
            other_machine(tmp_path, beat)

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(RunError, match=r"process 7 on far \(since then\)"):
            lease(tmp_path, stale=60)
    finally:
        stop.set()
        thread.join()


def test_the_clock_of_the_other_machine_is_not_read(tmp_path):
    other_machine(tmp_path)
    path = tmp_path / "_running" / "lease.json"
    found = json.loads(path.read_bytes())
    path.write_text(json.dumps({**found, "since": "2999-01-01T00:00:00+00:00"}), encoding="utf-8")
    os.utime(path, (2**33, 2**33))

    lease(tmp_path).release()


def test_a_run_that_was_taken_over_is_told_so(tmp_path):
    first = lease(tmp_path)
    other_machine(tmp_path)

    with pytest.raises(RunError, match=r"taken over by process 7 on far"):
        first.check()
    first.release()

    assert lease_token(output_in(tmp_path)) == "x"
