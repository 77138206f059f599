"""`tagwright predict --resume`: stopped at any moment, a run ends with the bytes of one that was not."""

import gzip
import io
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import time
from unittest.mock import Mock

import pytest

from tagwright.cli.main import run
from tagwright.errors import RunError
from tagwright.predict import resume
from tagwright.predict.parts import PartFile
from tagwright.predict.tagger import Tagger
from tests.models import TEXT, tiny_bundle


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


class CutError(Exception):
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
            raise CutError

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


@pytest.mark.parametrize("overlap", [False, True])
def test_an_unbroken_run_and_one_in_pieces_with_the_model_beside(call, files, tmp_path, monkeypatch, overlap):
    monkeypatch.setattr("tagwright.predict.pipeline.overlap_pays", lambda runtime: overlap)
    call(*files, "--chunk", 4, "-o", tmp_path / "whole")
    for chunks in (3, 11):
        restore = cut_after(monkeypatch, chunks)
        assert call(*files, "--chunk", 4, "-o", tmp_path / "out", "--resume")[0] == 1
        restore()
    assert call(*files, "--chunk", 4, "-o", tmp_path / "out", "--resume")[0] == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.fixture
def stopped(call, files, tmp_path, monkeypatch):
    """A run that was cut off after three chunks: its arguments, without --resume."""
    arguments = [
        *files,
        "--chunk",
        7,
        "-o",
        tmp_path / "out",
        "--rejects",
        tmp_path / "bad",
        "--precision",
        "fp32",
    ]
    restore = cut_after(monkeypatch, 3)
    assert call(*arguments)[0] == 1
    restore()
    return arguments


def changed_record(path, **values):
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--min-score", "0.3"], "the least scores was {} when the run was begun, and is {"),
        (["--to", "conll"], '--to was "jsonl" when the run was begun, and is "conll"'),
        (["--field", "body"], '--field was "text" when the run was begun, and is "body"'),
        (["--chunk", "8"], "--chunk was 7 when the run was begun, and is 8"),
        (["--precision", "bf16"], 'the precision was "fp32" when the run was begun, and is "bf16"'),
        (["--rejects", "elsewhere"], "--rejects was "),
    ],
)
def test_other_settings_are_refused(call, stopped, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.part*")}
    code, err = call(*stopped, *change, "--resume")
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert err.startswith(f"tagwright: error: {tmp_path / 'out.part.json'}: ")
    assert err.endswith("finish the run as it was begun, or start again: --overwrite in place of --resume\n")
    kept = {path: path.read_bytes() for path in before}
    assert kept == before


def test_another_input_or_bundle_is_refused(call, stopped, files, tmp_path, bundle):
    code, err = call(*stopped[1:], "--resume")
    assert (code, "the run was begun on " in err) == (2, True)
    record = json.loads((bundle / "tagwright.json").read_text())
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    (other / "tagwright.json").write_text(json.dumps(record | {"temperature": 1.5}))
    code, err = call(*stopped, "--resume", folder=other)
    assert (code, "tagwright.json of the bundle is not the one that the run was begun with" in err) == (
        2,
        True,
    )
    files[0].write_bytes(files[0].read_bytes() + b"more\n")
    code, err = call(*stopped, "--resume")
    assert (code, f"{files[0]} has changed since the run was begun" in err) == (2, True)
    assert call(*stopped, "--overwrite")[0] == 0
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "out.part.json").write_text("{"), "the journal is damaged"),
        (lambda folder: (folder / "out.part.json").write_text("[]"), "the journal is damaged"),
        (lambda folder: (folder / "out.part.json").write_text('{"version": 2}'), "the journal is damaged"),
        (lambda folder: (folder / "out.part.json").write_text("[" * 100_000), "the journal is damaged"),
        (
            lambda folder: changed_record(
                folder / "out.part.json", place={"file": 0, "line": 1, "offset": 1 << 70, "counted": 1}
            ),
            "the journal is damaged",
        ),
        (
            lambda folder: (folder / "out.part").rename(folder / "out"),
            "it holds 0 bytes, and the run had written ",
        ),
        (
            lambda folder: changed_record(folder / "out.part.json", version=1),
            "another version of Tagwright wrote the journal",
        ),
        (
            lambda folder: changed_record(folder / "out.part.json", place={"file": -1}),
            "the journal is damaged",
        ),
        (lambda folder: (folder / "out.part.json").unlink(), "there is no journal of the run that wrote it"),
        (
            lambda folder: os.truncate(folder / "out.part", 100),
            "it holds 100 bytes, and the run had written ",
        ),
        (lambda folder: os.truncate(folder / "bad.part", 3), "it holds 3 bytes, and the run had written "),
        (lambda folder: (folder / "bad.part").unlink(), "it holds 0 bytes, and the run had written "),
        (
            lambda folder: (folder / "out.part").write_bytes(b"x" * (folder / "out.part").stat().st_size),
            "it is not what the run had written",
        ),
    ],
)
def test_what_is_damaged_is_refused(call, stopped, tmp_path, damage, message):
    damage(tmp_path)
    code, err = call(*stopped, "--resume")
    assert (code, err.count("\n"), message in err, "--overwrite" in err) == (2, 1, True, True)
    assert call(*stopped, "--overwrite")[0] == 0


def test_rejects_that_go_to_a_device_are_no_hindrance(call, files, tmp_path, monkeypatch):
    arguments = [*files, "--chunk", 7, "--rejects", "/dev/null", "-o"]
    assert call(*arguments, tmp_path / "whole")[0] == 0
    restore = cut_after(monkeypatch, 3)
    assert call(*arguments, tmp_path / "out")[0] == 1
    restore()
    assert call(*arguments, tmp_path / "out", "--resume")[0] == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_a_stopped_run_left_is_not_thrown_away_unasked(call, stopped, tmp_path):
    size = (tmp_path / "out.part").stat().st_size
    code, err = call(*stopped)
    assert (code, (tmp_path / "out.part").stat().st_size) == (2, size)
    assert f"it holds {size:,} bytes of a run that was stopped; go on with --resume, or throw it" in err
    code, err = call(*stopped, "--resume", "--overwrite")
    assert (code, "say opposite things" in err) == (2, True)


def test_a_run_that_is_done_has_nothing_to_resume(call, files, tmp_path):
    out = tmp_path / "out"
    assert call(*files, "-o", out, "--resume")[0] == 0
    written = out.read_bytes()
    code, err = call(*files, "-o", out, "--resume")
    assert (code, err) == (0, f"{out} is there already; nothing is left to resume\n")
    assert out.read_bytes() == written
    assert call(*files, "-o", out)[0] == 0  # and is replaced where it is not asked for
    assert out.read_bytes() == written


@pytest.mark.parametrize("moved", ["neither", "rejects"])
@pytest.mark.parametrize("target", ["label-studio", "parquet"])
def test_a_run_that_was_cut_off_while_its_files_were_moved(
    call, stopped, tmp_path, monkeypatch, moved, target
):
    if target == "parquet":
        pytest.importorskip("pyarrow")
    stopped += ["--to", target]
    code, _ = call(*stopped, "--overwrite")
    assert code == 0
    whole = [(tmp_path / name).read_bytes() for name in ("out", "bad")]
    for name in ("out", "bad"):
        (tmp_path / name).unlink()
    finish, calls = PartFile.finish, []

    def failing(self, *arguments):
        calls.append(1)
        if len(calls) == 1 + (moved == "rejects"):
            raise CutError
        finish(self, *arguments)

    monkeypatch.setattr(PartFile, "finish", failing)
    assert call(*stopped)[0] == 1
    monkeypatch.setattr(PartFile, "finish", finish)
    assert call(*stopped, "--resume")[0] == 0
    assert [(tmp_path / name).read_bytes() for name in ("out", "bad")] == whole
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize(("error", "code"), [(RunError("no room", where="x"), 1), (KeyboardInterrupt(), 130)])
def test_a_stop_at_the_last_step_says_how_to_go_on(call, stopped, tmp_path, monkeypatch, error, code):
    finish = PartFile.finish
    monkeypatch.setattr(PartFile, "finish", Mock(side_effect=error))
    found, err = call(*stopped, "--resume")
    assert (found, err.count("\n")) == (code, 1)
    assert err.endswith(f" are in {tmp_path / 'out.part'}; go on with --resume\n")
    monkeypatch.setattr(PartFile, "finish", finish)
    assert call(*stopped, "--resume")[0] == 0


def test_what_cannot_be_read_again_cannot_be_resumed(call, tmp_path):
    code, err = call("-o", tmp_path / "out", "--resume", stdin=b"Jeff\n")
    assert (code, "stdin and pipes cannot be read a second time" in err) == (2, True)
    (tmp_path / "a").write_text("Jeff\n")
    code, err = call(tmp_path / "a", "--resume")
    assert (code, "write to a file with -o" in err) == (2, True)
    code, err = call(tmp_path / "a", "-o", "/dev/null", "--resume")
    assert (code, "needs a file that can be read again" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_two_runs_do_not_write_one_file(call, files, tmp_path):
    with PartFile(tmp_path / "out") as held:
        held.write(b"so far")
        for flag in ("--resume", "--overwrite"):
            code, err = call(*files, "-o", tmp_path / "out", flag)
            assert (code, err) == (
                1,
                f"tagwright: error: {tmp_path / 'out.part'}: another run is writing it; "
                "let that one end, or name another file\n",
            )
        assert (tmp_path / "out.part").read_bytes() == b"so far"


def test_a_run_that_fails_before_it_begins_leaves_nothing(call, files, tmp_path):
    (tmp_path / "no").mkdir()
    code, _ = call(*files, "-o", tmp_path / "out", "--rejects", tmp_path / "bad", folder=tmp_path / "no")
    assert code == 2
    assert not list(tmp_path.glob("*.part*"))
    code, err = call(*files, "-o", tmp_path / ("x" * 245))  # the journal's name is too long
    assert (code, "cannot be written: File name too long" in err) == (1, True)
    assert not list(tmp_path.glob("*.part*"))


def test_less_memory_than_before_is_kept_to(call, files, tmp_path, monkeypatch):
    """A budget that was halved stays so: the batches behind it depend on it."""
    restore = cut_after(monkeypatch, 3)
    call(*files, "--chunk", 7, "-o", tmp_path / "out")
    restore()
    changed_record(tmp_path / "out.part.json", batch_pieces=77)
    budgets = []
    compute = Tagger.compute

    def noted(self, *arguments, **options):
        budgets.append(self.batch_pieces)
        return compute(self, *arguments, **options)

    monkeypatch.setattr(Tagger, "compute", noted)
    assert call(*files, "--chunk", 7, "-o", tmp_path / "out", "--resume")[0] == 0
    assert set(budgets) == {77}


def test_the_journal_is_written_now_and_then(call, files, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 3600.0)
    written = []
    write = resume.write_journal
    monkeypatch.setattr(resume, "write_journal", lambda path, record: written.append(write(path, record)))
    assert call(*files, "--chunk", 1, "-o", tmp_path / "out")[0] == 0
    assert len(written) == 2  # at the beginning and at the end


@pytest.fixture(scope="module")
def processes():
    """Starts processes that have torch loaded already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tests.cli.test_resume",
            "tagwright.cli.predict",
            "tagwright.predict.runtimes.torch",
            "transformers.models.auto.modeling_auto",
            "transformers.models.distilbert.modeling_distilbert",
        ]
    )
    return context


def run_apart(arguments, log, most_bytes):
    """Run the command as a process of its own does: with its own signals, stderr and limits."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
    if most_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    resume.SECONDS = 0.02
    code = run(arguments)
    sys.stderr.flush()
    os._exit(code)


def started(processes, command, log, most_bytes=0):
    process = processes.Process(target=run_apart, args=(list(map(str, command)), str(log), most_bytes))
    process.start()
    return process


def finished(process):
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def test_a_full_disk_leaves_a_part_to_go_on_with(bundle, tmp_path, processes):
    (tmp_path / "a").write_text(f"{TEXT}\n" * 300)
    arguments = [tmp_path / "a", "--chunk", 10]
    log = tmp_path / "log"
    # All in processes alike: what other tests left in this one, such as its number of threads, may turn a last digit.
    whole = ["predict", bundle, *arguments, "-o", tmp_path / "whole"]
    assert finished(started(processes, whole, log)) == 0
    size = (tmp_path / "whole").stat().st_size // 2
    arguments += ["-o", tmp_path / "out", "--resume"]
    assert finished(started(processes, ["predict", bundle, *arguments], log, size)) == 1
    assert log.read_text() == (
        f"tagwright: error: {tmp_path / 'out.part'}: cannot be written: File too large; "
        "the answers so far are kept; go on with --resume\n"
    )
    lines = (tmp_path / "out.part").read_bytes().splitlines(keepends=True)
    assert len(lines) % 10 == 0
    assert lines[-1].endswith(b"\n")
    assert finished(started(processes, ["predict", bundle, *arguments], log)) == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


def kill_and_compare(processes, bundle, folder, rounds, how, seed):
    """Kill a run at random moments, resume it, and compare."""
    rows = [b"\xff" if number % 99 == 7 else TEXT[number % 40 :].encode() for number in range(1500)]
    (folder / "a").write_bytes(b"\n".join(rows))
    arguments = [folder / "a", "--chunk", 20, "--rejects", folder / "bad"]
    log = folder / "log"
    begin = time.monotonic()
    assert finished(started(processes, ["predict", bundle, *arguments, "-o", folder / "whole"], log)) == 0
    seconds, refused = time.monotonic() - begin, (folder / "bad").read_bytes()
    chosen, stops = random.Random(seed), 0
    arguments += ["-o", folder / "out", "--resume"]
    part = folder / "out.part"
    for _ in range(rounds):
        before = part.stat().st_size if part.exists() else 0
        process = started(processes, ["predict", bundle, *arguments], log)
        while process.is_alive() and not (part.exists() and part.stat().st_size != before):
            time.sleep(0.005)
        time.sleep(chosen.uniform(0, seconds / rounds / 2))
        os.kill(process.pid, how)
        code = finished(process)
        stops += code != 0
        if how == signal.SIGINT and code:
            assert code == 130
            assert log.read_text().endswith(f" lines; they are in {part}; go on with --resume\n")
            assert log.read_text().count("\n") == 1
    assert finished(started(processes, ["predict", bundle, *arguments], log)) == 0
    assert (folder / "out").read_bytes() == (folder / "whole").read_bytes()
    assert (folder / "bad").read_bytes() == refused
    assert not list(folder.glob("*.part*"))
    assert stops > 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_at_any_moment(processes, bundle, tmp_path, how):
    kill_and_compare(processes, bundle, tmp_path, 2, how, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_many_times(processes, bundle, tmp_path, how, seed):
    kill_and_compare(processes, bundle, tmp_path, 10, how, seed)
