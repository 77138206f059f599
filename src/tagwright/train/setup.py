"""From a recipe, a corpus and a network to a trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.encode.align import PieceTable
from tagwright.encode.batches import collate, piece_labels
from tagwright.encode.windows import encode_words
from tagwright.keras.architecture import Architecture
from tagwright.model.huggingface import read_json
from tagwright.model.network import MINILM, Network
from tagwright.model.swap import RECORD
from tagwright.tags import LabelMap
from tagwright.train.callbacks import EarlyStop, SaveEvery
from tagwright.train.faststep import FastStep
from tagwright.train.ranks import processes, rank
from tagwright.train.recipe import device_of
from tagwright.train.scoring import Part
from tagwright.train.sharded_trainer import ShardedTrainer
from tagwright.train.sharding import sharding_arguments
from tagwright.train.trainer import TaggerTrainer

if TYPE_CHECKING:
    from datasets import Dataset

    from tagwright.train.keras_trainer import KerasTrainer

    Trainer = TaggerTrainer | KerasTrainer

__all__ = ["build_trainer", "check_encoder", "describe", "encode_split", "origin_of"]


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
) -> Trainer:
    """Build the trainer of the recipe's engine; what of the recipe did not fit the encoder is noted."""
    settings = recipe.train
    part = parts["train"]
    more = list(callbacks)
    if settings.save_steps is not None:
        more.append(SaveEvery(settings.save_steps))
    if settings.early_stopping is not None:
        more.append(EarlyStop(settings.early_stopping))
    chosen: dict[str, Any] = {
        "recipe": recipe,
        "labels": labels,
        "train": part,
        "piece_labels": piece_labels(
            part.encoded, part.tags, label_pieces=recipe.encode.label_pieces, labels=labels
        ),
        "validation": parts["validation"],
        "callbacks": more,
    }
    if settings.engine == "keras":
        from tagwright.train.keras_trainer import KerasTrainer

        return KerasTrainer(network.model, _arguments(recipe, part, folder), **chosen)
    transformers.set_seed(settings.seed)
    whole = device_of().type == "cpu" and settings.fsdp is None
    fast = _fast_step(network, part, recipe, table, note) if whole else None
    bf16 = settings.precision == "bf16" and fast is None
    unused = processes() > 1 and not _uses_all(network, part)
    arguments = _arguments(recipe, part, folder, bf16=bf16, unused=unused)
    trainer = TaggerTrainer if settings.fsdp is None else ShardedTrainer
    return trainer(network.model, arguments, fast=fast, **chosen)


def _fast_step(
    network: Network, part: Part, recipe: Recipe, table: PieceTable, note: Callable[[str], None]
) -> FastStep | None:
    """Make the fast step's exchanges on the model, where the recipe wants them and the model fits them."""
    settings = recipe.train
    if not settings.fast_step:
        return None
    rows = np.unique(np.concatenate([part.encoded.ids, [table.pad_id, table.unk_id]]))
    fast = FastStep(
        network.model, rows, bf16=settings.precision == "bf16", seed=settings.seed, process=rank()
    )
    reason = fast.apply(_sample(part))
    if reason is None:
        return fast
    note(f"training without the fast step, which this encoder does not fit ({reason})")
    return None


def _sample(part: Part) -> dict[str, torch.Tensor]:
    """Return the beginnings of the longest and the shortest window as a batch."""
    batch = collate(part.encoded, np.argsort(part.encoded.lengths, kind="stable")[::-1][[0, -1]])
    return {name: torch.from_numpy(values[:, :64]) for name, values in batch.items()}


def _uses_all(network: Network, part: Part) -> bool:
    """Say whether every batch gives every parameter a gradient; where not, processes must look each time."""
    model = network.model.eval()
    if any(getattr(model.config, name, 0) for name in ("layerdrop", "encoder_layerdrop")):
        return False
    model(**_sample(part)).logits.sum().backward()
    used = all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)
    model.zero_grad()
    return used


def _arguments(
    recipe: Recipe, part: Part, folder: Path, *, bf16: bool = False, unused: bool = False
) -> transformers.TrainingArguments:
    """Return what callbacks and trackers know a run by, whichever engine trains, and what the Trainer goes by."""
    settings = recipe.train
    steps = -(-len(part.encoded.lengths) // (settings.batch_size * settings.accumulation)) * settings.epochs
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=-(
            -settings.batch_size // processes()
        ),  # for trackers; `BatchOrder` deals
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=bf16,
        ddp_find_unused_parameters=unused,
        use_cpu=settings.engine == "keras" or device_of().type == "cpu",
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
        **sharding_arguments(settings),
    )
    if (
        arguments.n_gpu > 1
    ):  # one process: `DataParallel` would cut batches up behind the back of `BatchOrder`
        arguments._n_gpu = 1
    return arguments


def check_encoder(network: Network, recipe: Recipe) -> None:
    """Refuse an encoder that the recipe's engine cannot compute.

    Raises:
        InputError: Keras has no such architecture; the message names those that it has.
    """
    if recipe.train.engine == "keras":
        Architecture.from_config(network.model.config.to_dict(), where=recipe.model.encoder)


def origin_of(recipe: Recipe) -> str | None:
    """Say which engine trained the weights to begin with, where they are those of a tagger of ours."""
    encoder = recipe.model.encoder or ""
    record = Path(encoder) / RECORD
    if encoder == MINILM or not record.exists():
        return None
    made = read_json(record).get("made")
    engine = made.get("engine") if isinstance(made, dict) else None
    if engine is None:
        return None
    return f"the weights are those of {encoder}, trained with {engine}; the optimizer's state begins anew"


def describe(recipe: Recipe, trainer: Trainer, parts: dict[str, Part]) -> str:
    """Say in a line what is about to be trained, and by what."""
    settings = recipe.train
    sentences = len(parts["train"].encoded.word_offsets) - 1
    by = {"keras": ", engine keras, no fast step"}.get(settings.engine, "")
    fast = ", fast step" if trainer.fast is not None else ""
    among = f", {processes()} processes" if processes() > 1 else ""
    among += f", fsdp {settings.fsdp}" if settings.fsdp else ""
    return (
        f"training {recipe.model.encoder} on {sentences:,} sentences "
        f"({len(parts['train'].tags):,} words, {int(parts['train'].encoded.lengths.sum()):,} pieces): "
        f"{settings.epochs:g} epochs, batch {settings.batch_size}, learning rate {settings.learning_rate:g}, "
        f"{settings.precision}, seed {settings.seed}{by}{fast}{among}"
    )
