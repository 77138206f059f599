"""`tagwright split` from the outside."""

from __future__ import annotations

import json

import pytest

COMMAND = "split"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "all.conll"
    path.write_text("".join(f"number{n}\tO\nNew\tB-x\nYork\tI-x\n\n" for n in range(40)))
    return path


def test_files_and_counts(call, data, tmp_path):
    code, out, err = call(data, "-o", tmp_path / "out", "--test", "0.2")
    assert code == 0
    lines = out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        str(tmp_path / "out" / f"{name}.conll") for name in ("train", "validation", "test")
    ]
    assert [line.split()[1] for line in lines] == ["28", "4", "8"]
    assert lines[0].endswith(": 28 sentences, 84 words, 28 mentions")
    assert (
        "tagwright: no test split: 8 of 36 train sentences were held out by sentence (share 0.2, seed 0)"
        in err
    )


def test_one_is_not_called_many(call, data, tmp_path):
    _, out, _ = call(data, "-o", tmp_path / "out", "--validation", "0.01")
    assert out.splitlines()[1].endswith(": 1 sentence, 3 words, 1 mention")


def test_data_without_train_is_refused(call, tmp_path):
    (tmp_path / "dev.conll").write_text("York\tB-x\n")
    code, _, err = call(tmp_path / "dev.conll", "-o", tmp_path / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert "the data has no train split, only validation" in err


def test_json_alone_on_stdout(call, data, tmp_path):
    code, out, _ = call(data, "-o", tmp_path / "out", "--json", "--seed", "3")
    told = json.loads(out)
    assert code == 0
    assert (told["made"], told["unit"], told["seed"]) == (["validation"], "sentence", 3)
    assert told["splits"]["validation"]["sentences"] == 4
    assert told["splits"]["validation"]["copies"] == 0
    assert told["splits"]["train"]["file"] == str(tmp_path / "out" / "train.conll")


def test_copies_are_told(call, tmp_path):
    path = tmp_path / "all.conll"
    path.write_text("".join(f"w{number // 2}\tB-x\n\n" for number in range(100)))
    code, out, _ = call(path, "-o", tmp_path / "out", "--validation", "0.3", "--split-copies")
    assert code == 0
    assert "of the sentences also in train" in out


def test_nothing_is_written_over_unasked(call, data, tmp_path):
    assert call(data, "-o", tmp_path / "out")[0] == 0
    code, out, err = call(data, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.count("error:") == 1
    assert call(data, "-o", tmp_path / "out", "--overwrite")[0] == 0


def test_flags_of_the_data(call, tmp_path):
    path = tmp_path / "all.txt"
    path.write_text("".join(f"B-x\tw{number}\n\n" for number in range(20)))
    code, _, _ = call(path, "-o", tmp_path / "out", "--word-column", "1", "--tag-column", "0")
    assert code == 0
    assert "w3\tB-x" in (tmp_path / "out" / "train.conll").read_text()
