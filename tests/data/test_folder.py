from __future__ import annotations

import os
from pathlib import Path

import pytest

from tagwright.data.load import read_corpus
from tagwright.errors import InputError

LINE = "a\tB-x\n"


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(LINE)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ("train.conll", "dev.conll", "test.conll"),
        ("my-Train.txt", "my-valid.txt", "my-TEST.txt"),
        ("en_train", "en_validation", "en_test"),
        (
            "train.conll",
            "emerging.dev.conll",
            "emerging.test.annotated",
            "README.md",
            "SHA256SUMS",
            ".train.swp",
        ),
    ],
)
def test_files_belong_to_the_split_in_their_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    corpus = read_corpus(fill(tmp_path, *names))
    assert list(corpus.splits) == ["train", "validation", "test"]
    assert corpus.notices == []


def test_files_without_a_split_in_their_name_are_told(tmp_path: Path) -> None:
    corpus = read_corpus(fill(tmp_path, "train.conll", "gazetteer.txt"))
    assert corpus.notices == [f"{tmp_path}: left out: gazetteer.txt; only files named for a split are read"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no file in the folder is named for a split; name the files train"),
        (("a.conll", "b.conll"), r"no file in the folder is named for a split; it holds a\.conll, b\.conll"),
        (("train.conll", "train.txt"), r"several files claim the train split: train\.conll, train\.txt"),
        (("dev.conll", "valid.conll"), "several files claim the validation split"),
        (("traindev.conll",), r"the name of traindev\.conll names several splits: train, validation"),
    ],
)
def test_unclear_folders_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_corpus(fill(tmp_path, *names))


@pytest.mark.parametrize(
    ("name", "split"), [("corpus.conll", "train"), ("dev.conll", "validation"), ("x.test", "test")]
)
def test_one_file_is_one_split(tmp_path: Path, name: str, split: str) -> None:
    assert list(read_corpus(fill(tmp_path, name) / name).splits) == [split]
    assert list(read_corpus(str(tmp_path / name)).splits) == [split]


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        ("owner/name", "for a dataset of the Hub write hub:owner/name"),
        ("wnut16", r"a name of the catalogue \(sample, wnut17\)"),
        ("", "no data is named"),
        ("/no/such/file.conll", "there is no such file or folder"),
    ],
)
def test_a_source_that_is_not_there(source: str, mend: str) -> None:
    with pytest.raises(InputError, match=mend):
        read_corpus(source)


def test_an_empty_file_names_itself(tmp_path: Path) -> None:
    fill(tmp_path, "train.conll")
    (tmp_path / "test.conll").write_text("")
    with pytest.raises(InputError, match=r"test\.conll: the file is empty"):
        read_corpus(tmp_path)


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "train.conll")
    (tmp_path / "test.conll").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"test\.conll: there is no such file"):
        read_corpus(tmp_path)


def test_a_folder_or_pipe_with_the_name_of_a_split_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "train.conll")
    (tmp_path / "test").mkdir()
    (tmp_path / "checkpoints").mkdir()
    os.mkfifo(tmp_path / "dev.conll")
    corpus = read_corpus(tmp_path)
    assert list(corpus.splits) == ["train"]
    assert corpus.notices == [
        f"{tmp_path}: left out: dev.conll, test/; only files named for a split are read"
    ]


def test_a_pipe_whose_format_is_not_told_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train")
    with pytest.raises(
        InputError, match="train: this is a pipe, which can be read only once; write it to a file"
    ):
        read_corpus(tmp_path / "train")


@pytest.mark.real
def test_the_wnut17_folder_works_as_it_lies(wnut17: Path) -> None:
    corpus = read_corpus(wnut17)
    assert {split: len(rows) for split, rows in corpus.splits.items()} == {
        "train": 3394,
        "validation": 1009,
        "test": 1287,
    }
    begins = {number for number, name in enumerate(corpus.labels.names) if name.startswith("B-")}
    mentions = {
        split: sum(tag in begins for tags in rows["ner_tags"] for tag in tags)
        for split, rows in corpus.splits.items()
    }
    assert mentions == {"train": 1975, "validation": 836, "test": 1079}
    assert not corpus.invalid
    assert not corpus.notices
