"""Pages whose Python blocks run, in order and in one namespace, and what stands in for their data and encoder."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

import tagwright as tw
from tests.tiny_tokenizers import GUIDE_TAGS, GUIDE_WORDS, minilm_tokenizer

DOCS = Path(__file__).parents[1] / "docs"
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)

ONLY_REAL = "text wnut17"
"""Marks output that the real WNUT 17 files alone give."""


class Step(NamedTuple):
    """A Python block of a page, the output that is shown under it, if any, and the line the block begins at."""

    code: str
    output: str | None
    only_real: bool
    line: int


def read_page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


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
            warnings.filterwarnings("ignore", message="__array__ impl")  # how Keras reads its variables
            exec(code, names)
        if step.output is not None and (real or not step.only_real):
            assert printed.getvalue() == step.output, f"line {step.line} prints:\n{printed.getvalue()}"
    return names


def run_page(page: str, *, source: str, encoder: str, real: bool = False) -> dict[str, Any]:
    """Run a page with its first block, which names the data and the encoder, replaced."""
    first, *steps = steps_of(page)
    assert re.findall(r"^\w+", first.code, re.MULTILINE) == ["source", "encoder"]
    return run(steps, {"source": source, "encoder": encoder}, real=real)


def write_encoder(folder: Path) -> str:
    """Save a DistilBERT 32 wide with random weights, and the real vocabulary, so that pieces are the guide's."""
    tokenizer = minilm_tokenizer()
    config = transformers.DistilBertConfig(
        vocab_size=len(tokenizer), dim=32, hidden_dim=64, n_layers=2, n_heads=2, initializer_range=0.4
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.DistilBertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def write_corpus(folder: Path) -> str:
    """Save a stand-in for WNUT 17: the sentence that the guide looks at, and some of the bundled sample."""
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
