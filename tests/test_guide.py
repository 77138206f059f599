"""The pages whose Python blocks run: in order, in one namespace, and they print what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

import tagwright as tw
from tagwright.model.network import build_network
from tagwright.tags import LabelMap, Scheme
from tests.pages import read_page, run, run_page, steps_of, write_corpus, write_encoder
from tests.tiny_tokenizers import minilm_tokenizer

GUIDE = read_page("guide.md")
ENCODERS = read_page("encoders.md")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> str:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, with a seeded generator that is put back."""
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.usefixtures("_elsewhere")
def test_the_guide_runs_from_end_to_end(corpus, encoder):
    names = run_page(GUIDE, source=corpus, encoder=encoder)

    assert len(names["names"]) == names["model"].config.num_labels == 13
    assert names["label2id"] == {name: number for number, name in names["id2label"].items()}
    trainer = names["trainer"]
    assert trainer.eval_dataset is names["encoded"]["validation"]
    epochs = [entry for entry in trainer.state.log_history if "eval_f1" in entry]
    assert len(epochs) == 3
    for entry in epochs:
        for metric in ("precision", "recall", "f1", "strict_f1", "accuracy"):
            assert 0 <= entry[f"eval_{metric}"] <= 1
    assert 0 <= names["test_scores"].strict.f1 <= names["test_scores"].lenient.f1 <= 1

    types = {name[2:] for name in names["names"] if name != "O"}
    assert names["entities"]
    assert {entity["entity_group"] for entity in names["entities"]} <= types
    assert len(names["piece_tags"]) == names["inputs"]["input_ids"].shape[1]
    assert set(names["piece_tags"]) <= set(names["names"])
    assert names["found"]
    assert {entity.label for entity in names["found"]} <= types
    assert all(names["text"][entity.start : entity.end] == entity.text for entity in names["found"])
    seen = max(entity["end"] for entity in names["recognizer"](names["novel"]))
    assert seen < len(names["novel"]) / 3  # what the page says of the pipeline
    tags = names["tagger"].tag(["Empire", "State", "Building"])
    assert len(tags) == 3
    assert set(tags) <= set(names["names"])


@pytest.mark.usefixtures("_elsewhere")
def test_the_guide_scores_as_seqeval_does(corpus, encoder):
    names = run_page(GUIDE.partition("\n## Train\n")[0], source=corpus, encoder=encoder)
    labels = torch.randint(-1, 13, (40, 9), generator=torch.Generator().manual_seed(1)).numpy()
    labels[labels < 0] = -100
    labels[0] = 9  # no row empty, whatever the seed
    logits = torch.randn(40, 9, 13, generator=torch.Generator().manual_seed(2)).numpy()
    logits[:30] += 9 * (labels[:30, :, None] == range(13))
    scores = names["compute_metrics"]((logits, labels))

    gold = [[names["names"][tag] for tag in row[row != -100]] for row in labels]
    best = logits.argmax(-1)
    predicted = [[names["names"][tag] for tag in best[row][labels[row] != -100]] for row in range(40)]
    assert 0 < scores["strict_f1"] < scores["f1"] < 1
    assert scores["f1"] == pytest.approx(f1_score(gold, predicted))
    strict = f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0)
    assert scores["strict_f1"] == pytest.approx(strict)


@pytest.mark.real
@pytest.mark.usefixtures("_elsewhere")
def test_the_guide_shows_what_the_real_files_give(wnut17, encoder, monkeypatch):
    monkeypatch.setenv("TAGWRIGHT_DATA", str(wnut17))
    before, heading, _ = GUIDE.partition("\n## Train\n")
    assert heading
    assert any(step.only_real for step in steps_of(before))
    run_page(before, source="wnut17", encoder=encoder, real=True)


@pytest.mark.usefixtures("_elsewhere")
def test_the_page_on_encoders_runs():
    minilm_tokenizer()  # skips where the encoder is not installed
    names = run(list(steps_of(ENCODERS)), {})
    assert Path("minilm-encoder/model.safetensors").stat().st_size > 80e6
    assert names["labels"].names == ("O", "B-location", "I-location", "B-product", "I-product")


def test_the_page_on_encoders_shows_the_error_of_a_hub_out_of_reach():
    with pytest.raises(tw.TagwrightError) as raised:
        build_network("nobody/no-such-encoder", LabelMap.from_types(["person"], Scheme.IOB2))
    shown = f"tagwright: error: {raised.value}\n"
    assert shown.replace("nobody/no-such-encoder", "distilbert/distilbert-base-uncased") in ENCODERS
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("page", [GUIDE, ENCODERS])
def test_output_is_shown_and_not_empty(page):
    shown = [step.output for step in steps_of(page) if step.output is not None]
    assert len(shown) >= 3
    assert all(shown)
