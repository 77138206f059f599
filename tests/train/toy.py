"""A corpus that a tiny model learns in seconds, an encoder to learn it with, and a run over both."""

from __future__ import annotations

import random
import string
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console

from tagwright.model.huggingface import quiet
from tagwright.train.engine import Trained, train

NAMES = {
    "person": [["Jeff", "Bezos"], ["@paulwalk"], ["Bezos"], ["Jeff"]],
    "location": [["New", "York"], ["Empire", "State", "Building"], ["ESB"], ["York"]],
}
FILLER_TEXT = "is the tallest building in . It 's view from where living for two weeks Pretty bad storm here"
FILLER = FILLER_TEXT.split()


def sentences(
    count: int, seed: int, names: dict[str, list[list[str]]] = NAMES
) -> list[list[tuple[str, str]]]:
    """Draw sentences of words with their IOB2 tags; three of four hold entities."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        words: list[tuple[str, str]] = []
        for _ in range(draw.randint(2, 5)):
            words += [(word, "O") for word in draw.choices(FILLER, k=draw.randint(1, 3))]
            if number % 4:
                label = draw.choice(list(names))
                name = draw.choice(names[label])
                words += [(word, f"{'I' if place else 'B'}-{label}") for place, word in enumerate(name)]
        found.append(words)
    return found


def conll(found: list[list[tuple[str, str]]]) -> str:
    """Write sentences as CoNLL text."""
    return "".join("".join(f"{word}\t{tag}\n" for word, tag in words) + "\n" for words in found)


def write_corpus(folder: Path, *, train: int = 48, validation: int = 16, test: int = 16) -> Path:
    """Write a corpus of three CoNLL files and return its folder; a split of 0 sentences is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (split, count) in enumerate({"train": train, "dev": validation, "test": test}.items()):
        if count:
            (folder / f"{split}.conll").write_text(conll(sentences(count, seed)))
    return folder


def fixed_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Build a WordPiece tokenizer whose vocabulary is written here: trained ones differ from process to process."""
    words = [word.lower() for name in NAMES.values() for words in name for word in words]
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    entries = dict.fromkeys([*pieces, *(word for word in [*words, *FILLER_TEXT.lower().split()])])
    return transformers.DistilBertTokenizerFast(
        vocab={piece: number for number, piece in enumerate(entries)}, model_max_length=512
    )


def write_encoder(folder: Path, *, positions: int = 64, **config: Any) -> Path:
    """Save a tiny DistilBERT without a head, with its tokenizer; `config` changes its configuration."""
    tokenizer = fixed_tokenizer()
    sizes = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "initializer_range": 0.05}
    settings = transformers.DistilBertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=positions, **sizes, **config
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = transformers.AutoModel.from_config(settings)
    with quiet():
        encoder.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


FAST = {
    "train.epochs": 2,
    "train.batch_size": 8,
    "train.learning_rate": 1e-2,
    "train.layer_decay": 1.0,
    "train.head_rate": 1.0,
}
"""Settings at which the tiny encoder learns the corpus."""


class Quiet(Console):
    """A console that keeps what is printed, as plain lines."""

    def __init__(self) -> None:
        import io

        super().__init__(file=io.StringIO(), width=200)

    @property
    def text(self) -> str:
        """What was printed."""
        return self.file.getvalue()  # type: ignore[attr-defined, no-any-return]  # a StringIO


def run(data: Any, encoder: Path, out: Path, *, resume: bool = False, overwrite: bool = False, callbacks: Any = (),
        recipe: str | None = None, console: Console | None = None, report: bool = False,
        **settings: Any) -> Trained:  # fmt: skip
    """Train with `FAST` settings and without a report; further settings are given as `train__epochs=1`."""
    chosen = FAST | {name.replace("__", "."): value for name, value in settings.items()}
    return train(
        recipe,
        data=data,
        model=str(encoder),
        out=out,
        resume=resume,
        overwrite=overwrite,
        settings={} if recipe else chosen,
        callbacks=callbacks,
        report=report,
        console=console or Quiet(),
    )
