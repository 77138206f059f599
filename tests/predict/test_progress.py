"""The line that shows how far a run is."""

import gzip
import io
import random
import re

import pytest
from rich.console import Console

from tagwright.predict.files import Summary
from tagwright.predict.inputs import STDIN, Inputs, Place
from tagwright.predict.progress import Meter


def shown(inputs, *, wanted=True, **options):
    """Read the inputs to their end and return what a terminal got, drawing by drawing."""
    out = io.StringIO()
    options = {"force_terminal": True, "width": 150, "height": 10, "legacy_windows": False} | options
    console = Console(file=out, **options)
    summary = Summary()
    with Meter(inputs, wanted=wanted, console=console, seconds=0.0) as meter:
        for line in inputs:
            summary.lines += 1
            summary.words += 10
            summary.bad += line.text == "bad"
            if summary.lines % 200 == 1:
                meter.show(summary)
        meter.show(summary)
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", out.getvalue())
    return [drawn.strip() for drawn in re.split(r"[\r\n]", plain) if "lines" in drawn]


@pytest.fixture
def files(tmp_path):
    chosen = random.Random(0)
    rows = [f"{chosen.random()} {chosen.random()}\n".encode() for _ in range(4_000)]
    data = b"".join([*rows[:2_000], b"bad\n", *rows[2_000:]])
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(data))
    return [tmp_path / "a.txt", tmp_path / "b.txt.gz"]


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1]])
def test_shares_of_the_bytes_as_they_lie_on_the_disk(files, chosen):
    inputs = Inputs([files[number] for number in chosen])
    lines = [line for line in shown(inputs) if "%" in line]
    shares = [int(re.search(r"(\d+)%", line)[1]) for line in lines]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert f"{4_001 * len(chosen):,} lines" in lines[-1]
    assert f"  {len(chosen)} bad  " in lines[-1]
    assert re.search(r"  [\d,]+ words/s  0:00 left$", lines[-1])


def test_parquet_counts_its_rows(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"text": ["a b"] * 50}), tmp_path / "a.parquet")
    lines = shown(Inputs([tmp_path / "a.parquet"]))
    assert " 2%  1 lines" in lines[0]
    assert " 100%  50 lines" in lines[-1]


def test_a_resumed_run_counts_its_own_speed(files):
    inputs = Inputs(files[:1])
    inputs.place = Place(0, 2_001, 90_000)
    first = shown(inputs)[0]
    assert re.search(r"\d\d%  1 lines$", first)


def test_stdin_has_no_end_that_is_known(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    lines = shown(Inputs([STDIN]))
    assert all("%" not in line and "left" not in line for line in lines)
    assert "2 lines  " in lines[-1]


@pytest.mark.parametrize(
    "options", [{"force_terminal": False}, {"wanted": False}, {"_environ": {"TERM": "dumb"}}]
)
def test_nothing_where_no_line_can_be_redrawn(files, options):
    assert shown(Inputs(files), **options) == []


def test_the_line_is_gone_at_the_end(files):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, legacy_windows=False)
    with Meter(Inputs(files), console=console, seconds=0.0) as meter:
        meter.show(Summary(lines=3))
    assert out.getvalue().rstrip("\r\n").endswith("\x1b[2K")
    assert "\x1b[?25h" in out.getvalue()  # and the cursor is back
