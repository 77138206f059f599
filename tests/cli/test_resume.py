"""`tagwright predict --resume`: stopped at any moment, a run ends with the bytes of one that was not."""

import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tagwright.cli.main import run
from tagwright.predict import resume
from tests.models import TEXT, tiny_bundle

COMMAND = [sys.executable, "-m", "tagwright", "predict"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("resume") / "run")


@pytest.fixture
def call(bundle, capsysbinary, monkeypatch):
    """Run the command in this process; return exit code and stderr. The journal is written after each chunk."""
    monkeypatch.setattr(resume, "SECONDS", 0.0)

    def run_it(*arguments, folder=bundle, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run(["predict", str(folder), *map(str, arguments)])
        return code, capsysbinary.readouterr()[1].decode()

    return run_it


@pytest.fixture
def files(tmp_path):
    """Three files, one of them packed, with bad lines among the good."""
    words = TEXT.split()
    chosen = random.Random(0)

    def text(size):
        return " ".join(chosen.choices(words, k=size))

    rows = [text(chosen.randrange(12)).encode() for _ in range(60)]
    rows[7] = rows[41] = b"\xff\xfe"
    (tmp_path / "a.txt").write_bytes(b"\r\n".join(rows))
    records = [json.dumps({"text": text(5), "id": number}) for number in range(40)]
    records[3] = "{"
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress("\n\n".join(records).encode()))
    sentences = ["".join(f"{word}\tO\n" for word in text(6).split()) for _ in range(30)]
    (tmp_path / "c.conll").write_text("# id = 1\n" + "\n".join(sentences))
    return [tmp_path / name for name in ("a.txt", "b.jsonl.gz", "c.conll")]


class Cut(Exception):
    """The run ends here, as if it had been killed."""


def cut_after(monkeypatch, chunks):
    """Let the next run be cut off when so many chunks are written, without a word."""
    done = []
    wrote = resume.Run.wrote

    def counted(self, *arguments):
        wrote(self, *arguments)
        done.append(1)
        if len(done) == chunks:
            self._state = {}  # nothing more reaches the journal
            raise Cut

    monkeypatch.setattr(resume.Run, "wrote", counted)
    return lambda: monkeypatch.setattr(resume.Run, "wrote", wrote)


TARGETS = ["jsonl", "conll", "parquet", "label-studio", "doccano", "text"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rejects", [True, False])
def test_a_run_that_was_cut_off_ends_with_the_same_bytes(call, files, tmp_path, monkeypatch, target, rejects):
    if target == "parquet":
        pytest.importorskip("pyarrow")
    names = ("whole", "whole.bad", "out", "bad")
    whole, whole_bad, out, bad = (tmp_path / name for name in names)

    def arguments(out, bad):
        return [*files, "--to", target, "--chunk", 7, "-o", out, *(["--rejects", bad] if rejects else [])]

    code, told = call(*arguments(whole, whole_bad))
    assert code == 0
    for chunks in (1, 9, 5):
        restore = cut_after(monkeypatch, chunks)
        assert call(*arguments(out, bad), "--resume")[0] == 1
        restore()
        with out.with_name("out.part").open("ab") as file:
            file.write(b"what no journal speaks of")
    code, told_again = call(*arguments(out, bad), "--resume")
    assert code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not rejects or bad.read_bytes() == whole_bad.read_bytes()
    assert told_again.partition(" in ")[0] == told.partition(" in ")[0]
    assert told_again.splitlines()[1:] == [line.replace("whole.bad", "bad") for line in told.splitlines()[1:]]
    assert not [path.name for path in tmp_path.iterdir() if ".part" in path.name]
