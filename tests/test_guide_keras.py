"""The page on the guide's TensorFlow half: its blocks run, print what is shown, and leave a folder that all can use."""

from __future__ import annotations

import json

import pytest

from tagwright.cli.main import run as run_command
from tests.pages import read_page, run_page, steps_of, write_corpus, write_encoder

keras = pytest.importorskip("keras", reason="the extra keras is not installed")
pytest.importorskip("tensorflow", reason="the extra keras is not installed")

PAGE = read_page("guide-keras.md")
SCORES = ("precision", "recall", "f1", "strict_f1", "accuracy")


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, and leave Keras' policy as it was."""
    monkeypatch.chdir(tmp_path)
    policy = keras.mixed_precision.dtype_policy()
    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_dtype_policy(policy)


def check(names, epochs):
    """Check what the blocks left in their namespace, whatever the encoder and the data."""
    model, history = names["model"], names["history"].history
    assert model.labels == names["names"]
    assert sum(len(labels) for _, labels in names["train_set"]) == len(names["data"]["train"])
    assert int(model.optimizer.iterations) == names["steps"] == epochs * len(names["train_set"])
    for name in SCORES:
        assert len(history[f"val_{name}"]) == epochs
        assert all(0 <= score <= 1 for score in history[f"val_{name}"])
    # What is kept is the best epoch, and its scores are those of the log.
    scores = names["callbacks"][0].score()
    assert scores.lenient.f1 == pytest.approx(max(history["val_f1"]), abs=1e-9)
    assert (scores.words, scores.sentences) == (
        sum(map(len, names["data"]["validation"]["tokens"])),
        len(names["data"]["validation"]),
    )
    assert names["test_scores"].words == sum(map(len, names["data"]["test"]["tokens"]))
    assert names["piece_tags"] == [
        names["in_torch"].config.id2label[number] for number in names["torch_logits"][0].argmax(-1)
    ]
    assert all(names["text"][entity.start : entity.end] == entity.text for entity in names["found"])


@pytest.mark.usefixtures("_elsewhere")
def test_the_page_runs_from_end_to_end(tmp_path, tmp_path_factory, capsys):
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"))
    names = run_page(PAGE, source=corpus, encoder=write_encoder(tmp_path_factory.mktemp("encoder")))
    check(names, epochs=3)

    assert len(list(tmp_path.glob("wnut-*.weights.h5"))) == 3
    types = {name[2:] for name in names["names"] if name != "O"}
    assert {entity["entity_group"] for entity in names["entities"]} <= types
    assert names["mixed"](dict(names["inputs"])).dtype == "float32"

    (tmp_path / "in.txt").write_text(names["text"] + "\n")
    capsys.readouterr()
    assert run_command(["predict", "wnut-tagger", "in.txt"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert [entity["text"] for entity in json.loads(line)["entities"]] == [
        entity.text for entity in names["found"]
    ]


@pytest.mark.real
@pytest.mark.usefixtures("_elsewhere")
def test_the_page_shows_what_the_real_files_give(wnut17, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGWRIGHT_DATA", str(wnut17))
    before, heading, _ = PAGE.partition("\n### Fit\n")
    assert heading
    assert sum(step.only_real for step in steps_of(before)) == sum(step.only_real for step in steps_of(PAGE))
    (tmp_path / "encoder").mkdir()
    run_page(before, source="wnut17", encoder=write_encoder(tmp_path / "encoder"), real=True)


@pytest.mark.long
@pytest.mark.real
@pytest.mark.usefixtures("_elsewhere")
def test_the_page_trains_a_tagger_of_real_weights(wnut17, tmp_path, monkeypatch):
    monkeypatch.setenv("TAGWRIGHT_DATA", str(wnut17))
    names = run_page(
        PAGE.replace("init_lr=2e-5", "init_lr=2.5e-4"),  # the guide's is for an encoder twice as wide
        source="wnut17",
        encoder=write_minilm(tmp_path / "encoder"),
    )
    check(names, epochs=3)
    assert max(names["history"].history["val_f1"]) > 0.4
    assert names["test_scores"].lenient.f1 > 0.3
    assert names["entities"]


def write_minilm(folder):
    """Save the real encoder as a plain folder."""
    from tagwright.model.network import build_network
    from tagwright.tags import LabelMap, Scheme

    network = build_network("minilm", LabelMap.from_types(["person"], Scheme.IOB2))
    network.model.base_model.save_pretrained(folder)
    network.tokenizer.save_pretrained(folder)
    return str(folder)


def test_output_is_shown_and_not_empty():
    shown = [step.output for step in steps_of(PAGE) if step.output is not None]
    assert len(shown) >= 8
    assert all(shown)
