"""`tagwright annotate`: what it says and how it exits; on Ray itself in tests/scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'tagwright[scale]'")
pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'tagwright[scale]'")

from tagwright.cli.main import run
from tests.models import tiny_bundle
from tests.scale.corpora import Here, write_corpus


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpora") / "in", 50)


@pytest.fixture(autouse=True)
def here(monkeypatch) -> None:
    monkeypatch.setattr("tagwright.scale.annotate.Cluster", Here)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which a worker sets


def annotate(*arguments: Any) -> int:
    return run(["annotate", *map(str, arguments), "--precision", "fp32"])


def test_what_was_done_is_said_and_exits_0_though_rows_were_rejected(bundle, corpus, tmp_path, capsys):
    assert annotate(bundle, corpus, tmp_path / "out") == 0

    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("95 rows, ")
    assert f" in 2 files in {tmp_path / 'out'}; " in first
    assert "words/s (torch, fp32, cpu)" in first
    assert second.startswith(
        f"5 of 100 rows could not be tagged, see {tmp_path / 'out'}/_rejects; the first: "
    )
    assert "0.jsonl:17: not JSON" in second


def test_json_is_one_object_and_a_finished_folder_says_the_same(bundle, corpus, tmp_path, capsys):
    assert annotate(bundle, corpus, tmp_path / "out", "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert annotate(bundle, corpus, tmp_path / "out", "--json") == 0
    out, err = capsys.readouterr()
    again = json.loads(out)

    assert "out is finished already; nothing is left to do" in err
    assert (first["rows"], first["written"], first["rejected"], first["fragments"]) == (100, 95, 5, 2)
    assert first["words_now"] == first["words"] > 0
    for name in ("seconds", "done_before", "words_now"):
        del first[name], again[name]
    assert first == again


def test_columns_and_rows_are_chosen(bundle, corpus, tmp_path, capsys):
    options = (
        "--to",
        "jsonl",
        "--columns",
        "id, text",
        "--where",
        "id < 10",
        "--into",
        "found",
        "--limit",
        "3",
    )

    assert annotate(bundle, corpus, tmp_path / "out", *options) == 0

    rows = (tmp_path / "out" / "part-000000.jsonl").read_text(encoding="utf-8").splitlines()
    assert [sorted(json.loads(row)) for row in rows] == [["found", "id", "text"]] * 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere", "CORPUS", "OUT"), "nowhere: there is no such folder"),
        (("BUNDLE", "nowhere", "OUT"), "nowhere"),
        (("BUNDLE", "CORPUS", "ftp://host/out"), "ftp:// is not read or written; name a path"),
        (("BUNDLE", "CORPUS", "CORPUS/out"), "the output lies in the input"),
        (("BUNDLE", "CORPUS", "OUT", "--fragment-rows", "1000"), "--fragment-rows is 1000"),
        (("BUNDLE", "CORPUS", "OUT", "--where", "colour = 1"), "colour"),
        (("BUNDLE", "CORPUS", "OUT", "--columns", "colour"), "colour"),
        (("BUNDLE", "CORPUS", "OUT", "--field", "colour"), "colour"),
    ],
)
def test_a_wrong_call_is_one_line_and_exits_2(bundle, corpus, tmp_path, capsys, arguments, said):
    names = {"BUNDLE": bundle, "CORPUS": corpus, "OUT": tmp_path / "out"}
    given = [str(names.get(each, each)).replace("CORPUS", str(corpus)) for each in arguments]

    assert annotate(*given) == 2

    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("tagwright: error: ")
    assert said in line
    assert not (tmp_path / "out").exists()


def test_a_failed_fragment_exits_1(bundle, corpus, tmp_path, capsys, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("tagwright.scale.tagging.tag_fragment", fail)

    assert annotate(bundle, corpus, tmp_path / "out") == 1

    [line] = capsys.readouterr().err.splitlines()
    assert (
        "2 fragments failed (0, 1); the first: internal error: ZeroDivisionError: x; 0 of 2 fragments" in line
    )
