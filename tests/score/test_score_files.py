"""`tagwright score` on files: positions, places, what is counted, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tagwright.cli.main import run
from tagwright.score.counts import score

GOLD = "# id = 1\nAda\tB-person\nLovelace\tI-person\nsings\tO\n\nin\tO\nParis\tB-location\n"


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


@pytest.fixture
def gold(tmp_path: Path) -> str:
    return write(tmp_path, "gold.conll", GOLD)


def test_text_output(gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pred = write(tmp_path, "pred.conll", GOLD.replace("B-person", "I-person"))
    assert run(["score", gold, pred]) == 0
    captured = capsys.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert lines[0] == ["lenient", "strict"]
    assert lines[1] == ["type", *["precision", "recall", "F1", "support"] * 2]
    assert ["all", "(micro)", *["1.0000"] * 3, "2", "1.0000", "0.5000", "0.6667", "2"] in lines
    assert ["mean", "(macro)", "1.0000", "0.5000"] in lines
    assert ["location", *["1.0000"] * 3, "1", *["1.0000"] * 3, "1"] in lines
    assert captured.out.splitlines()[-1] == ("accuracy 0.8000 · sentences 2 · words 5 · words lost 0")
    assert "pred.conll: 1 tag stands where iob2 does not allow it, first 'I-person'" in captured.err
    assert f"({pred}:2)" in captured.err


def test_json_is_one_object_and_nothing_else(
    gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pred = write(tmp_path, "pred.conll", GOLD.replace("Paris", "Rome"))
    assert run(["score", gold, pred, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == score(gold, pred).to_dict()
    assert json.loads(captured.out)["differing_words"] == 1
    assert (
        f"1 word differs at the same position, first 'Paris' ({gold}:7) and 'Rome' ({pred}:7)" in captured.err
    )


def test_other_line_ends_separators_and_columns(
    gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [line.split("\t") for line in GOLD.splitlines()[1:]]
    text = "".join(f"{row[1]} x {row[0]}\r\n" if len(row) == 2 else "\r\n\r\n" for row in rows)
    pred = write(tmp_path, "pred.conll", text.rstrip())
    same = write(tmp_path, "same.conll", text)
    assert run(["score", same, pred, "--word-column", "2", "--tag-column", "0", "--json"]) == 0
    expected = score(gold, gold).to_dict()
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # a word is missing
        (
            GOLD.replace("sings\tO\n", ""),
            "5 words in {gold}, 4 in {pred}; they part at {gold}:4 and {pred}:4;",
        ),
        (GOLD.replace("Ada\tB-person\n", ""), "they part at {gold}:2 and {pred}:2;"),
        # a sentence is missing at the end, or too many
        (GOLD.split("\n\n")[0], "they part at {gold}:6 and the end of {pred};"),
        (GOLD + "\nx\tO\n", "they part at the end of {gold} and {pred}:9;"),
        # the borders differ
        (
            GOLD.replace("sings\tO\n\n", "\nsings\tO\n"),
            "the sentence borders of {gold} and {pred} differ; they part at {gold}:4 and {pred}:4;",
        ),
    ],
)
def test_the_first_place_where_two_files_part_is_named(
    gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    pred = write(tmp_path, "pred.conll", text)
    assert run(["score", gold, pred]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message.format(gold=gold, pred=pred) in captured.err


def test_a_missing_sentence_is_found_by_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sentences = ["a\tO\n", "b\tO\n", "c\tO\nd\tO\n"]
    gold = write(tmp_path, "gold.conll", "\n".join(sentences))
    pred = write(tmp_path, "pred.conll", "\n".join(sentences[:1] + sentences[2:]))
    assert run(["score", gold, pred]) == 2
    assert f"they part at {gold}:3 and {pred}:3;" in capsys.readouterr().err

    sentences.insert(1, "e\tO\n")
    gold = write(tmp_path, "gold.conll", "\n".join(sentences))
    pred = write(tmp_path, "pred.conll", "\n".join(sentences[:1] + sentences[2:]))
    assert run(["score", gold, pred]) == 2
    assert f"the words differ sooner: 'e' ({gold}:3) and 'b' ({pred}:3);" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", [], "{pred}: the file is empty"),
        ("Ada\nLovelace\n", [], "the file holds words only"),
        (GOLD.replace("B-location", "S-location"), [], "{pred}:7: the tag 'S-location' does not belong to"),
        (GOLD.replace("B-location", "location"), [], "{pred}:7: the tag 'location' has no prefix"),
        (GOLD, ["--scheme", "bilou2"], "there is no scheme 'bilou2'"),
        (GOLD, ["--scheme", "io"], "{gold}:2: the tag 'B-person' does not belong to the scheme io"),
    ],
)
def test_bad_input_is_one_line(
    gold: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    arguments: list[str],
    message: str,
) -> None:
    pred = write(tmp_path, "pred.conll", text)
    assert run(["score", gold, pred, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message.format(gold=gold, pred=pred) in captured.err


def test_a_missing_file_is_one_line(gold: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", gold, "nowhere.conll"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert "nowhere.conll" in captured.err


def test_a_file_against_lists(gold: str) -> None:
    scores = score(gold, [["B-person", "I-person", "O"], ["O", "O"]])
    assert (scores.strict.precision, scores.strict.recall, scores.differing_words) == (1.0, 0.5, 0)


@pytest.mark.real
def test_the_real_test_split_against_itself(wnut17: Path) -> None:
    path = wnut17 / "emerging.test.annotated"
    scores = score(path, path)
    assert (scores.sentences, scores.lenient.support, scores.strict.support) == (1287, 1079, 1079)
    assert scores.strict.f1 == scores.lenient.macro_f1 == scores.accuracy == 1
    assert scores.notices == ()
