"""`scripts/corrupt_labels.py` does what it lists, exactly, and it can be undone."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tagwright.data.conll import parse_conll
from tagwright.tags import Scheme, spans_of
from tests.train.toy import conll, sentences

SCRIPT = Path(__file__).parents[1] / "scripts" / "corrupt_labels.py"
TEXT = conll(sentences(80, 0))


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("corrupt_labels", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entities(text, scheme=Scheme.IOB2):
    rows = parse_conll(text, "text")
    return [set(spans_of(tags, scheme)) for tags in rows.sequences(rows.tags)]


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_exactly_the_share_is_corrupted_and_listed(script, share):
    copy, errors = script.corrupt(TEXT, share=share)
    before, after = entities(TEXT), entities(copy)
    count = sum(map(len, before))
    assert len(errors) == round(share * count)
    kinds = [error["kind"] for error in errors]
    assert max(map(kinds.count, script.KINDS)) - min(map(kinds.count, script.KINDS)) <= 1
    gone = [(number, span) for number, spans in enumerate(before) for span in spans - after[number]]
    listed = [(e["sentence"], tuple(e["entity"][key] for key in ("label", "start", "end"))) for e in errors]
    assert sorted(gone) == sorted(listed)
    new = [span for number, spans in enumerate(after) for span in spans - before[number]]
    assert len(new) == len(errors) - kinds.count("deleted")  # and nothing else is different


def test_each_kind_is_what_it_is_called(script):
    copy, errors = script.corrupt(TEXT, share=0.5, seed=3)
    after = entities(copy)
    for error in errors:
        label, start, end = (error["entity"][key] for key in ("label", "start", "end"))
        touching = {span for span in after[error["sentence"]] if span[1] < end and start < span[2]}
        if error["kind"] == "deleted":
            assert touching == set()
            continue
        [(other, first, last)] = touching
        if error["kind"] == "type":
            assert (first, last) == (start, end)
            assert other != label
        else:
            assert other == label
            assert abs(first - start) + abs(last - end) == 1


def test_the_seed_decides(script):
    assert script.corrupt(TEXT, seed=1) == script.corrupt(TEXT, seed=1)
    assert script.corrupt(TEXT, seed=1)[0] != script.corrupt(TEXT, seed=2)[0]


def test_a_mix_is_kept(script):
    _, errors = script.corrupt(TEXT, share=0.2, mix={"type": 3, "deleted": 1})
    kinds = [error["kind"] for error in errors]
    assert kinds.count("type") > 2 * kinds.count("deleted") > 0
    assert "border" not in kinds
    with pytest.raises(ValueError, match="makes no sense"):
        script.corrupt(TEXT, mix={"typo": 1})


def lines_of(text):
    return text.replace("\r\n", "\n").split("\n")


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\t", "  x "),
        TEXT.replace("\t", "\t\tNN\t"),
        "# id = first\n" + TEXT.replace("\n\n", "\n \t\n").rstrip(),
    ],
    ids=["tabs", "crlf", "blanks", "empty cells", "comments"],
)
def test_everything_but_the_tags_stays_and_the_list_undoes_it(script, text):
    copy, errors = script.corrupt(text, share=0.2)
    assert script.restore(copy, errors) == text
    rows, other = parse_conll(text, "text"), parse_conll(copy, "copy")
    assert (rows.words, rows.lines, rows.ids) == (other.words, other.lines, other.ids)
    allowed = {error["line"] + word for error in errors for word in range(len(error["words"]))}
    pairs = zip(lines_of(text), lines_of(copy), strict=True)
    changed = {number for number, (old, new) in enumerate(pairs, 1) if old != new}
    assert changed
    assert changed <= allowed


@pytest.mark.parametrize("scheme", [Scheme.IOB1, Scheme.IO, Scheme.BIOES])
def test_other_schemes(script, scheme):
    from tagwright.tags import convert_tags

    plain = sentences(80, 0)
    tags = convert_tags([[tag for _, tag in row] for row in plain], Scheme.IOB2, scheme)
    rows = [
        [(word, tag) for (word, _), tag in zip(row, own, strict=True)]
        for row, own in zip(plain, tags, strict=True)
    ]
    text = conll(rows)
    copy, errors = script.corrupt(text, share=0.2)
    assert script.restore(copy, errors) == text
    before, after = entities(text, scheme), entities(copy, scheme)
    assert sum(len(spans - after[number]) for number, spans in enumerate(before)) == len(errors)


def test_the_command(tmp_path):
    source, copy, listed = (tmp_path / name for name in ("train.conll", "copy.conll", "errors.json"))
    source.write_text(TEXT)
    call = [sys.executable, str(SCRIPT), str(source), str(copy), str(listed)]
    done = subprocess.run([*call, "--mix", "deleted=1"], capture_output=True, text=True, check=True)
    errors = json.loads(listed.read_text())
    assert f"{len(errors)} entities are labelled wrongly" in done.stdout
    assert {error["kind"] for error in errors} == {"deleted"}
    wrong = subprocess.run([*call, "--share", "2"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "--share 2: give one above 0" in wrong.stderr
