"""`tagwright predict` from the outside."""

import gzip
import io
import json
import os
import random
import re
import select
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest

from tagwright.cli.main import run
from tests.models import TEXT, TYPES, tiny_bundle

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMMAND = [sys.executable, "-m", "tagwright", "predict"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("predict") / "run")


@pytest.fixture
def call(bundle, capsysbinary, monkeypatch):
    """Run the command in this process; return exit code, stdout and stderr."""

    def run_it(*arguments, stdin=b"", folder=bundle):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        code = run(["predict", str(folder), *map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return code, out.decode(), err.decode()

    return run_it


def records(out):
    return [json.loads(line) for line in out.splitlines()]


def test_stdin_to_stdout(call):
    code, out, err = call(stdin=(TEXT + "\n\nlast").encode())
    assert (code, err) == (0, "")
    assert [record["line"] for record in records(out)] == [1, 2, 3]
    assert records(out)[0]["text"] == TEXT


def test_files(call, tmp_path):
    (tmp_path / "a.txt").write_text("Jeff Bezos\n")
    (tmp_path / "b.jsonl").write_text('{"text": "New York", "id": 9}\n')
    (tmp_path / "c.conll").write_text("Jeff\tO\nBezos\tO\n")
    code, out, err = call(*(tmp_path / name for name in ("a.txt", "b.jsonl", "c.conll")))
    assert code == 0
    assert [record["text"] for record in records(out)] == ["Jeff Bezos", "New York", "Jeff Bezos"]
    assert [record["file"].rpartition("/")[2] for record in records(out)] == ["a.txt", "b.jsonl", "c.conll"]
    assert records(out)[1]["id"] == 9
    assert err.startswith("3 lines, 6 words, ")
    code, out, _ = call(tmp_path / "a.txt", "-", stdin=b"end")
    assert [record["text"] for record in records(out)] == ["Jeff Bezos", "end"]


PACKERS = {"gz": gzip.compress, "zst": zstd.compress}


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_files_are_read_as_if_they_were_not(call, tmp_path, ending):
    plain = {
        "a.txt": "Jeff Bezos\n" * 3,
        "b.jsonl": '{"text": "New York"}\n',
        "c.conll": "Jeff\tO\nBezos\tO\n",
    }
    for name, text in plain.items():
        (tmp_path / name).write_text(text)
        half = len(text) // 2  # two members, one after another, are one file
        packed = b"".join(PACKERS[ending](part.encode()) for part in (text[:half], text[half:]))
        (tmp_path / f"{name}.{ending}").write_bytes(packed)
    _, expected, _ = call(*(tmp_path / name for name in plain))
    code, out, _ = call(*(tmp_path / f"{name}.{ending}" for name in plain))
    assert code == 0
    assert out == expected.replace('.txt"', f'.txt.{ending}"').replace(
        '.jsonl"', f'.jsonl.{ending}"'
    ).replace('.conll"', f'.conll.{ending}"')


@pytest.mark.parametrize("ending", PACKERS)
def test_a_packed_file_that_ends_early_loses_nothing_before(call, tmp_path, ending):
    lines = [f"{number} {random.Random(number).random()} Jeff Bezos" for number in range(3000)]
    parts = ("".join(f"{line}\n" for line in lines[start : start + 100]) for start in range(0, 3000, 100))
    packed = b"".join(PACKERS[ending](part.encode()) for part in parts)
    (tmp_path / "whole").write_bytes(packed)
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    _, whole, _ = call(tmp_path / "whole", "--to", "jsonl")
    code, out, err = call(tmp_path / "cut", "--to", "jsonl")
    assert code == 1
    assert "the packed data is damaged or ends early" in err
    assert str(tmp_path / "cut") in err
    # The last line may be cut as well; those before it are answered as they are in the whole file.
    assert len(out.splitlines()) > 1000
    assert [record["text"] for record in records(out)[:-1]] == lines[: len(out.splitlines()) - 1]
    assert records(out)[:1024] == records(whole)[:1024]
    _, _, err = call(tmp_path / "cut", "-o", tmp_path / "out.jsonl")
    assert err.endswith(f"the answers so far are in {tmp_path / 'out.jsonl.part'}\n")
    assert (tmp_path / "out.jsonl.part").read_text() == out


def test_parquet_in_and_out(call, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(
        pa.table({"body": ["Jeff Bezos", None, TEXT], "id": [7, 8, 9]}), tmp_path / "a.parquet"
    )
    arguments = [tmp_path / "a.parquet", "--field", "body"]
    code, out, err = call(*arguments)
    assert (code, [record["id"] for record in records(out)]) == (0, [7, 8, 9])
    assert records(out)[1]["error"] == "'body' is null"
    assert call(*arguments, "-o", tmp_path / "o.parquet")[0] == 0
    rows = parquet.read_table(tmp_path / "o.parquet").to_pylist()
    assert [row["text"] for row in rows] == ["Jeff Bezos", None, TEXT]
    assert [entity["text"] for entity in rows[2]["entities"]] == [
        entity["text"] for entity in records(out)[2]["entities"]
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "o.parquet"]
    for place in ([], ["-o", "/dev/null"]):
        code, _, err = call(*arguments, "--to", "parquet", *place)
        assert (code, "Parquet is written to a file alone; name one with -o" in err) == (2, True)


def test_annotation_tools(call, bundle, tmp_path):
    (tmp_path / "a").write_bytes(f"{TEXT}\n\xff\nJeff\n".encode("latin-1"))
    code, out, _ = call(tmp_path / "a", "--to", "label-studio")
    assert code == 0
    tasks = json.loads(out)
    assert [task["data"]["line"] for task in tasks] == [1, 3]
    assert {task["predictions"][0]["model_version"] for task in tasks} == {bundle.name}
    code, out, _ = call(tmp_path / "a", "--to", "doccano")
    assert [record["text"] for record in records(out)] == [TEXT, "Jeff"]


def test_the_runtime_is_told_and_one_that_does_not_suit_is_refused(call, tmp_path):
    (tmp_path / "a").write_text("Jeff\n")
    for asked in ([], ["--runtime", "torch"]):
        code, _, err = call(tmp_path / "a", *asked, "--precision", "fp32")
        assert (code, err.endswith(" words/s; torch, fp32)\n")) == (0, True)
    code, _, err = call(tmp_path / "a", "--runtime", "openvino")
    assert (code, err.count("\n"), "the bundle holds weights, which run on torch" in err) == (2, 1, True)


def test_a_packed_output_or_archive_is_refused(call, tmp_path):
    code, _, err = call("-o", tmp_path / "out.jsonl.gz", stdin=b"a")
    assert (code, "--out is written as it is, not packed; leave its last ending out" in err) == (2, True)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(__file__, arcname="a.txt")
    code, _, err = call(tmp_path / "a.tar.gz")
    assert (code, "the file is a tar archive; unpack it first" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("o.jsonl", '{"line": 1, "text"'),
        ("o.conll", "\nJeff\t"),
        ("o.txt", "]("),
        ("o", "{"),
    ],
)
def test_out(call, tmp_path, name, begin):
    out = tmp_path / name
    out.write_text("old")
    code, printed, _ = call("--out", out, stdin=f"{TEXT}\n".encode())
    assert (code, printed) == (0, "")
    assert begin in out.read_text()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_out_into_a_device_is_not_renamed(call):
    assert call("-o", "/dev/null", stdin=b"Jeff\n")[0] == 0
    assert not os.path.isfile("/dev/null")


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (gzip.compress(b"a\n", mtime=0), "stdin: what comes is packed by gzip; unpack it: gzip -cd FILE | "),
        (zstd.compress(b"a\n"), "stdin: what comes is packed by zstd; unpack it: zstd -cd FILE | "),
        (b"PAR1", "stdin: what comes is a Parquet table; name the file"),
        ("\ufeffa\n".encode("utf-16-le"), "stdin: what comes is UTF-16; turn it into UTF-8 with iconv"),
    ],
)
def test_a_stream_that_is_no_text_is_refused(call, stdin, message):
    code, out, err = call(stdin=stdin)
    assert (code, out, err.count("\n"), message in err) == (2, "", 1, True)


def test_bad_lines_and_rejects(call, tmp_path):
    code, out, err = call(stdin=b"a\n\xff\nb\n")
    assert code == 0
    assert records(out)[1] == {"line": 2, "error": "invalid UTF-8: byte 0xff at offset 0"}
    assert err == (
        "1 of 3 lines could not be tagged; the first: stdin:2: invalid UTF-8: byte 0xff at offset 0\n"
    )
    code, out, err = call("--rejects", tmp_path / "bad.jsonl", stdin=b"a\n\xff\nb\n")
    assert [record["line"] for record in records(out)] == [1, 3]
    assert [record["line"] for record in records((tmp_path / "bad.jsonl").read_text())] == [2]
    assert "bad.jsonl" in err
    code, out, err = call("--to", "conll", stdin=b"a\n\xff\nb\n")
    assert (code, out.count("\n\n")) == (0, 2)
    assert "stdin:2: invalid UTF-8" in err
    (tmp_path / "a\nb").write_bytes(b"a\n\xff\n")
    code, _, err = call(tmp_path / "a\nb")
    assert (code, err.count("\n"), "a b:2: invalid UTF-8" in err) == (0, 2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "missing.txt: there is no such file"),
        (["."], "a folder stands where a file is wanted"),
        (["junk"], "junk: the file is binary"),
        (["empty"], "empty: there is no line in it"),
        (["good", "-o", "good"], "--out is also FILE"),
        (["good", "-o", "x", "--rejects", "x"], "--rejects is also --out"),
        (["good", "-o", "x", "--rejects", "x.part"], "--rejects is also what is written on the way to --out"),
        (["good", "-o", "x", "--rejects", "x.part.json"], "--rejects is also what is written on the way"),
        (["good", "-o", "x.part", "--rejects", "x"], "what is written on the way to --rejects is also --out"),
        (["x.part", "-o", "x", "--overwrite"], "what is written on the way to --out is also FILE"),
        (["good", "-o", "-"], "--out - names no file; leave it out"),
        (["good", "-o", "no/where"], "no/where: there is no such folder to write to"),
        (["good", "-o", "."], "a folder stands there"),
        (["good", "--to", "xml"], "invalid value for '--to'"),
        (["good", "--chunk", "0"], "invalid value for '--chunk'"),
        (["good", "--precision", "fp8"], "invalid value for '--precision'"),
        (["bad", "--from", "jsonl"], "no line could be tagged, 1 of 1; the first: bad:1: not a JSON object"),
    ],
)
def test_wrong_calls(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    files = {"junk": b"\xfe\0\xff\n", "empty": b"", "good": b"Jeff\n", "bad": b"[]\n", "x.part": b"Jeff\n"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    code, _, err = call(*arguments)
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith("tagwright: error: ")
    assert message in last
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_no_bundle(call, tmp_path):
    code, out, err = call(stdin=b"Jeff\n", folder=tmp_path)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "this is not a bundle" in err
    folder = tiny_bundle(tmp_path / "run")
    (folder / "tokenizer.json").unlink()
    code, out, err = call(stdin=b"Jeff\n", folder=folder)
    assert (code, out) == (2, "")
    assert "the folder has no tokenizer" in err


@pytest.mark.parametrize(
    "text", ["", " ", "😀 👩‍👩‍👧\ufe0f", "a\0b", "שָׁלוֹם עוֹלָם", "e\u0301\u0301", "\u202e!"]
)
def test_odd_text(call, text):
    code, out, err = call(stdin=text.encode() + b"\n")
    assert (code, err) == (0, "")
    [record] = records(out)
    assert record["text"] == text
    assert all(text[found["start"] : found["end"]] == found["text"] for found in record["entities"])


@pytest.mark.long
def test_a_document_of_200_000_words(call, tmp_path):
    (tmp_path / "long.txt").write_text("Jeff Bezos left . " * 50_000)
    code, out, err = call(tmp_path / "long.txt", "--to", "conll")
    assert code == 0
    assert out.count("\n") == 200_001
    assert err.startswith("1 line, 200,000 words, ")


def start(bundle, *arguments):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*COMMAND, str(bundle), *arguments], env=ENVIRONMENT, **pipes)


def test_a_pipe_is_answered_line_by_line_until_an_interrupt(bundle):
    process = start(bundle)
    with process:
        for number in (1, 2):
            process.stdin.write(b"Jeff Bezos left\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 60)[0]
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdin.write(b"half a li")
        process.stdin.flush()
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err == b"tagwright: stopped after 2 lines\n"


def test_an_interrupt_keeps_what_was_written(bundle, tmp_path):
    process = start(bundle, "-o", str(tmp_path / "o.jsonl"))
    with process:
        process.stdin.write(b"Jeff\nBezos\n")
        process.stdin.flush()
        part = tmp_path / "o.jsonl.part"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (part.exists() and part.read_bytes().count(b"\n") == 2):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.decode() == f"tagwright: stopped after 2 lines; they are in {part}\n"
    assert [record["line"] for record in records(part.read_text())] == [1, 2]


def test_a_reader_that_leaves(bundle):
    process = start(bundle)
    process.stdout.close()
    process.stdin.write(b"Jeff\n" * 3)
    process.stdin.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 1


def test_a_pipe_in_place_of_a_file_is_read_from_its_beginning(call, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"Jeff\n" * 5000,))
    writer.start()
    code, out, err = call(pipe, "--to", "text")
    writer.join()
    assert (code, out.count("\n")) == (0, 5000)
    assert err.startswith("5,000 lines, 5,000 words, ")


def test_an_output_whose_links_go_round_in_a_circle(call, tmp_path):
    (tmp_path / "o").symlink_to("o")
    code, _, err = call("-o", tmp_path / "o", stdin=b"Jeff\n")
    assert (code, err) == (0, "")
    assert (tmp_path / "o").read_text().startswith('{"line": 1')


def test_a_name_that_is_too_long(call, tmp_path):
    code, _, err = call("-o", tmp_path / ("x" * 300), stdin=b"Jeff\n")
    assert (code, err.count("\n")) == (2, 1)
    assert "File name too long" in err


@pytest.mark.parametrize(
    "closed", ["<&-", *(pytest.param(each, marks=pytest.mark.long) for each in (">&-", ">&- 2>&-"))]
)
def test_streams_that_are_closed(bundle, tmp_path, closed):
    (tmp_path / "f").write_text("Jeff\n")
    line = " ".join(
        map(shlex.quote, [*COMMAND, str(bundle), *([] if closed[0] == "<" else [str(tmp_path / "f")])])
    )
    done = subprocess.run(["bash", "-c", f"{line} {closed}"], env=ENVIRONMENT, capture_output=True, text=True)
    if closed == "<&-":
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return
    assert done.returncode == 1
    assert done.stderr == (
        "" if "2>" in closed else "tagwright: error: stdout is closed; leave it open, or write to a file\n"
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk(call):
    code, _, err = call("-o", "/dev/full", stdin=b"Jeff\n")
    assert (code, err) == (
        1,
        "tagwright: error: /dev/full: cannot be written: No space left on device; "
        "free some space, or name a file on another disk\n",
    )


def test_colours_on_a_terminal(bundle, monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{TEXT} [b]Bezos[/b] :smile:\n".encode())))
    monkeypatch.setattr(sys, "stdout", Terminal(io.BytesIO()))
    assert run(["predict", str(bundle)]) == 0
    out = sys.stdout.buffer.getvalue().decode()
    assert "\x1b[1;" in out
    shown = re.sub(r"\x1b\[[\d;]*m", "", out)
    for label in TYPES:
        shown = shown.replace(f" {label}", "")
    assert shown == f"{TEXT} [b]Bezos[/b] :smile:\n"  # rich's own marks are text here
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    monkeypatch.setattr(sys, "stdout", Terminal(io.BytesIO()))
    assert run(["predict", str(bundle)]) == 0
    assert b"](" in sys.stdout.buffer.getvalue()


@pytest.mark.parametrize(
    ("arguments", "out", "shown"),
    [
        ("FILE -o OUT", "", True),
        pytest.param("FILE", "> OUT", True, marks=pytest.mark.long),
        ("FILE", "", False),  # coloured text, on the same terminal
        pytest.param("FILE", "| cat", False, marks=pytest.mark.long),  # it might be a pager
    ],
)
def test_progress_on_a_terminal(bundle, tmp_path, monkeypatch, arguments, out, shown):
    """A pseudo-terminal in place of the real one; the text itself comes through whole."""
    (tmp_path / "FILE").write_text(f"{TEXT}\n" * 30)
    words = " ".join(map(shlex.quote, [*COMMAND, str(bundle)]))
    main, other = os.openpty()
    environment = ENVIRONMENT | {"TERM": "xterm-256color", "NO_COLOR": "1", "COLUMNS": "120"}
    command = f"{words} {arguments} --chunk 10 {out}"
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=tmp_path, env=environment, stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    seen = b""
    while select.select([main], [], [], 60)[0]:
        try:
            seen += os.read(main, 65536)
        except OSError:  # the other end is closed
            break
    os.close(main)
    assert process.wait(60) == 0
    text = seen.decode().replace("\r\n", "\n")
    assert ("\x1b[" in text, "10 lines" in text) == (shown, shown)
    assert "30 lines, " in text
