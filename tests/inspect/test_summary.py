"""What `inspect_data` and `tagwright inspect` say of small data that were counted by hand."""

from __future__ import annotations

import json
import sys
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

import tagwright
from tagwright.cli.main import run
from tagwright.config import DataSettings
from tagwright.data.load import read_corpus
from tagwright.data.split import hold_out
from tagwright.errors import InputError
from tagwright.inspect.part import parts_of
from tagwright.inspect.summary import Lengths, Overlap
from tagwright.report.data import summary_view
from tests.models import tiny_bundle, tiny_model, tiny_tokenizer

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


def test_mentions_seen_in_train_by_form_and_type(folder):
    overlap = tagwright.inspect_data(folder).overlap
    assert list(overlap) == ["test"]
    assert overlap["test"] == Overlap(
        mentions=4, in_train_exact=1, in_train_casefold=2, form_in_train_exact=2, form_in_train_casefold=3
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
    assert summary["overlap"]["test"] == {
        "mentions": 4,
        "in_train_exact": 1,
        "in_train_casefold": 2,
        "form_in_train_exact": 2,
        "form_in_train_casefold": 3,
    }
    assert summary["duplicates"]["train"] == {"copies": 0, "groups": 0, "conflicting": 0}
    assert summary["invalid_tags"] == []


def test_findings_carry_their_place_and_come_in_order(folder):
    (folder / "test.conll").write_text(
        "the O\nOslo) B-location\n\nP\u0430ris I-location\nin O\n\n" + TRAIN.partition("\n\n")[0] + "\n"
    )
    findings = tagwright.inspect_data(folder, settings=DataSettings(scheme="iob2")).findings
    shown = [
        (finding.check, finding.count, finding.examples[0]["where"].rpartition("/")[2])
        for finding in findings
    ]
    assert shown == [
        ("invalid tags", 1, "test.conll:4"),
        ("shared sentences", 1, "test.conll:7"),
        ("unbalanced spans", 1, "test.conll:2"),
        ("odd characters", 1, "test.conll:4"),
        ("rare types", 2, ""),
        ("rare types", 2, ""),
    ]


def test_whoever_holds_out_keeps_the_places(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("".join(f"w{row} O\nx O\n\n" for row in range(20)) + "Ann) B-person\n")
    corpus = hold_out(read_corpus(path), 0.4)
    for part in parts_of(corpus):
        for sentence in range(len(part)):
            line = int(part.place(sentence, 0).rpartition(":")[2])
            assert path.read_text().splitlines()[line - 1].split()[0] == part.words[part.offsets[sentence]]
    [found] = tagwright.inspect_data(corpus).unbalanced_spans
    assert found.where == f"{path}:61"


def test_rows_that_somebody_took_have_ids_for_places(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("a O\n\n# id = second\nAnn) B-person\n")
    corpus = read_corpus(path)
    corpus.splits["train"] = corpus.splits["train"].select([1])
    [found] = tagwright.inspect_data(corpus).unbalanced_spans
    assert found.where == "train, sentence second"


def test_spans_in_text_are_placed_by_their_line(tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [{"text": "nothing"}, {"text": "see NFL) now", "spans": [[4, 8, "group"]]}]
    path.write_text("".join(json.dumps({"spans": [], **row}) + "\n" for row in rows))
    found = tagwright.inspect_data(path, splitter="whitespace").unbalanced_spans
    assert [(span.form, span.where) for span in found] == [("NFL)", f"{path}:2")]


def test_the_command_prints_a_table_and_findings(folder, capsys):
    (folder / "test.conll").write_text("".join(f"w{n} I-person\n\n" for n in range(12)))
    assert run(["inspect", str(folder), "--scheme", "iob2"]) == 0
    out = capsys.readouterr().out
    assert "mentions" in out
    assert "person: Ada 1 · Ada Lovelace 1 · ada Lovelace 1" in out
    found = out[out.index("found, what matters most first") :].splitlines()
    assert found[1].strip().startswith("12  tags break the scheme iob2: scores differ by the reading")
    assert found[2].strip() == "test.conll:1: I-person in [w0/I-person]"
    assert "looked for and not found: sentences shared by splits, near-duplicates across splits" in out


def test_the_command_says_that_data_are_clean(tmp_path, capsys):
    path = tmp_path / "train.conll"
    path.write_text("".join(f"Ann{row} B-person\nleft O\n\n" for row in range(20)))
    assert run(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "nothing wrong was found" in out
    assert "looked for and not found: invalid tags" in out


def test_the_view_fits_a_narrow_terminal(folder):
    view = summary_view(tagwright.inspect_data(folder).to_dict())
    console = Console(width=60, file=StringIO())
    console.print(view)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 60


def test_the_command_prints_no_control_characters_of_the_data(tmp_path, capsys):
    path = tmp_path / "train.conll"
    path.write_text("[bold]\x1b[31mred B-person\n")
    assert run(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "[bold]\\x1b[31mred" in out
    assert "\x1b" not in out


def test_words_without_end_are_cut_in_the_view_and_whole_in_the_json(tmp_path, capsys):
    word = "x" * 10_000
    path = tmp_path / "train.conll"
    path.write_text(f"{word}\tB-person\n\n{word}\tO\n\n")
    assert run(["inspect", str(path)]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 600
    assert run(["inspect", str(path), "--json"]) == 0
    assert word in capsys.readouterr().out


def test_label_errors_by_a_bundle(tmp_path, capsys):
    pytest.importorskip("cleanlab")
    bundle = tiny_bundle(tmp_path / "bundle")
    rows = "the O\nview B-location\n\nJeff B-person\nBezos I-person\nbought O\nthe O\nPost B-corporation\n\n"
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.conll").write_text(rows * 3)
    assert run(["inspect", str(tmp_path), "--bundle", str(bundle), "--json", "--top", "2"]) == 0
    errors = json.loads(capsys.readouterr().out)["label_errors"]
    assert list(errors) == ["validation", "test"]
    assert errors["test"]["entities"] == 9
    assert len(errors["test"]["items"]) == min(2, errors["test"]["found"])
    assert run(["inspect", str(tmp_path), "--bundle", str(bundle), "--split", "train", "--top", "1"]) == 0
    out = capsys.readouterr().out
    assert "labels of train that may be wrong" in out
    assert "labels of test" not in out


def test_without_cleanlab_only_label_errors_are_refused(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "datasketch", None)
    assert run(["inspect", str(folder)]) == 0
    capsys.readouterr()
    assert run(["inspect", str(folder), "--bundle", str(folder)]) == 2
    assert "pip install 'tagwright[inspect]'" in capsys.readouterr().err


def test_label_errors_by_whatever_gives_probabilities(folder):
    pytest.importorskip("cleanlab")
    asked = []

    def know_better(corpus):
        asked.append(corpus.source)
        gold = [tag for tags in corpus.splits["test"]["ner_tags"][:] for tag in tags]
        gold[2] = corpus.labels.label2id["B-location"]  # Paris
        return {"test": (np.eye(len(corpus.labels), dtype=np.float32)[gold] * 0.95 + 0.01, corpus.labels)}

    summary = tagwright.inspect_data(folder, probabilities=know_better)
    assert asked == [str(folder)]
    [item] = summary.label_errors["test"]["items"]
    assert (item["kind"], item["gold"]["text"], item["predicted"]["label"]) == ("type", "Paris", "location")
    [finding] = [finding for finding in summary.findings if finding.check == "label errors"]
    assert finding.count == 1
    assert finding.examples[0]["where"].endswith("test.conll:3")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["FOLDER", "--model", "FOLDER"],
        ["FOLDER", "--misfits", "x"],
        ["FOLDER", "--bundle", "FOLDER"],
        ["FOLDER", "--folds", "3"],
        ["FOLDER", "--folds", "1", "--model", "FOLDER"],
        ["FOLDER", "--folds", "3", "--model", "FOLDER", "--bundle", "FOLDER"],
        ["FOLDER", "--split", "test"],
        ["FOLDER", "--set", "train.epochs=1"],
    ],
)
def test_a_wrong_call_is_one_line_and_2(folder, capsys, arguments):
    assert run(["inspect", *(str(folder) if word == "FOLDER" else word for word in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tagwright: error: ")
    assert err.count("\n") == 1


def test_a_tagger_that_was_trained_on_what_it_judges_is_told(folder, tmp_path):
    pytest.importorskip("cleanlab")
    made = {"data": {"sha256": tagwright.inspect_data(folder).sha256}}
    bundle = tiny_bundle(tmp_path / "bundle", labels=["O", "B-location", "B-person", "I-person"], made=made)
    (told,) = tagwright.inspect_data(folder, bundle=bundle, bundle_splits=["train"]).notices
    assert "was trained on the train split of this data" in told
    assert tagwright.inspect_data(folder, bundle=bundle).notices == ()
    (folder / "test.conll").unlink()
    alone = tagwright.inspect_data(folder, bundle=bundle)
    assert list(alone.label_errors) == ["train"]
    assert alone.notices == ()  # other data than it was trained on
