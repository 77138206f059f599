"""`tagwright train`: from a recipe and data to a bundle."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers
from rich.console import Console

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import hold_out
from tagwright.encode.align import PieceTable
from tagwright.encode.batches import collate, piece_labels
from tagwright.encode.windows import encode_words
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import InputError, RunError
from tagwright.model.bundle import BundleMeta, save_bundle
from tagwright.model.network import Network, build_network
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.tags import LabelMap
from tagwright.train import checkpoint
from tagwright.train.faststep import FastStep
from tagwright.train.progress import RunDisplay, StopOnInterrupt
from tagwright.train.recipe import device_of, resolve
from tagwright.train.record import make_record
from tagwright.train.trainer import Part, SaveEvery, TaggerTrainer, score_part

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["Trained", "train"]

CHECKPOINTS = "checkpoints"
STATE = "run.json"
INTERRUPTED = 130


@dataclass(frozen=True)
class Trained:
    """What came out of a run.

    Attributes:
        path: the bundle.
        recipe: the resolved recipe.
        scores: for `validation` and, where the data has it, `test`: the JSON of `tagwright evaluate`.
        notices: counted losses and facts, in words.
        seconds: time in training steps, without evaluations and checkpoints.
        pieces: pieces trained on, padding not counted.
    """

    path: Path
    recipe: Recipe
    scores: dict[str, dict[str, Any]]
    notices: list[str]
    seconds: float
    pieces: int


def train(
    recipe: Recipe | str | Path | None = None,
    *,
    data: str | Path | DatasetDict | None = None,
    model: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    settings: Iterable[str] | Mapping[str, Any] = (),
    callbacks: Sequence[transformers.TrainerCallback] = (),
    console: Console | None = None,
) -> Trained:
    """Train a tagger.

    Args:
        recipe: a `Recipe`, a TOML file, or the name of a built-in recipe; None is `default`.
        data: what to train on, as for `load_data`; overrides `data.source`.
        model: the encoder: `minilm`, a folder or a name on the Hub; overrides `model.encoder`.
        out: the run's folder, which becomes the bundle; None is `runs/DATA-MODEL`.
        resume: go on from the newest whole checkpoint of an earlier run in `out`.
        overwrite: replace an earlier run in `out`.
        settings: more fields of the recipe, as for `Recipe.load`.
        callbacks: callbacks of `transformers.Trainer`.
        console: where progress and notices go; None is stderr.

    Raises:
        InputError: the recipe, the data or the encoder is wrong.
        RunError: training failed; checkpoints stay, and the message says how to go on.
    """
    console = console or Console(stderr=True)
    recipe = _load_recipe(recipe, settings, model)
    source = data if data is not None else recipe.data.source
    if source is None:
        raise InputError("no data was named", mend="give --data DATA or set data.source in the recipe")
    if recipe.model.encoder is None:
        raise InputError(
            "no encoder was named", mend="give --model ENCODER, such as minilm, or set model.encoder"
        )
    check_splitter(recipe.encode.splitter)
    if isinstance(source, str | Path):
        recipe.data.source = str(source)
    run = (
        Path(out)
        if out is not None
        else Path("runs") / _slug(f"{recipe.data.source or 'data'}-{recipe.model.encoder}")
    )
    folder = run / CHECKPOINTS
    _check_run(run, resume=resume, overwrite=overwrite)

    notices: list[str] = []

    def note(line: str) -> None:
        notices.append(line)
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    corpus = _read(recipe, source, note)
    labels = corpus.labels
    network = build_network(
        recipe.model.encoder,
        labels,
        dropout=recipe.model.dropout,
        attention_dropout=recipe.model.attention_dropout,
        seed=recipe.train.seed,
    )
    recipe = resolve(recipe, network)
    for line in network.notices:
        note(line)
    start = _prepare(folder, recipe, corpus, resume=resume, note=note)

    table = PieceTable(network.tokenizer)
    parts = {name: _encode(corpus, name, table, recipe, note) for name in corpus.splits}
    trainer, fast = _build_trainer(network, labels, parts, recipe, folder, table, callbacks, note)
    display = RunDisplay(console, lambda: trainer.pieces_seen)
    trainer.add_callback(display)
    interrupt = StopOnInterrupt()
    trainer.add_callback(interrupt)
    note(_describe(recipe, trainer, parts))
    try:
        with interrupt:
            trainer.train(resume_from_checkpoint=str(start) if start else None)
    except RunError as error:
        raise _with_resume(error, run, folder) from error
    except KeyboardInterrupt:
        raise _interrupted(run, folder) from None
    finally:
        display.close()
    if interrupt.asked and trainer.state.global_step < trainer.state.max_steps:
        raise _interrupted(run, folder)

    best = trainer.state.global_step
    if recipe.train.keep_best and trainer.state.best_global_step not in (None, 0, best):
        best = trainer.state.best_global_step
        trainer.load_weights(folder / f"{checkpoint.PREFIX}{best}")
        note(f"kept the weights of step {best}, the best on validation")
    if fast is not None:
        fast.undo()
    scores = _score(network, labels, parts, recipe)
    if trainer.is_world_process_zero():
        meta = BundleMeta(
            scheme=labels.scheme,
            labels=list(labels.names),
            splitter=recipe.encode.splitter,
            max_pieces=recipe.encode.max_pieces or network.max_pieces,
            overlap=recipe.encode.overlap,
            on_overflow=recipe.encode.on_overflow,
            valid_tags=recipe.predict.valid_tags,
            precision=recipe.train.precision,  # type: ignore[arg-type]  # resolved: no longer "auto"
            made=make_record(recipe, corpus, steps=trainer.state.global_step, best_step=best, scores=scores),
        )
        save_bundle(run, network.model, network.tokenizer, meta)
        if not recipe.train.keep_checkpoints:
            checkpoint.discard(folder)
    return Trained(run, recipe, scores, notices, display.seconds, trainer.pieces_seen)


def _load_recipe(
    recipe: Recipe | str | Path | None, settings: Iterable[str] | Mapping[str, Any], model: str | None
) -> Recipe:
    if isinstance(recipe, Recipe):
        if settings:
            raise InputError("settings go with a recipe's name or file", mend="set them on the Recipe itself")
        loaded = recipe.model_copy(deep=True)
    else:
        loaded = Recipe.load(recipe, settings)
    if model is not None:
        loaded.model.encoder = model
    return loaded


def _slug(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "run"


def _check_run(run: Path, *, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other", mend="give one of them")
    if run.exists() and not run.is_dir():
        raise InputError("this is a file, not a folder for a run", where=str(run), mend="name another --out")
    taken = run.is_dir() and any(run.iterdir())
    if taken and not resume and not overwrite:
        raise InputError(
            "there is a run here already", where=str(run), mend="give --resume, --overwrite or another --out"
        )
    if resume and not (run / CHECKPOINTS / STATE).exists():
        done = (run / "tagwright.json").exists()
        raise InputError(
            "the run here is complete; there is nothing to resume"
            if done
            else "there is no run here to resume",
            where=str(run),
            mend="give --overwrite to train anew" if done else "leave --resume out",
        )
    if overwrite and taken and not (run / CHECKPOINTS).is_dir() and not (run / "config.json").exists():
        raise InputError(
            "this folder holds something else than a run", where=str(run), mend="name another --out"
        )


def _read(recipe: Recipe, source: Any, note: Callable[[str], None]) -> Corpus:
    splitter = recipe.encode.splitter
    corpus = read_corpus(source, settings=recipe.data, split=lambda text: split_words(text, splitter))
    corpus.require_split("train", entities=True)
    noted = len(corpus.notices)
    for line in corpus.notices:
        note(line)
    if corpus.invalid:
        shown = "; ".join(map(str, corpus.invalid[:3]))
        note(
            f"{len(corpus.invalid)} tags break the scheme {corpus.labels.scheme.value}: {shown}"
            + ("; repaired by their lenient reading" if recipe.data.repair else "; kept as they are")
        )
    if "validation" not in corpus.splits:
        corpus = hold_out(corpus, recipe.data.validation_share, recipe.data.split_seed)
        for line in corpus.notices[noted:]:
            note(line)
    return corpus


def _prepare(
    folder: Path, recipe: Recipe, corpus: Corpus, *, resume: bool, note: Callable[[str], None]
) -> Path | None:
    """Get the checkpoints' folder ready; return the checkpoint to start from."""
    asked = recipe.model_dump(mode="json")
    if not resume:
        checkpoint.discard(folder)
        folder.mkdir(parents=True)
        state = {"recipe": asked, "data_sha256": corpus.sha256}
        (folder / STATE).write_text(json.dumps(state, indent=1), encoding="utf-8")
        return None
    before = json.loads((folder / STATE).read_text(encoding="utf-8"))
    if before["data_sha256"] != corpus.sha256:
        raise InputError(
            "the data is not what the run began with", where=str(folder), mend="give --overwrite"
        )
    for section, fields in before["recipe"].items():
        for field, value in fields.items():
            now = asked.get(section, {}).get(field)
            if now != value and (section, field) != ("data", "source"):
                raise InputError(
                    f"the run began with {section}.{field} = {value!r}, not {now!r}",
                    where=str(folder),
                    mend="give the same recipe, or --overwrite to begin anew",
                )
    start = checkpoint.newest(folder)
    note(
        f"going on from step {checkpoint.step_of(start)}" if start else "no whole checkpoint: beginning anew"
    )
    return start


def _encode(
    corpus: Corpus, name: str, table: PieceTable, recipe: Recipe, note: Callable[[str], None]
) -> Part:
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


def _build_trainer(
    network: Network,
    labels: LabelMap,
    parts: dict[str, Part],
    recipe: Recipe,
    folder: Path,
    table: PieceTable,
    callbacks: Sequence[transformers.TrainerCallback],
    note: Callable[[str], None],
) -> tuple[TaggerTrainer, FastStep | None]:
    settings = recipe.train
    part = parts["train"]
    transformers.set_seed(settings.seed)
    device = device_of()
    fast = None
    if settings.fast_step and device.type == "cpu":
        rows = np.unique(np.concatenate([part.encoded.ids, [table.pad_id, table.unk_id]]))
        rank = int(os.environ.get("RANK", "0"))
        fast = FastStep(
            network.model, rows, bf16=settings.precision == "bf16", seed=settings.seed, process=rank
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
        more.append(transformers.EarlyStoppingCallback(early_stopping_patience=settings.early_stopping))
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


def _describe(recipe: Recipe, trainer: TaggerTrainer, parts: dict[str, Part]) -> str:
    settings = recipe.train
    sentences = len(parts["train"].encoded.word_offsets) - 1
    return (
        f"training {recipe.model.encoder} on {sentences:,} sentences "
        f"({len(parts['train'].tags):,} words, {int(parts['train'].encoded.lengths.sum()):,} pieces): "
        f"{settings.epochs:g} epochs, batch {settings.batch_size}, learning rate {settings.learning_rate:g}, "
        f"{settings.precision}, seed {settings.seed}" + (", fast step" if trainer.fast is not None else "")
    )


def _score(
    network: Network, labels: LabelMap, parts: dict[str, Part], recipe: Recipe
) -> dict[str, dict[str, Any]]:
    """Score the splits with the runtime that will serve; the test split is scored once, here, after all choices."""
    runtime = TorchRuntime(deepcopy(network.model), precision=recipe.train.precision)
    return {
        name: score_part(runtime, parts[name], labels, recipe).to_dict()
        for name in ("validation", "test")
        if name in parts
    }


def _with_resume(error: RunError, run: Path, folder: Path) -> RunError:
    last = checkpoint.newest(folder)
    where = f"; the checkpoint of step {checkpoint.step_of(last)} is in {folder}" if last else ""
    return RunError(error.what + where, where=error.where or str(run), mend=error.mend)


def _interrupted(run: Path, folder: Path) -> RunError:
    last = checkpoint.newest(folder)
    if last is None:
        error = RunError(
            "interrupted before the first checkpoint", where=str(run), mend="begin anew with --overwrite"
        )
    else:
        error = RunError(
            f"interrupted; step {checkpoint.step_of(last)} is saved",
            where=str(run),
            mend=f"go on with the same call and --resume (--out {run})",
        )
    error.exit_code = INTERRUPTED
    return error
