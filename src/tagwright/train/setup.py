"""From a recipe, a corpus and a network to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import transformers

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.encode.align import PieceTable
from tagwright.encode.batches import collate, piece_labels
from tagwright.encode.windows import encode_words
from tagwright.model.network import Network
from tagwright.tags import LabelMap
from tagwright.train.callbacks import EarlyStop, SaveEvery
from tagwright.train.faststep import FastStep
from tagwright.train.ranks import rank
from tagwright.train.recipe import device_of
from tagwright.train.scoring import Part
from tagwright.train.trainer import TaggerTrainer

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["build_trainer", "describe", "encode_split"]


def encode_split(
    corpus: Corpus, name: str, table: PieceTable, recipe: Recipe, note: Callable[[str], None]
) -> Part:
    """Encode one split of a corpus; lost words are noted."""
    split: Dataset = corpus.splits[name]
    encoded = encode_words(
        table,
        split["tokens"][:],
        limit=recipe.encode.max_pieces or 512,
        overlap=recipe.encode.overlap,
        on_overflow=recipe.encode.on_overflow,
        names=[f"{name}, sentence {identifier}" for identifier in split["id"][:]],
    )
    if encoded.lost_words:
        note(f"{name}: {encoded.lost_words} words lie beyond the window and are lost (on_overflow=truncate)")
    tags = np.fromiter(chain.from_iterable(split["ner_tags"][:]), dtype=np.int64)
    return Part(encoded, tags)


def build_trainer(
    network: Network,
    labels: LabelMap,
    parts: dict[str, Part],
    recipe: Recipe,
    folder: Path,
    table: PieceTable,
    callbacks: Sequence[transformers.TrainerCallback],
    note: Callable[[str], None],
) -> tuple[TaggerTrainer, FastStep | None]:
    """Build the trainer, with the fast step where the model fits it; what did not fit is noted."""
    settings = recipe.train
    part = parts["train"]
    transformers.set_seed(settings.seed)
    device = device_of()
    fast = None
    if settings.fast_step and device.type == "cpu":
        rows = np.unique(np.concatenate([part.encoded.ids, [table.pad_id, table.unk_id]]))
        fast = FastStep(
            network.model, rows, bf16=settings.precision == "bf16", seed=settings.seed, process=rank()
        )
        sample = collate(part.encoded, np.argsort(part.encoded.lengths, kind="stable")[::-1][[0, -1]])
        reason = fast.apply({name: torch.from_numpy(values[:, :64]) for name, values in sample.items()})
        if reason is not None:
            fast = None
            note(f"training without the fast step, which this encoder does not fit ({reason})")
    steps = -(-len(part.encoded.lengths) // (settings.batch_size * settings.accumulation)) * settings.epochs
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=settings.precision == "bf16" and fast is None,
        use_cpu=device.type == "cpu",
        seed=settings.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        metric_for_best_model="f1",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=max(1, min(10, int(steps) // 20)),
        logging_nan_inf_filter=False,
        report_to=settings.report_to or "none",
        disable_tqdm=True,
        remove_unused_columns=False,
        save_total_limit=None,
    )
    more = list(callbacks)
    if settings.save_steps is not None:
        more.append(SaveEvery(settings.save_steps))
    if settings.early_stopping is not None:
        more.append(EarlyStop(settings.early_stopping))
    trainer = TaggerTrainer(
        network.model,
        arguments,
        recipe=recipe,
        labels=labels,
        train=part,
        piece_labels=piece_labels(
            part.encoded, part.tags, label_pieces=recipe.encode.label_pieces, labels=labels
        ),
        validation=parts["validation"],
        fast=fast,
        callbacks=more,
    )
    return trainer, fast


def describe(recipe: Recipe, trainer: TaggerTrainer, parts: dict[str, Part]) -> str:
    """Say in a line what is about to be trained."""
    settings = recipe.train
    sentences = len(parts["train"].encoded.word_offsets) - 1
    return (
        f"training {recipe.model.encoder} on {sentences:,} sentences "
        f"({len(parts['train'].tags):,} words, {int(parts['train'].encoded.lengths.sum()):,} pieces): "
        f"{settings.epochs:g} epochs, batch {settings.batch_size}, learning rate {settings.learning_rate:g}, "
        f"{settings.precision}, seed {settings.seed}" + (", fast step" if trainer.fast is not None else "")
    )
