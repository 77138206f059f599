"""`tagwright train`: from a recipe and data to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transformers
from rich.console import Console

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import hold_out
from tagwright.encode.align import PieceTable
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import RunError
from tagwright.model.bundle import BundleMeta, save_bundle
from tagwright.model.network import Network, build_network
from tagwright.predict.runtimes.torch import TorchRuntime
from tagwright.score.evaluate import evaluate
from tagwright.tags import LabelMap
from tagwright.train import checkpoint
from tagwright.train.agreement import check_agreement
from tagwright.train.callbacks import StopOnInterrupt
from tagwright.train.ending import EndTogether, is_lost
from tagwright.train.progress import RunDisplay
from tagwright.train.ranks import among_several, rank, wait
from tagwright.train.recipe import load_recipe, resolve, source_and_encoder
from tagwright.train.record import REPORT, make_record, write_report
from tagwright.train.run import (
    CHECKPOINTS,
    check_run,
    default_run,
    interrupted,
    lost,
    prepare_run,
    with_resume,
)
from tagwright.train.setup import build_trainer, check_encoder, describe, encode_split, origin_of
from tagwright.train.shared import SharedTagger

if TYPE_CHECKING:
    from datasets import DatasetDict

    from tagwright.train.setup import Trainer

__all__ = ["Trained", "train"]


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
    report: bool = True,
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
        report: write RUN/report.html at the end (extra `report`); without it, or where it fails, a notice says so.
        console: where progress and notices go; None is stderr.

    Raises:
        InputError: the recipe, the data or the encoder is wrong, or the engine cannot honour a field that was set.
        MissingExtraError: the engine is not installed.
        RunError: training failed; checkpoints stay, and the message says how to go on.
    """
    console = console or Console(stderr=True, quiet=rank() > 0)
    recipe = load_recipe(recipe, settings, model)
    source, encoder = source_and_encoder(recipe, data)
    check_splitter(recipe.encode.splitter)
    run = Path(out) if out is not None else default_run(recipe)
    folder = run / CHECKPOINTS
    if rank() == 0:
        check_run(run, resume=resume, overwrite=overwrite)

    notices: list[str] = []

    def note(line: str) -> None:
        notices.append(line)
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    corpus = _read(recipe, source, note)
    labels = corpus.labels
    network = build_network(
        encoder,
        labels,
        dropout=recipe.model.dropout,
        attention_dropout=recipe.model.attention_dropout,
        seed=recipe.train.seed,
    )
    check_encoder(network, recipe)
    recipe = resolve(recipe, network)
    for line in filter(None, [*network.notices, origin_of(recipe)]):
        note(line)
    table = PieceTable(network.tokenizer)
    parts = {name: encode_split(corpus, name, table, recipe, note) for name in corpus.splits}
    start = prepare_run(folder, recipe, corpus, resume=resume, note=note)
    trainer = build_trainer(network, labels, parts, recipe, folder, table, callbacks, note)
    display = RunDisplay(console, lambda: trainer.pieces_seen)
    trainer.add_callback(display)
    interrupt = StopOnInterrupt()
    trainer.add_callback(interrupt)
    try:
        with EndTogether(interrupt, lambda: lost(run, folder)):
            check_agreement(recipe, corpus, parts, folder, start)
            note(describe(recipe, trainer, parts))
            with interrupt:
                trainer.train(resume_from_checkpoint=str(start) if start else None)
            if interrupt.stopping and trainer.state.global_step < trainer.state.max_steps:
                raise KeyboardInterrupt
            display.close()
            best = _take_best(trainer, recipe, folder, note)
            network.model = trainer.plain_model()
            scores = _score(network, table, corpus, _describe_bundle(recipe, labels, network, {}))
            if rank() == 0:
                steps, history = trainer.state.global_step, trainer.history.record()
                made = make_record(
                    recipe, corpus, steps=steps, best_step=best, scores=scores, history=history
                )
                _save(run, network, _describe_bundle(recipe, labels, network, made))
                (run / REPORT).unlink(missing_ok=True)  # of the tagger that was here before
            _part()
    except RunError as error:
        raise with_resume(error, run, folder) from error
    except KeyboardInterrupt:
        raise interrupted(run, folder) from None
    except Exception as error:
        if not (among_several() and is_lost(error)):
            raise
        raise lost(run, folder) from error
    finally:
        display.close()
    if rank() == 0 and not recipe.train.keep_checkpoints:
        checkpoint.discard(folder)
    if rank() == 0 and report:
        write_report(run, corpus, precision=recipe.train.precision, note=note)
    return Trained(run, recipe, scores, notices, display.seconds, trainer.pieces_seen)


def _read(recipe: Recipe, source: Any, note: Callable[[str], None]) -> Corpus:
    splitter = recipe.encode.splitter
    corpus = read_corpus(source, settings=recipe.data, split=lambda text: split_words(text, splitter))
    corpus.require_split("train", entities=True)
    if "validation" not in corpus.splits:
        corpus = hold_out(corpus, recipe.data.validation_share, recipe.data.split_seed)
    for line in corpus.notices:
        note(line)
    return corpus


def _take_best(trainer: Trainer, recipe: Recipe, folder: Path, note: Callable[[str], None]) -> int:
    """Give the model the weights that the recipe wants, and return their step."""
    last, best = trainer.state.global_step, trainer.state.best_global_step
    if not recipe.train.keep_best or best in (None, 0, last):
        return int(last)
    trainer.load_weights(folder / f"{checkpoint.PREFIX}{best}")
    note(f"kept the weights of step {best}, the best on validation")
    return int(best)


def _part() -> None:
    """Wait until the bundle is there; the first process, which wrote it, needs nobody any more."""
    try:
        wait()
    except Exception as error:
        if rank() > 0 or not is_lost(error):
            raise


def _save(run: Path, network: Network, meta: BundleMeta) -> None:
    try:
        save_bundle(run, network.model, network.tokenizer, meta)
    except RunError as error:
        mend = "make room and go on with --resume" if error.mend else "go on with --resume"
        raise RunError(error.what, where=error.where, mend=mend) from error


def _describe_bundle(recipe: Recipe, labels: LabelMap, network: Network, made: dict[str, Any]) -> BundleMeta:
    return BundleMeta(
        scheme=labels.scheme,
        labels=list(labels.names),
        splitter=recipe.encode.splitter,
        max_pieces=recipe.encode.max_pieces or network.max_pieces,
        overlap=recipe.encode.overlap,
        on_overflow=recipe.encode.on_overflow,
        valid_tags=recipe.predict.valid_tags,
        precision=recipe.train.precision,  # type: ignore[arg-type]  # resolved: no longer "auto"
        made=made,
    )


def _score(
    network: Network, table: PieceTable, corpus: Corpus, meta: BundleMeta
) -> dict[str, dict[str, Any]]:
    """Evaluate the tagger as it will serve; the test split is scored once, here, after all choices."""
    tagger = SharedTagger(TorchRuntime(deepcopy(network.model), precision=meta.precision), table, meta)
    return {
        name: evaluate(tagger, corpus, split=name).to_dict()
        for name in ("validation", "test")
        if name in corpus.splits
    }
