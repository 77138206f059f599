"""What users hand in by mistake: one clear line, the right exit code, nothing lost, never a traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import transformers

import tagwright as tw
from tagwright.cli.main import run
from tagwright.model.bundle import read_meta
from tagwright.train.trainer import TaggerTrainer
from tests.models import tiny_bundle, tiny_model
from tests.train.toy import FAST, conll, sentences, write_corpus, write_encoder

LABELS = ["O", "B-location", "I-location", "B-person", "I-person"]
TAGGED = "New\tB-location\nYork\tI-location\nis\tO\nhere\tO\n\n"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("data") / "toy")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "run", labels=LABELS)


@pytest.fixture
def call(capsysbinary, monkeypatch):
    """Run a command in this process; return exit code, stdout and stderr."""

    def run_it(*arguments, stdin: str = ""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsysbinary.readouterr()  # what the test itself wrote
        code = run(list(map(str, arguments)))
        out, err = (stream.decode() for stream in capsysbinary.readouterr())
        assert "Traceback" not in err
        assert "internal error" not in err
        return code, out, err

    return run_it


@pytest.fixture
def refuse(call):
    """Run a command that must be refused with one line; return the line."""

    def run_it(*arguments, code: int = 2):
        found, out, err = call(*arguments)
        assert (found, out) == (code, ""), err
        assert err.startswith("tagwright: error: ")
        assert err.count("\n") == 1
        return err.removeprefix("tagwright: error: ").rstrip("\n")

    return run_it


@pytest.fixture
def everywhere(refuse, bundle, encoder, tmp_path):
    """Hand a data file to every command that reads labelled words; return the line that all of them say."""

    def run_it(file: Path) -> str:
        lines = {
            refuse("train", "--data", file, "--model", encoder, "--out", tmp_path / "run"),
            refuse("evaluate", bundle, "--data", file),
            refuse("inspect", file),
        }
        assert len(lines) == 1
        assert not (tmp_path / "run").exists()
        [line] = lines
        return line

    return run_it


# Files of labelled words


def test_a_file_that_is_missing(everywhere, refuse, bundle, tmp_path):
    file = tmp_path / "test.conll"
    assert everywhere(file).startswith(
        f"{file}: there is no such file or folder; give a file, a folder, hub:"
    )
    assert refuse("score", file, file) == f"{file}: there is no such file"
    assert refuse("predict", bundle, file) == f"{file}: there is no such file"
    assert "there is no recipe" in refuse("train", tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"", "", "the file is empty"),
        (b" \n\n\t\n", "", "the file holds no sentence"),
        (
            b"Jeff\nBezos\n\nNew\nYork\n",
            ":1",
            "the file holds words only, no tags; each line needs a word and a tag",
        ),
        (
            b"Jeff\tB-person\nBezos\n",
            ":2",
            "too few columns: 1 column ('Bezos'), with the word in column 0 and the tag in column -1; "
            "mend the line, or name the columns, counted from 0, with --word-column and --tag-column",
        ),
        (bytes(range(256)) * 64, "", "the file is binary, not UTF-8 text"),
        (
            b"\x1f\x8b\x08\x00junk",
            "",
            "the file is gzip-compressed, not UTF-8 text; unpack or convert it first",
        ),
        (
            b"Jeff\tB-person\nM\xfcller\tI-person\n",
            ":2",
            "invalid UTF-8: byte 0xfc at offset 15; convert the file to UTF-8 (from Latin-1: iconv -f latin1 -t utf-8)",
        ),
    ],
)
def test_a_file_that_is_not_labelled_words(everywhere, refuse, tmp_path, content, place, message):
    file = tmp_path / "test.conll"
    file.write_bytes(content)
    assert everywhere(file) == f"{file}{place}: {message}"
    assert refuse("score", file, file) == f"{file}{place}: {message}"


def test_a_tag_outside_the_scheme(everywhere, tmp_path):
    file = tmp_path / "test.conll"
    file.write_text(TAGGED + "Jeff\tX-person\n")
    line = everywhere(file)
    assert line.startswith(f"{file}:6: the tag 'X-person'")


def test_a_tag_outside_the_scheme_that_is_named(refuse, bundle, encoder, tmp_path):
    file = tmp_path / "test.conll"
    file.write_text(TAGGED + "Jeff\tS-person\n")
    for command in (
        ("train", "--data", file, "--model", encoder, "--out", tmp_path / "run"),
        ("evaluate", bundle, "--data", file),
        ("inspect", file),
    ):
        assert refuse(*command, "--scheme", "iob2").startswith(
            f"{file}:6: the tag 'S-person' does not belong"
        )


def test_a_train_split_without_any_entity(refuse, encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    (data / "train.conll").write_text("bad\tO\nstorm\tO\n\n" * 9)
    line = refuse("train", "--data", data, "--model", encoder, "--out", tmp_path / "run")
    assert line == (
        f"{data}: the train split holds no entity: every word is tagged O; "
        "nothing can be learned from it; check the column of the tags"
    )


def test_another_split_without_any_entity_is_told(call, bundle, tmp_path):
    file = tmp_path / "test.conll"
    file.write_text("bad\tO\nstorm\tO\n\n")
    code, out, err = call("evaluate", bundle, "--data", file, "--json")
    assert (code, json.loads(out)["lenient"]["support"]) == (0, 0)
    assert err == "tagwright: the test split holds no entity: every word is tagged O\n"


def test_labels_in_test_that_train_lacks_are_told_and_count(call, encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    with (data / "test.conll").open("a") as file:
        file.write("storm\tB-event\n\n")
    settings = [flag for name, value in FAST.items() for flag in ("--set", f"{name}={value}")]
    code, out, err = call("train", "--data", data, "--model", encoder, "--out", tmp_path / "run", *settings)
    assert code == 0
    assert "test has tags that train lacks: B-event (1)" in err
    assert any(line.startswith("event") for line in out.splitlines())


# Models


def test_a_model_folder_without_a_tokenizer(refuse, corpus, tmp_path):
    tiny_model(labels=LABELS).save_pretrained(tmp_path / "model")
    mend = "save it there: AutoTokenizer.from_pretrained(ENCODER).save_pretrained(FOLDER)"
    line = refuse("train", "--data", corpus, "--model", tmp_path / "model", "--out", tmp_path / "run")
    assert line.startswith(f"{tmp_path / 'model'}: ")
    assert "tokenizer" in line
    assert line.endswith(mend)
    for command in (["predict"], ["evaluate", "--data", corpus]):
        line = refuse(command[0], tmp_path / "model", *command[1:])
        assert line == f"{tmp_path / 'model'}: the folder has no tokenizer (tokenizer.json); {mend}"


def test_a_tokenizer_that_is_only_slow(refuse, corpus, tmp_path):
    tiny_model(labels=LABELS).save_pretrained(tmp_path / "model")
    transformers.ByT5Tokenizer().save_pretrained(tmp_path / "model")
    line = refuse("train", "--data", corpus, "--model", tmp_path / "model", "--out", tmp_path / "run")
    assert line == (
        f"{tmp_path / 'model'}: the tokenizer (ByT5Tokenizer) has no fast version; "
        "use an encoder with a tokenizer.json"
    )
    assert "tokenizer" in refuse("predict", tmp_path / "model")


def test_a_name_on_the_hub_without_a_network(refuse, corpus, encoder, tmp_path):
    line = refuse("train", "--data", corpus, "--model", "owner/name", "--out", tmp_path / "run")
    assert line.startswith(
        "the encoder 'owner/name' is not on this machine and the Hub cannot be reached; download it"
    )
    assert "--model minilm" in line
    arguments = ("--data", "hub:owner/name", "--model", encoder, "--out", tmp_path / "run")
    line = refuse("train", *arguments, code=1)
    assert line.startswith("hub:owner/name: ")
    assert "there is no such folder" in refuse("predict", "owner/name")
    assert not (tmp_path / "run").exists()


# Settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr=1e-4", "unknown recipe key 'train.lr'; known are "),
        ("train.learning_rte=1e-4", "unknown recipe key 'train.learning_rte'; did you mean learning_rate?"),
        ("train.learning_rate=-1", "train.learning_rate = -1: input should be greater than 0"),
        ("train.epochs=nan", "train.epochs = nan: input should be a finite number"),
    ],
)
def test_a_setting_that_is_wrong(refuse, corpus, encoder, tmp_path, setting, message):
    arguments = ("train", "--data", corpus, "--model", encoder, "--out", tmp_path / "run")
    assert refuse(*arguments, "--set", setting).startswith(message)
    section, _, rest = setting.partition(".")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"[{section}]\n{rest}\n")
    line = refuse("train", recipe, *arguments[1:])
    assert line.startswith(f"{recipe}: {message}")
    assert not (tmp_path / "run").exists()


# Stops


def test_a_full_disk_at_a_save(call, encoder, corpus, bundle, tmp_path):
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    try:
        code, out, err = call("train", "--data", corpus, "--model", encoder, "--out", disk / "run")
        assert (code, out) == (1, "")
        assert err.splitlines()[-1].startswith(f"tagwright: error: {disk / 'run'}")
        assert "could not be saved: the disk is full; make room and go on with --resume" in err
        text = tmp_path / "text.txt"
        text.write_text("Jeff Bezos bought the Post\n" * 2000)
        code, out, err = call("predict", bundle, text, "-o", disk / "out.jsonl")
        assert (code, out) == (1, "")
        assert "No space left on device" in err.splitlines()[-1]
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_ctrl_c_saves_and_says_how_to_go_on(call, corpus, encoder, tmp_path, monkeypatch):
    step = TaggerTrainer.training_step

    def press(self, *given):
        if self.state.global_step == 3:
            signal.raise_signal(signal.SIGINT)
        return step(self, *given)

    monkeypatch.setattr(TaggerTrainer, "training_step", press)
    settings = [flag for name, value in FAST.items() for flag in ("--set", f"{name}={value}")]
    arguments = ("train", "--data", corpus, "--model", encoder, "--out", tmp_path / "run", *settings)
    code, out, err = call(*arguments)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        f"tagwright: error: {tmp_path / 'run'}: interrupted; step 4 is saved; "
        f"go on with the same call and --resume (--out {tmp_path / 'run'})"
    )
    monkeypatch.undo()
    assert call(*arguments, "--resume")[0] == 0
    assert read_meta(tmp_path / "run").made["steps"] == 12


# Text that is odd, and right all the same

COMBINED = "שָׁלוֹם עוֹלָם مُحَمَّد é n̈"
FAMILY = "👩‍👩‍👧"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "😀 🎉🎉 " + FAMILY,
        "\ufe0f",
        "Jeff\x00Bezos \x00 York",
        COMBINED,
        "\u202eJeff\u202c Bezos",
        "a\u00a0b",
    ],
)
def test_odd_text_is_tagged_with_true_offsets(call, bundle, text):
    code, out, _ = call("predict", bundle, "--to", "jsonl", stdin=f"{text}\nlast line\n")
    assert code == 0
    first, last = map(json.loads, out.splitlines())
    assert first["text"] == text
    assert last["text"] == "last line"
    assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in first["entities"])
    [prediction] = tw.Tagger.load(bundle).predict([text])
    words = list(zip(prediction.words, prediction.starts, prediction.ends, strict=True))
    assert all(text[start:end] == word for word, start, end in words)
    assert len(prediction.tags) == len(words)
    assert "".join(word for word, _, _ in words) == "".join(text.split())


def test_odd_words_are_trained_on_and_scored(call, encoder, tmp_path):
    data = write_corpus(tmp_path / "data")
    odd = [
        [
            (word, "B-person")
            for word in ("😀", FAMILY, "\ufe0f", "a\x00b", "\x00", "שָׁלוֹם", "مُحَمَّد", "a\u00a0b")
        ]
    ]
    for name in ("train", "dev", "test"):
        with (data / f"{name}.conll").open("a", encoding="utf-8") as file:
            file.write(conll(odd))
    settings = [flag for name, value in FAST.items() for flag in ("--set", f"{name}={value}")]
    code, _, _ = call("train", "--data", data, "--model", encoder, "--out", tmp_path / "run", *settings)
    assert code == 0
    scores = read_meta(tmp_path / "run").made["scores"]["test"]
    assert (scores["words"], scores["lost_words"]) == (sum(map(len, sentences(16, 2))) + 8, 0)


@pytest.fixture(scope="module")
def endless() -> list[tuple[str, str]]:
    """A document of 200,000 words."""
    words = [pair for words in sentences(2000, 9) for pair in words]
    return (words * (200_000 // len(words) + 1))[:200_000]


def test_a_document_of_200_000_words_is_tagged(call, bundle, endless):
    text = " ".join(word for word, _ in endless)
    code, out, _ = call("predict", bundle, "--to", "conll", stdin=text)
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert len(rows) >= 200_000
    assert "".join(row[0] for row in rows) == text.replace(" ", "")


@pytest.mark.long
def test_a_document_of_200_000_words_is_trained_on_and_scored(call, encoder, tmp_path, endless):
    data = write_corpus(tmp_path / "data")
    for name in ("train", "test"):
        with (data / f"{name}.conll").open("a", encoding="utf-8") as file:
            file.write(conll([endless]))
    settings = ("train.epochs=1", "train.batch_size=512", "encode.overlap=8")
    flags = [flag for setting in settings for flag in ("--set", setting)]
    code, _, _ = call("train", "--data", data, "--model", encoder, "--out", tmp_path / "run", *flags)
    assert code == 0
    scores = read_meta(tmp_path / "run").made["scores"]["test"]
    assert (scores["words"], scores["lost_words"]) == (sum(map(len, sentences(16, 2))) + 200_000, 0)
