"""The pages whose Python blocks run: in order, in one namespace, and they print what the page shows."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

import tagwright as tw
from tagwright.model.network import build_network
from tagwright.tags import LabelMap, Scheme
from tests.tiny_tokenizers import GUIDE_TAGS, GUIDE_WORDS, minilm_tokenizer

DOCS = Path(__file__).parents[1] / "docs"
GUIDE = (DOCS / "guide.md").read_text(encoding="utf-8")
ENCODERS = (DOCS / "encoders.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

ONLY_REAL = "text wnut17"
"""Marks output that the real WNUT 17 files alone give."""


class Step(NamedTuple):
    """A Python block of a page, the output that is shown under it, if any, and the line the block begins at."""

    code: str
    output: str | None
    only_real: bool
    line: int


def steps_of(page: str) -> Iterator[Step]:
    fences = list(FENCE.finditer(page))
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        if fence["info"] != "python":
            continue
        shown = after is not None and after["info"] in ("text", ONLY_REAL)
        yield Step(
            code=fence["body"],
            output=after["body"] if shown else None,
            only_real=shown and after["info"] == ONLY_REAL,
            line=page.count("\n", 0, fence.start("body")) + 1,
        )


def run(steps: Sequence[Step], names: dict[str, Any], *, real: bool = False) -> dict[str, Any]:
    """Run blocks in one namespace, compare what they print, and return the namespace."""
    for step in steps:
        printed = io.StringIO()
        # Lines in front put the page's line numbers into a traceback.
        code = compile("\n" * (step.line - 1) + step.code, "page", "exec")
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*pin_memory.*")  # a Trainer without a GPU
            exec(code, names)
        if step.output is not None and (real or not step.only_real):
            assert printed.getvalue() == step.output, f"line {step.line} of the page"
    return names


def run_guide(page: str, *, source: str, encoder: str, real: bool = False) -> dict[str, Any]:
    """Run the guide with its first block replaced."""
    first, *steps = steps_of(page)
    assert re.findall(r"^\w+", first.code, re.MULTILINE) == ["source", "encoder"]
    return run(steps, {"source": source, "encoder": encoder}, real=real)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    """A DistilBERT 32 wide with random weights, and the real vocabulary, so that pieces are the guide's."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = minilm_tokenizer()
    config = transformers.DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, hidden_dim=64, n_layers=2, n_heads=2, initializer_range=0.4
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.DistilBertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> str:
    """A stand-in for WNUT 17: the sentence that the guide looks at, and some of the bundled sample."""
    folder = tmp_path_factory.mktemp("corpus")
    sample = tw.load_data("sample")
    names = sample["train"].features["ner_tags"].feature.names
    for split, size in (("train", 48), ("validation", 24), ("test", 24)):
        rows = [(row["tokens"], row["ner_tags"]) for row in sample[split].select(range(size))]
        if split == "train":
            rows.insert(0, (GUIDE_WORDS, GUIDE_TAGS))
        sentences = [
            "".join(f"{word}\t{names[tag]}\n" for word, tag in zip(*row, strict=True)) for row in rows
        ]
        (folder / f"{split}.conll").write_text("\n".join(sentences), encoding="utf-8")
    return str(folder)


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder, with a seeded generator that is put back."""
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.mark.usefixtures("_elsewhere")
def test_the_guide_runs_from_end_to_end(corpus, encoder):
    names = run_guide(GUIDE, source=corpus, encoder=encoder)

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
    names = run_guide(GUIDE.partition("\n## Train\n")[0], source=corpus, encoder=encoder)
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
    run_guide(before, source="wnut17", encoder=encoder, real=True)


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
