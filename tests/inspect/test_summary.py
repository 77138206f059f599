"""What `inspect_data` and `tagwright inspect` say of small data that were counted by hand."""

from __future__ import annotations

import json

import pytest

import tagwright
from tagwright.cli.main import run
from tagwright.config import DataSettings
from tagwright.errors import InputError
from tagwright.inspect.summary import Lengths
from tests.models import tiny_model, tiny_tokenizer

TRAIN = """\
Ada B-person
Lovelace I-person
met O
Ada B-person
in O
Paris B-location

ada B-person
Lovelace I-person
"""
TEST = """\
ADA B-person
left O
Paris B-person
for O
Oslo B-location
with O
Ada B-person
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.conll").write_text(TRAIN)
    (tmp_path / "test.conll").write_text(TEST)
    return tmp_path


def test_sizes_types_and_examples(folder):
    summary = tagwright.inspect_data(folder)
    train, test = summary.splits["train"], summary.splits["test"]
    assert list(summary.splits) == ["train", "test"]
    assert (train.sentences, train.words, train.mentions) == (2, 8, 4)
    assert (test.sentences, test.words, test.mentions) == (1, 7, 4)
    assert train.types == {"person": 3, "location": 1}
    assert train.examples == {
        "person": {"Ada": 1, "Ada Lovelace": 1, "ada Lovelace": 1},
        "location": {"Paris": 1},
    }
    assert summary.scheme == "iob2"
    assert summary.labels == ("O", "B-location", "I-location", "B-person", "I-person")


def test_examples_are_the_most_frequent(folder):
    train = tagwright.inspect_data(folder, examples=1).splits["train"]
    assert train.examples["person"] == {"Ada": 1}
    assert train.types["person"] == 3


def test_lengths_in_words(folder):
    assert tagwright.inspect_data(folder).splits["train"].words_per_sentence == Lengths(2, 6, 6, 6)


def test_quantiles_are_lengths_of_real_sentences():
    import numpy as np

    assert Lengths.of(np.arange(1, 101)) == Lengths(50, 90, 99, 100)
    assert Lengths.of(np.array([7])) == Lengths(7, 7, 7, 7)
    assert Lengths.of(np.array([], dtype=int)) == Lengths(0, 0, 0, 0)


def test_mentions_seen_in_train_by_form_whatever_the_type(folder):
    overlap = tagwright.inspect_data(folder).overlap
    assert list(overlap) == ["test"]
    assert (overlap["test"].mentions, overlap["test"].in_train_exact, overlap["test"].in_train_casefold) == (
        4,
        2,
        3,
    )


def test_without_train_there_is_no_overlap(folder):
    (folder / "train.conll").unlink()
    assert tagwright.inspect_data(folder).overlap == {}


def test_invalid_tags_are_placed(folder):
    (folder / "test.conll").write_text("a O\nb I-person\n\nc B-person\nd I-location\n")
    found = tagwright.inspect_data(folder).invalid_tags
    assert [(tag["where"].rpartition("/")[2], tag["tag"], tag["split"]) for tag in found] == [
        ("test.conll:2", "I-person", "test"),
        ("test.conll:5", "I-location", "test"),
    ]


def test_lengths_in_pieces_and_over_the_limit(folder, tmp_path):
    encoder = tmp_path / "encoder"
    tiny_tokenizer().save_pretrained(encoder)
    tiny_model(positions=8).save_pretrained(encoder)
    (folder / "test.conll").write_text("the O\nthe O\n\n" + "the O\n" * 7)
    summary = tagwright.inspect_data(folder, encoder=str(encoder))
    assert summary.max_pieces == 8
    assert summary.splits["test"].pieces_per_sentence == Lengths(4, 9, 9, 9)
    assert summary.splits["test"].over_limit == 1


def test_no_entity_and_settings_are_passed_on(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("O one\nO two\n")
    summary = tagwright.inspect_data(path, settings=DataSettings(word_column=1, tag_column=0))
    assert summary.splits["train"].mentions == 0
    assert summary.splits["train"].types == {}


def test_running_text_is_split_as_asked(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "it\'s Ada", "spans": [{"start": 5, "end": 8, "label": "person"}]}\n')
    assert tagwright.inspect_data(path, splitter="whitespace").splits["train"].words == 2
    assert tagwright.inspect_data(path, splitter="english").splits["train"].words == 3
    with pytest.raises(InputError, match="klingon"):
        tagwright.inspect_data(path, splitter="klingon")


def test_the_command_prints_json_and_nothing_else(folder, capsys):
    assert run(["inspect", str(folder), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads(json.dumps(tagwright.inspect_data(str(folder)).to_dict()))
    assert summary["splits"]["train"]["types"] == {"person": 3, "location": 1}
    assert summary["overlap"]["test"] == {"mentions": 4, "in_train_exact": 2, "in_train_casefold": 3}
    assert summary["invalid_tags"] == []


def test_the_command_prints_a_table(folder, capsys):
    (folder / "test.conll").write_text("".join(f"w{n} I-person\n\n" for n in range(12)))
    assert run(["inspect", str(folder), "--scheme", "iob2"]) == 0
    out = capsys.readouterr().out
    assert "mentions" in out
    assert "person: Ada 1 · Ada Lovelace 1 · ada Lovelace 1" in out
    section = out[out.index("invalid tags (12)") : out.index("notices")]
    assert section.count("test.conll:") == 10
    assert "… and 2 more" in section


def test_the_command_prints_no_control_characters_of_the_data(tmp_path, capsys):
    path = tmp_path / "train.conll"
    path.write_text("[bold]\x1b[31mred B-person\n")
    assert run(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "[bold]\\x1b[31mred" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    "arguments", [["nowhere"], ["FOLDER", "--model", "FOLDER"], ["FOLDER", "--misfits", "x"]]
)
def test_a_wrong_call_is_one_line_and_2(folder, capsys, arguments):
    assert run(["inspect", *(str(folder) if word == "FOLDER" else word for word in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tagwright: error: ")
    assert err.count("\n") == 1


@pytest.mark.real
def test_wnut17_as_it_lies_there(wnut17):
    summary = tagwright.inspect_data(wnut17)
    sizes = {name: (split.sentences, split.mentions) for name, split in summary.splits.items()}
    assert sizes == {"train": (3394, 1975), "validation": (1009, 836), "test": (1287, 1079)}
    assert summary.overlap["test"].in_train_exact == 0
