from __future__ import annotations

from itertools import chain
from pathlib import Path

import datasets
import pytest

from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import draw_documents, hold_out
from tagwright.data.split_files import split_files
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
    with pytest.raises(InputError, match="only one sentence: none can be held out"):
        hold_out(corpus(ROWS[:1]))
    with pytest.raises(InputError, match="only one sentence, in 3 copies: none"):
        hold_out(corpus(ROWS[:1] * 3))
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
    written = split_files(corpus(ROWS, documents), tmp_path / "out", shares={"validation": 0.2, "test": 0.2},
                          join_copies=False)  # fmt: skip
    back = read_corpus(tmp_path / "out")
    sizes = {"train": 60, "validation": 20, "test": 20}
    assert {name: len(rows) for name, rows in back.splits.items()} == sizes
    assert set(back.documents["test"]) | set(back.documents["validation"]) | set(
        back.documents["train"]
    ) == set(documents)
    assert list(written.files) == list(back.splits)
    assert {name: counts["sentences"] for name, counts in written.counts.items()} == sizes
    assert written.counts["test"] == {
        "sentences": 20, "words": 60, "mentions": 20, "documents": 10, "copies": 0,
    }  # fmt: skip
    assert (written.made, written.unit) == (["validation", "test"], "document")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "test.conll", "train.conll", "validation.conll",
    ]  # fmt: skip


def test_copies_stay_on_one_side_and_take_their_documents_along(tmp_path: Path) -> None:
    rows = [[f"word{number // 2}", "here"] for number in range(200)]  # each sentence twice
    apart = [f"odd {number // 4}" if number % 2 else f"even {number // 8}" for number in range(200)]
    for documents in (None, apart):
        shares = {"validation": 0.2, "test": 0.2}
        joined = split_files(corpus(rows, documents), tmp_path / "out", shares=shares, overwrite=True)
        assert [joined.counts[name]["copies"] for name in ("validation", "test")] == [0, 0]
        assert 30 <= joined.counts["validation"]["sentences"] <= 50
        loose = split_files(
            corpus(rows, documents), tmp_path / "out", shares=shares, join_copies=False, overwrite=True
        )
        assert loose.counts["validation"]["copies"] > 10
        assert sum(counts["sentences"] for counts in loose.counts.values()) == 200


def test_documents_that_copies_tie_into_one_are_not_drawn(tmp_path: Path) -> None:
    rows, documents = [*ROWS], [f"d{number // 10}" for number in range(100)]
    for number in range(9):
        rows[10 * number] = ["Thanks", "!"]
    with pytest.raises(InputError, match=r"tie 9 of the 9 documents together; .*--split-copies"):
        split_files(corpus(rows[:90], documents[:90]), tmp_path / "out", shares={"test": 0.1})
    written = split_files(corpus(rows, documents), tmp_path / "out", shares={"validation": 0.1})
    assert written.counts["validation"]["documents"] == 1
    assert "Thanks" not in (tmp_path / "out" / "validation.conll").read_text()


def test_text_that_conll_cannot_keep_is_written_as_json_lines(tmp_path: Path) -> None:
    source = tmp_path / "f.jsonl"
    source.write_text(
        "".join(
            f'{{"text": "w{n},x", "document": "{n // 3 or ""}", "spans": [[0, {len(str(n)) + 1}, "p"]]}}\n'
            for n in range(30)
        )
    )
    data = read_corpus(source)
    written = split_files(data, tmp_path / "out", shares={"validation": 0.2})
    assert {path.suffix for path in written.files.values()} == {".jsonl"}
    back = read_corpus(tmp_path / "out")
    rows = [row for part in back.splits.values() for row in part]
    assert sorted(row["text"] for row in rows) == sorted(data.splits["train"]["text"])
    assert all(
        row["tokens"] == [row["text"][a:b] for a, b in zip(row["starts"], row["ends"], strict=True)]
        for row in rows
    )
    assert sorted(chain.from_iterable(back.documents.values())) == sorted(data.documents["train"])


def test_words_that_conll_cannot_hold_are_written_as_json_lines(tmp_path: Path) -> None:
    written = split_files(corpus([[f"a {number} ", "b"] for number in range(20)]), tmp_path / "out")
    assert read_corpus(tmp_path / "out").splits["validation"]["tokens"][0][0].endswith(" ")
    assert written.files["train"].name == "train.jsonl"


def test_splits_that_are_there_are_kept(tmp_path: Path) -> None:
    once = hold_out(corpus(ROWS), 0.2, 3)
    split_files(once, tmp_path / "out", shares={"validation": 0.5, "test": 0.1})
    back = read_corpus(tmp_path / "out")
    assert back.splits["validation"]["tokens"][:] == once.splits["validation"]["tokens"][:]
    assert {name: len(rows) for name, rows in back.splits.items()} == {
        "train": 72, "validation": 20, "test": 8,
    }  # fmt: skip


def test_validation_is_what_training_would_hold_out(tmp_path: Path) -> None:
    split_files(corpus(ROWS), tmp_path / "out")
    assert held(read_corpus(tmp_path / "out")) == held(hold_out(corpus(ROWS)))


def test_files_are_replaced_only_when_asked(tmp_path: Path) -> None:
    out = tmp_path / "out"
    split_files(corpus(ROWS), out, shares={"validation": 0.1, "test": 0.1})
    before = (out / "train.conll").read_text()
    with pytest.raises(InputError, match=r"test\.conll: the file is there already; give --overwrite"):
        split_files(corpus(ROWS), out, seed=1)
    assert (out / "train.conll").read_text() == before
    split_files(corpus(ROWS), out, seed=1, overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == ["train.conll", "validation.conll"]
    (out / "my_test.conll").write_text("a\tO\n")
    with pytest.raises(InputError, match=r"my_test\.conll: this file claims a split as well"):
        split_files(corpus(ROWS), out, overwrite=True)


def test_the_source_is_not_written_over(tmp_path: Path) -> None:
    source = tmp_path / "train.conll"
    source.write_text("".join(f"w{number}\tB-x\n\n" for number in range(20)))
    for named in (source, tmp_path):
        with pytest.raises(InputError, match="the data itself lies there"):
            split_files(read_corpus(named), tmp_path, overwrite=True)


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ({"validation": 0}, "there is no split to make: the data has train"),
        ({"validation": 0.6, "test": 0.4}, "the shares of validation and test leave nothing for train"),
        ({"test": 1.0}, "a share of 1 for test"),
        ({"test": -0.1}, "a share of -0.1 for test"),
        ({"test": float("nan")}, "a share of nan for test"),
        ({"dev": 0.1}, "a split cannot be called 'dev'"),
    ],
)
def test_wrong_shares_are_refused_before_anything_is_written(tmp_path: Path, shares, line) -> None:
    with pytest.raises(InputError, match=line):
        split_files(corpus(ROWS), tmp_path / "out", shares=shares)
    assert not (tmp_path / "out").exists()
