"""`tagwright compare` from the outside: its page is run, and shows what it shows."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from pathlib import Path

import pytest

from tests.models import tiny_bundle
from tests.train.toy import write_corpus

PAGE = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")


COMMAND = "compare"


def test_the_page_shows_what_the_command_prints(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sessions = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if block.startswith(">>>")
    ]
    session = doctest.DocTestParser().get_doctest("\n".join(sessions), {}, "compare.md", None, 0)
    assert doctest.DocTestRunner().run(session).failed == 0

    [(line, shown)] = re.findall(r"```console\n\$ tagwright compare ([^\n]*)\n(.*?)```", PAGE, re.DOTALL)
    code, out, err = call(*shlex.split(line))
    assert (code, err) == (0, "")
    assert out.split() == shown.split()

    code, out, _ = call(*shlex.split(line), "--json")
    found = json.loads(out)
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    example = json.loads(example)
    assert set(example) == set(found)
    assert set(example["systems"][0]) == set(found["systems"][0])
    assert example["systems"][0]["f1"] == pytest.approx(found["systems"][0]["f1"], abs=5e-5)
    assert set(example["pairs"][0]) == set(found["pairs"][0])


def test_taggers_and_a_file_on_a_split(call, tmp_path):
    corpus = write_corpus(tmp_path / "toy")
    labels = ["O", "B-location", "I-location", "B-person", "I-person"]
    runs = [tiny_bundle(tmp_path / f"run{seed}", labels=labels, seed=seed) for seed in (1, 2)]
    gold = next(corpus.glob("test*"))
    code, out, err = call(*runs, gold, "--data", corpus, "--precision", "fp32", "--rounds", 200)
    assert code == 0
    assert "is it the gold file?" in err
    assert "is better than run1 on these 16 sentences" in out
    assert "another seed moves F1" in out
    code, out, _ = call(*runs, gold, "--data", corpus, "--split", "validation", "--precision", "fp32")
    assert (code, out) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((), "there are no gold tags"),
        (("gold.conll", "gold.conll"), "there is only one system"),
        (("gold.conll", "none.conll", "gold.conll"), "none.conll: there is no such file or folder"),
        (("gold.conll", "gold.conll", "folder"), "folder is a folder: a tagger needs labelled data"),
        (("folder", "folder"), "without --data the gold file comes first"),
        (
            ("gold.conll", "gold.conll", "short.conll"),
            "3 words in gold.conll, 2 in short.conll; they part at",
        ),
        (("gold.conll", "gold.conll", "gold.conll", "--reading", "x"), "there is no reading 'x'"),
        (("gold.conll", "gold.conll", "gold.conll", "--split", "test"), "--split is for --data"),
        (("gold.conll", "gold.conll", "gold.conll", "--precision", "fp32"), "--precision is for --data"),
        (("gold.conll", "gold.conll", "gold.conll", "--repair"), "--repair is for --data, and there is none"),
        (("gold.conll", "--group", "a"), "--group a names no runs"),
        (("gold.conll", "--group", "a=gold.conll", "--group", "b=gold.conll"), "'a' has only one run"),
        (("folder", "gold.conll", "--data", "gold.conll", "--split", "train"), "this is not a bundle"),
    ],
)
def test_wrong_calls_are_one_line(call, tmp_path, monkeypatch, arguments, what):
    monkeypatch.chdir(tmp_path)
    Path("gold.conll").write_text("Ada\tB-person\nmet\tO\n\nBob\tB-person\n")
    Path("short.conll").write_text("Ada\tB-person\n\nBob\tB-person\n")
    Path("folder").mkdir()
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert what in err


def test_a_file_twice_is_noticed(call, tmp_path):
    file = tmp_path / "gold.conll"
    file.write_text("Ada\tB-person\nmet\tO\n\nBob\tO\n")
    code, out, err = call(file, file, file, "--json")
    assert code == 0
    assert "gold (2) and gold are the same file" in err
    [pair] = json.loads(out)["pairs"]
    assert (pair["difference"], pair["interval"], pair["p"]) == (0.0, [0.0, 0.0], 1.0)
