"""`tagwright score` on files: positions, places, what is counted, and what it prints."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from tagwright.cli.main import run
from tagwright.errors import InputError
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
    assert lines[1] == ["type", *["precision", "recall", "F1", "95%", "interval", "support"] * 2]
    rows = {line[0]: line for line in lines if line and line[:2] != ["all", "types"]}
    assert rows["all"][2:9] == [*["1.0000"] * 4, "to", "1.0000", "2"]
    assert rows["all"][9:12] == ["1.0000", "0.5000", "0.6667"]
    assert rows["location"][1:4] == ["1.0000"] * 3
    assert rows["surface"][1:] == ["1.0000"] * 3
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


def test_ignored_words_may_differ_or_be_absent(
    gold: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = score(gold, gold)
    other = write(tmp_path, "other.conll", GOLD.replace("Ada", "Eva").replace("sings", "sang"))
    alone = write(tmp_path, "alone.conll", "B-person\nI-person\nO\n\nO\nB-location\n")
    for pred in (other, alone):
        assert run(["score", gold, pred, "--ignore-words", "--json"]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out) == whole.to_dict()
        assert "differ" not in captured.err
    assert score(gold, other).differing_words == 2
    # Forms are in gold's words; where gold has none, there are no forms.
    assert score(alone, gold, ignore_words=True).surface is None
    assert run(["score", gold, alone]) == 2
    assert "alone.conll:1: the file holds words only" in capsys.readouterr().err
    longer = write(tmp_path, "longer.conll", "B-person\nI-person\nO\nO\n\nO\nB-location\n")
    assert run(["score", gold, longer, "--ignore-words"]) == 2
    assert f"they part at {gold}:5 and {longer}:4;" in capsys.readouterr().err


DOCUMENTS = "".join(
    f"# newdoc id = {name}\n"
    + "Ada\tB-person\nLovelace\tI-person\nsings\tO\n\nin\tO\nParis\tB-location\n\n" * size
    for name, size in (("a", 1), ("b", 3), ("c", 2), ("d", 4))
)


@pytest.mark.parametrize("part_words", [1, 7, 16, 40, 10_000])
def test_files_read_in_parts_give_the_same_scores(tmp_path: Path, part_words: int) -> None:
    gold = write(tmp_path, "gold.conll", DOCUMENTS)
    pred = write(
        tmp_path, "pred.conll", DOCUMENTS.replace("Ada\tB-person", "Eva\tO", 3).replace("\n", "\r\n")
    )
    whole, parts = score(gold, pred), score(gold, pred, part_words=part_words)
    assert parts == whole
    assert parts.to_dict() == whole.to_dict()
    assert parts.notices == whole.notices
    assert (whole.differing_words, whole.lenient_units.documents.units) == (3, 4)
    assert whole.to_dict()["interval_unit"] == "documents"


def test_what_is_wrong_far_into_a_file_is_named_by_its_line(tmp_path: Path) -> None:
    gold = write(tmp_path, "gold.conll", DOCUMENTS)
    lines = DOCUMENTS.count("\n")
    for text, message in (
        (DOCUMENTS + "Ada\n", f"{lines + 1}: too few columns"),
        (DOCUMENTS + "Ada\tO\n", f"they part at the end of {gold} and .*pred.conll:{lines + 1};"),
        (DOCUMENTS[:-12] + "S-location\n\n", f"{lines - 1}: the tag 'S-location' does not belong to the"),
    ):
        pred = write(tmp_path, "pred.conll", text)
        with pytest.raises(InputError, match=message) as found:
            score(gold, pred, part_words=8)
        assert "pred.conll" in str(found.value)


def test_invalid_utf8_is_named_by_its_place_in_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "gold.conll"
    path.write_bytes(b"a\tO\n\n" * 1000 + b"\xff\tO\n")
    with pytest.raises(InputError, match=r"gold.conll:2001: invalid UTF-8: byte 0xff at offset 5000"):
        score(path, path, part_words=8)


def test_a_scheme_that_shows_late_is_found_all_the_same(tmp_path: Path) -> None:
    first = "a\tI-x\nb\tI-x\n\n" * 20  # so far IO: one span
    gold = write(tmp_path, "gold.conll", first + "c\tB-x\nd\tE-x\n")
    whole = score(gold, gold)
    assert whole.strict.support == 1  # BIOES: an I begins nothing
    assert score(gold, gold, part_words=4) == whole
    assert score(gold, gold, part_words=4).notices == whole.notices


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_can_be_scored_and_says_so_where_it_cannot(tmp_path: Path) -> None:
    text = "a\tI-x\nb\tI-x\n\n" * 20
    late = text + "c\tB-x\nd\tE-x\n"
    for content in (text, late):
        gold = write(tmp_path, "gold.conll", content)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_text, args=(content,))
        writer.start()
        if content is text:
            assert score(gold, pipe, part_words=4).lenient.f1 == 1
        else:
            with pytest.raises(InputError, match="read only once; give --scheme bioes, or a file"):
                score(gold, pipe, part_words=4)
        writer.join()
        pipe.unlink()


@pytest.mark.real
def test_the_real_test_split_against_itself(wnut17: Path) -> None:
    path = wnut17 / "emerging.test.annotated"
    scores = score(path, path)
    assert (scores.sentences, scores.lenient.support, scores.strict.support) == (1287, 1079, 1079)
    assert scores.strict.f1 == scores.lenient.macro_f1 == scores.accuracy == 1
    assert scores.notices == ()
