from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import draw_documents, hold_out, split_files
from tagwright.errors import InputError


def corpus(rows: list[list[str]], documents: list[str] | None = None) -> Corpus:
    columns: dict[str, list] = {"tokens": rows, "tags": [["B-x"] + ["O"] * (len(row) - 1) for row in rows]}
    if documents:
        columns["document"] = documents
    return read_corpus(datasets.Dataset.from_dict(columns))


ROWS = [[f"word{number}", "and", "more"] for number in range(100)]


def held(data: Corpus) -> set[str]:
    return {tokens[0] for tokens in data.splits["validation"]["tokens"]}


def test_a_tenth_of_the_sentences_is_held_out_and_nothing_is_lost() -> None:
    data = corpus(ROWS)
    split = hold_out(data)
    assert {name: len(rows) for name, rows in split.splits.items()} == {"train": 90, "validation": 10}
    everything = [tokens for rows in split.splits.values() for tokens in rows["tokens"]]
    assert sorted(everything) == sorted(ROWS)
    assert split.notices == [
        "no validation split: 10 of 100 train sentences were held out by sentence (share 0.1, seed 0)"
    ]
    assert split.sha256 == data.sha256
    assert list(data.splits) == ["train"]
    assert not data.notices


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    first = held(hold_out(corpus(ROWS), 0.2, 1))
    assert held(hold_out(corpus(ROWS[::-1]), 0.2, 1)) == first
    assert held(hold_out(corpus(ROWS), 0.2, 2)) != first


def test_documents_stay_whole_whatever_the_order_of_rows() -> None:
    documents = [f"d{number // 5}" for number in range(100)]
    split = hold_out(corpus(ROWS, documents))
    assert len(split.splits["validation"]) == 10
    assert not set(split.documents["validation"]) & set(split.documents["train"])
    assert len(split.documents["train"]) == 90
    assert "held out by document" in split.notices[-1]
    assert held(hold_out(corpus(ROWS[::-1], documents[::-1]))) == held(split)


def test_copies_of_a_sentence_stay_together() -> None:
    drawn = draw_documents([["a"]] * 50 + [["b"]] * 50, None, 0.1, 0)
    assert len(drawn) == 50
    assert len({row // 50 for row in drawn}) == 1


def test_text_and_offsets_come_along(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(
        "".join(f'{{"text": "w{n} , x", "spans": [[0, {len(str(n)) + 1}, "p"]]}}\n' for n in range(30))
    )
    split = hold_out(read_corpus(path))
    for rows in split.splits.values():
        for row in rows:
            words = [row["text"][start:end] for start, end in zip(row["starts"], row["ends"], strict=True)]
            assert words == row["tokens"]


def test_what_cannot_be_held_out_is_refused() -> None:
    with pytest.raises(InputError, match="only one document"):
        hold_out(corpus(ROWS[:1]))
    with pytest.raises(InputError, match="only one document"):
        hold_out(corpus(ROWS, ["d"] * 100))
    with pytest.raises(InputError, match="a share of 1 cannot be held out"):
        hold_out(corpus(ROWS), 1.0)
    with pytest.raises(InputError, match="has a validation split already"):
        hold_out(hold_out(corpus(ROWS)))
    with pytest.raises(InputError, match="a split cannot be called 'dev'; call it validation or test"):
        hold_out(corpus(ROWS), name="dev")


def test_split_files_writes_what_reads_back(tmp_path: Path) -> None:
    documents = [f"d{number // 2}" for number in range(100)]
    files = split_files(corpus(ROWS, documents), tmp_path / "out", shares={"validation": 0.2, "test": 0.2})
    back = read_corpus(tmp_path / "out")
    assert {name: len(rows) for name, rows in back.splits.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    assert set(back.documents["test"]) | set(back.documents["validation"]) | set(
        back.documents["train"]
    ) == set(documents)
    assert list(files) == list(back.splits)
    with pytest.raises(InputError, match="the file is there already"):
        split_files(corpus(ROWS), tmp_path / "out")
