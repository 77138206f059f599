from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from tagwright.config import DataSettings
from tagwright.data.hub import parse_hub, read_hub
from tagwright.data.load import load_data, read_corpus
from tagwright.errors import InputError, RunError

WORDS = [
    (["Ana", "lives", "in", "São", "Paulo"], ["B-person", "O", "O", "B-location", "I-location"]),
    (["Hi"], ["O"]),
]
NAMES = ["O", "B-location", "I-location", "B-person", "I-person"]


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def table(kind: str = "names") -> datasets.Dataset:
    tags = [tags for _, tags in WORDS]
    columns: dict[str, Any] = {"tokens": [words for words, _ in WORDS]}
    if kind == "names":
        return datasets.Dataset.from_dict(columns | {"tags": tags})
    numbers = [[NAMES.index(tag) for tag in row] for row in tags]
    if kind == "numbers":
        return datasets.Dataset.from_dict(columns | {"tags": numbers})
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=NAMES)),
        }
    )
    return datasets.Dataset.from_dict(columns | {"ner_tags": numbers}, features=features)


def write(kind: str, folder: Path) -> Path:
    folder.mkdir()
    if kind == "conll":
        text = "\n\n".join("\n".join(map("\t".join, zip(*row, strict=True))) for row in WORDS)
        (folder / "train.txt").write_text(text, encoding="utf-8")
    elif kind == "jsonl":
        write_lines(folder / "train.jsonl", *({"tokens": words, "tags": tags} for words, tags in WORDS))
    elif kind == "words and labels":
        write_lines(folder / "train.data", *({"words": words, "labels": tags} for words, tags in WORDS))
    elif kind == "numbers":
        rows = ({"tokens": words, "ner_tags": [NAMES.index(tag) for tag in tags]} for words, tags in WORDS)
        write_lines(folder / "train.jsonl", *rows)
        (folder / "labels.txt").write_text("\n".join(NAMES) + "\n")
    elif kind == "spans":
        spans = [[13, 22, "location"], [0, 3, "person"]]
        rows = {"text": "Ana lives in São Paulo", "label": spans}, {"text": "Hi", "entities": []}
        write_lines(folder / "train.json", *rows)
    elif kind == "parquet":
        table("classes").to_parquet(folder / "train.parquet")
    elif kind == "parquet parts":
        for part in range(2):
            table().select([part]).to_parquet(folder / f"train-0000{part}-of-00002.parquet")
    elif kind == "saved":
        datasets.DatasetDict(train=table("classes")).save_to_disk(str(folder / "saved"))
        return folder / "saved"
    elif kind == "saved alone":
        table().save_to_disk(str(folder / "saved"))
        return folder / "saved"
    return folder


KINDS = [
    "conll", "jsonl", "words and labels", "numbers", "spans", "parquet", "parquet parts", "saved", "saved alone",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_corpus(tmp_path: Path, kind: str) -> None:
    corpus = read_corpus(write(kind, tmp_path / "data"))
    assert corpus.labels.names == tuple(NAMES)
    assert corpus.splits["train"]["tokens"][:] == [words for words, _ in WORDS]
    assert [[NAMES[tag] for tag in tags] for tags in corpus.splits["train"]["ner_tags"]] == [
        tags for _, tags in WORDS
    ]
    assert corpus.splits["train"]["id"][:] == ["0", "1"]
    assert corpus.sha256 == read_corpus(write("conll", tmp_path / "same")).sha256


def test_the_hash_depends_on_words_tags_and_borders() -> None:
    def sha256(*rows: tuple[list[str], list[str]]) -> str:
        return read_corpus(
            datasets.Dataset.from_dict({"tokens": [row[0] for row in rows], "tags": [row[1] for row in rows]})
        ).sha256

    hashes = {
        sha256((["a", "b"], ["O", "O"])),
        sha256((["a"], ["O"]), (["b"], ["O"])),
        sha256((["ab"], ["O"])),
        sha256((["a", "b"], ["O", "B-x"])),
        sha256((["b", "a"], ["O", "O"])),
    }
    assert len(hashes) == 5


def test_text_keeps_its_offsets(tmp_path: Path) -> None:
    corpus = read_corpus(write("spans", tmp_path / "data"))
    row = corpus.splits["train"][0]
    assert set(row) == {"id", "tokens", "ner_tags", "text", "starts", "ends"}
    assert [row["text"][start:end] for start, end in zip(row["starts"], row["ends"], strict=True)] == row[
        "tokens"
    ]
    again = read_corpus(corpus.splits)
    assert again.splits["train"][0] == row


def test_text_is_cut_by_the_splitter_that_is_given(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "f.jsonl", {"text": "a-b c", "spans": [[0, 3, "x"]]})

    def at_blanks(text: str) -> tuple[list[str], list[int], list[int]]:
        return ["a-b", "c"], [0, 4], [3, 5]

    assert read_corpus(path).splits["train"]["tokens"][0] == ["a", "-", "b", "c"]
    assert load_data(path, split=at_blanks)["train"]["tokens"][0] == ["a-b", "c"]


def test_misfits_and_overlaps_follow_the_settings(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "f.jsonl",
        {
            "text": "Ana lives in São Paulo",
            "spans": [[0, 2, "person"], [13, 22, "location"], [13, 16, "location"]],
        },
    )
    with pytest.raises(
        InputError, match=r"1 span off word borders: .*:1: person 0\.\.2 'An' -> 0\.\.3 'Ana'; --misfits="
    ):
        read_corpus(path)
    with pytest.raises(
        InputError, match=r"1 overlapping span: .*:1: location 13\.\.16 'São' overlaps location 13"
    ):
        read_corpus(path, settings=DataSettings(misfits="snap"))
    corpus = read_corpus(path, settings=DataSettings(misfits="snap", overlaps="longest"))
    assert corpus.splits["train"]["ner_tags"][0] == [3, 0, 0, 1, 2]
    assert [notice for notice in corpus.notices if "widened" in notice]
    assert [notice for notice in corpus.notices if "1 overlapping span dropped (longest kept)" in notice]
    assert len(corpus.misfits) == 1
    dropped = read_corpus(path, settings=DataSettings(misfits="drop", overlaps="first"))
    assert dropped.splits["train"]["ner_tags"][0] == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "f:2: not JSON"),
        ("[1]", "f:2: the line is not a JSON object"),
        ('{"a": 1}', "f:2: neither words with tags nor text with spans: the keys are a"),
        ('{"text": "a"}', "f:2: neither words with tags"),
        ('{"tokens": ["a", 3], "tags": ["O", "O"]}', "f:2: 'tokens' holds 3, which is no string"),
        ('{"words": "a b", "tags": "O O"}', "f:2: 'words' is no list; write it as a list of strings"),
        ('{"tokens": ["a"], "tags": ["O", "O"]}', "f:2: 1 words, but 2 tags"),
        ('{"tokens": ["a"], "tags": "O"}', "f:2: the tags are not a list"),
        ('{"tokens": ["a"], "tags": [0]}', "f:2: the tag 0 is a number"),
        ('{"tokens": ["a"], "tags": [null]}', "f:2: the tag None is neither"),
        ('{"tokens": ["\\ud83d"], "tags": ["O"]}', "f:2: half a surrogate pair, U+D83D"),
        (
            '{"tokens": ["a"], "tags": ["B-x"], "text": "b", "starts": [0], "ends": [1]}',
            "f:2: starts and ends do not",
        ),
        ('{"text": "a", "spans": [[0, 1, "x"]]}', "f:2: this row has a text"),
        ('{"tokens": ["a"], "tags": [' + "1" * 5000 + "]}", "f:2: not JSON that can be read"),
        ("[" * 100_000, "f:2: "),
        (
            '{"tokens": ["a"], "tags": ["O"], "tokens": ["b"]}',
            "f:2: the key 'tokens' stands twice in an object; leave one of them",
        ),
        (
            '{"text": "a", "spans": [{"start": 0, "end": 1, "label": "x", "end": 1}]}',
            "f:2: the key 'end' stands twice",
        ),
    ],
)
def test_a_bad_line_names_its_place(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"tokens": ["a"], "tags": ["O"]}\n' + line + "\n")
    with pytest.raises(InputError) as caught:
        read_corpus(path)
    assert str(caught.value).replace(str(path), "f").startswith(message)
    assert "\n" not in str(caught.value)


def test_json_that_is_one_list_says_how_to_write_lines(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text('[\n {"tokens": ["a"], "tags": ["O"]}\n]\n')
    with pytest.raises(InputError, match="not JSON Lines; write one object a line"):
        read_corpus(tmp_path / "f.json")


def test_ids_documents_blank_lines_and_empty_rows(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "f.jsonl",
        {"tokens": ["a"], "tags": ["O"], "id": 7, "doc_id": "d"},
        {"tokens": ["b"], "tags": ["B-x"], "id": 7, "doc_id": "d"},
        {"tokens": [], "tags": []},
        {"tokens": ["c"], "tags": ["O"], "doc_id": "d"},
    )
    path.write_text(path.read_text() + "\n\n")
    corpus = read_corpus(path)
    assert corpus.splits["train"]["id"][:] == ["7", "7#2", "d:2"]
    assert corpus.documents == {"train": ["d", "d", "d"]}
    assert any("1 row without a word left out" in notice for notice in corpus.notices)
    assert any("1 id stands more than once" in notice for notice in corpus.notices)


@pytest.mark.parametrize(("data", "message"), [(b"PAR1nonsense", "cannot be read"), (b"", "is empty")])
def test_broken_parquet(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "train.parquet").write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_corpus(tmp_path)


def test_numbers_out_of_range_name_the_row() -> None:
    data = datasets.Dataset.from_dict(
        {"tokens": [["a"]], "ner_tags": [[-1]]},
        features=datasets.Features(
            {
                "tokens": datasets.Sequence(datasets.Value("string")),
                "ner_tags": datasets.Sequence(datasets.ClassLabel(names=["O", "B-x"])),
            }
        ),
    )
    with pytest.raises(InputError, match="DatasetDict:train:1: the tag -1 is not one of the 2 labels"):
        read_corpus(data)


def test_declared_labels_are_in_the_map_though_they_never_occur() -> None:
    assert read_corpus(table("classes").select([1])).labels.names == tuple(NAMES)


def test_objects_of_other_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be read from a int"):
        read_corpus(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no split is called train, validation or test, only part"):
        read_corpus(datasets.DatasetDict(part=table()))


def test_other_names_of_splits() -> None:
    corpus = read_corpus(datasets.DatasetDict(train=table(), dev=table(), extra=table()))
    assert list(corpus.splits) == ["train", "validation"]
    assert any("splits left out: extra" in notice for notice in corpus.notices)


def test_hub_specs() -> None:
    assert parse_hub("hub:owner/name") == ("owner/name", None, None)
    assert parse_hub("hub:name:en@refs/convert/parquet") == ("name", "en", "refs/convert/parquet")
    with pytest.raises(InputError, match="write it as hub:owner/name"):
        parse_hub("hub:a/b/c")


@pytest.mark.parametrize("kind", ["names", "classes"])
def test_what_load_dataset_loads(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for split in ("train", "test"):
        table(kind).to_parquet(folder / f"{split}.parquet")
    parts, licence = read_hub(str(folder), cache_dir=tmp_path / "cache")
    assert {split: len(rows) for split, rows in parts.items()} == {"train": 2, "test": 2}
    assert parts["train"].tags == [tag for _, tags in WORDS for tag in tags]
    assert not licence


def test_numbers_without_names_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    table("numbers").to_parquet(folder / "train.parquet")
    with pytest.raises(
        InputError, match="train:1: the tag 3 is a number, and nothing says what it stands for"
    ):
        read_hub(str(folder), cache_dir=tmp_path / "cache")


def test_a_dataset_script_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "thing").mkdir()
    (tmp_path / "thing" / "thing.py").write_text("")
    with pytest.raises(InputError) as caught:
        read_hub(str(tmp_path / "thing"), cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert "refs/convert/parquet" in str(caught.value)


def test_no_network_says_what_to_do_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    with pytest.raises(RunError, match=r"cannot be reached.*HF_HUB_OFFLINE=1") as caught:
        read_hub("owner/name", revision="v1", cache_dir=tmp_path)
    assert str(caught.value).startswith("hub:owner/name@v1: ")


def test_settings_of_load_data_are_checked() -> None:
    with pytest.raises(
        InputError, match="load_data has no setting 'nonsense'; it has source, validation_share"
    ):
        load_data("sample", nonsense=1)
    with pytest.raises(InputError, match="tag_scheme = 'x'"):
        load_data("sample", tag_scheme="x")


def test_parquet_without_a_column_that_is_known(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"foo": [1], "bar": [2]}).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: neither words with tags.* the columns are foo, bar"):
        read_corpus(tmp_path / "x.parquet")


def test_conll_u_is_refused_until_its_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.conllu").write_text("1\tAna\tAna\tPROPN\t_\n2\tleft\tleave\tVERB\t_\n")
    with pytest.raises(InputError, match=r"x\.conllu: CoNLL-U .* --word-column 1 --tag-column 3"):
        read_corpus(tmp_path / "x.conllu")
    assert load_data(tmp_path / "x.conllu", word_column=1, tag_column=3)["train"]["tokens"][0] == [
        "Ana",
        "left",
    ]


def test_load_data_logs_what_there_is_to_tell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "x.conll").write_text("# a note\na\tO\nb\tI-x\n\nc\tB-x\n")
    with caplog.at_level("INFO", logger="tagwright"):
        load_data(tmp_path / "x.conll", scheme="iob2")
        load_data("sample")
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told[0] == ("WARNING", f"{tmp_path / 'x.conll'}: 1 comment line skipped")
    assert told[1][0] == "WARNING"
    assert told[1][1].startswith("1 tag breaks the scheme iob2 (train 1)")
    assert [(level, "licence CC0 1.0" in line) for level, line in told[2:]] == [("INFO", True)]


def test_the_guides_lines_work() -> None:
    data = load_data("sample")
    assert isinstance(data, datasets.DatasetDict)
    assert data["train"].features["ner_tags"].feature.names == [
        "O",
        "B-corporation",
        "I-corporation",
        "B-creative-work",
        "I-creative-work",
        "B-group",
        "I-group",
        "B-location",
        "I-location",
        "B-person",
        "I-person",
        "B-product",
        "I-product",
    ]
    row = data["train"][0]
    assert len(row["tokens"]) == len(row["ner_tags"])
