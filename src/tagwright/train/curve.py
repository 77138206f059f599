"""`tagwright curve`: F1 against the number of training sentences, and whether more labels would help."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import hold_out
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import InputError, MissingExtraError, RunError
from tagwright.model.bundle import read_meta
from tagwright.report.curve import curve_svg
from tagwright.train.curve_log import CurveLog
from tagwright.train.curve_points import Curve, CurvePoint, CurveRun
from tagwright.train.engine import train
from tagwright.train.gains import judge
from tagwright.train.ranks import processes
from tagwright.train.recipe import load_recipe, precision_of, source_and_encoder
from tagwright.train.run import INTERRUPTED, default_run
from tagwright.train.shares import check_shares, nested_rows, size_of, take_part

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["curve"]

SHARES = (0.1, 0.25, 0.5, 1.0)
_OF_ONE_RUN = ("training ", "kept the weights")  # notices that hold for a single point
Rows = Mapping[tuple[float, int], Sequence[int]]


def curve(
    recipe: Recipe | str | Path | None = None,
    *,
    data: str | Path | DatasetDict | None = None,
    model: str | None = None,
    shares: Iterable[float] = SHARES,
    seeds: int = 3,
    out: str | Path | None = None,
    split: str = "validation",
    resume: bool = False,
    overwrite: bool = False,
    settings: Iterable[str] | Mapping[str, Any] = (),
    console: Console | None = None,
) -> Curve:
    """Train on growing parts of the data, several times each, and say whether more labels would help.

    For one seed the parts are nested; another seed draws others, and trains with another seed. Parts are made of
    whole documents where the data marks them. The labels, the validation split and the recipe are the same for
    all; so the number of epochs is, and fewer sentences mean fewer steps.

    Args:
        recipe: a `Recipe`, a TOML file, or the name of a built-in recipe; None is `default`.
        data: what to train on, as for `load_data`; overrides `data.source`.
        model: the encoder: `minilm`, a folder or a name on the Hub; overrides `model.encoder`.
        shares: of the train split, each above 0 and up to 1.
        seeds: how often each share is trained, with the seeds `train.seed`, `train.seed + 1`, ….
        out: the curve's folder; None is `runs/DATA-MODEL-curve`.
        split: what to score: `validation`, or `test` where nothing is to be chosen by the curve.
        resume: keep the points that an earlier call in `out` trained.
        overwrite: replace an earlier curve in `out`.
        settings: more fields of the recipe, as for `Recipe.load`.
        console: where progress and notices go; None is stderr.

    Raises:
        InputError: the recipe, the data, a share or the encoder is wrong.
        RunError: a training failed or was stopped; the points before it are kept.
    """
    console = console or Console(stderr=True)
    notices: list[str] = []

    def note(line: str) -> None:
        notices.append(line)
        _say(console, line)

    if processes() > 1:
        raise InputError("a curve is trained in one process", mend="start it without torchrun")
    shares = check_shares(shares)
    if seeds < 1:
        raise InputError(f"{seeds} seeds", mend="give at least 1, better 3")
    if split not in ("validation", "test"):
        raise InputError(f"a curve cannot be scored on {split!r}", mend="give --split validation or test")
    recipe = load_recipe(recipe, settings, model)
    source, _ = source_and_encoder(recipe, data)
    recipe.train.precision = precision_of(recipe.train)  # type: ignore[assignment]  # no longer "auto"
    if out is None:
        run = default_run(recipe)
        out = run.with_name(f"{run.name}-curve")
    log = CurveLog(Path(out))
    log.check(resume=resume, overwrite=overwrite)
    corpus = _read(recipe, source, split, note)
    drawn = [(recipe.train.seed + number) % 2**32 for number in range(seeds)]
    rows = nested_rows(corpus, shares, drawn)
    head = {
        "recipe": recipe.model_dump(mode="json"),
        "data": {"source": corpus.source, "sha256": corpus.sha256},
        "split": split,
    }
    log.begin(head, resume=resume)
    if others := [run for run in log.runs if (run.share, run.seed) not in rows]:
        note(f"points of other shares or seeds, left out: {len(others)}")
    try:
        _train(corpus, recipe, rows, log, split, console, note)
    except InputError:  # of the encoder, which is read only now
        if not log.runs:
            log.discard()
        raise
    finally:
        log.clear()
    made = _put_together(corpus, recipe, log, shares, drawn, split, notices)
    _write(made, note)
    return made


def _read(recipe: Recipe, source: Any, split: str, note: Callable[[str], None]) -> Corpus:
    """Read the data as `train` does, once for all points."""
    check_splitter(recipe.encode.splitter)
    corpus = read_corpus(
        source, settings=recipe.data, split=lambda text: split_words(text, recipe.encode.splitter)
    )
    corpus.require_split("train", entities=True)
    if "validation" not in corpus.splits:
        corpus = hold_out(corpus, recipe.data.validation_share, recipe.data.split_seed)
    corpus.require_split(split, entities=True)
    for line in corpus.notices:
        note(line)
    return corpus


def _train(
    corpus: Corpus,
    recipe: Recipe,
    rows: Rows,
    log: CurveLog,
    split: str,
    console: Console,
    note: Callable[[str], None],
) -> None:
    """Train every point that the log lacks."""
    todo = [point for point in rows if log.find(*point) is None]
    scored = sum(len(corpus.splits[name]) for name in {"validation", split})
    # Scoring a sentence after each epoch takes about a third of a training step on it.
    cost = {point: len(rows[point]) + scored / 3 for point in todo}
    started = time.perf_counter()
    for number, (share, seed) in enumerate(todo, 1):
        run = _train_point(corpus, recipe, rows, share, seed, log, split, note)
        log.add(run)
        spent = time.perf_counter() - started
        left = (
            spent * sum(cost[point] for point in todo[number:]) / sum(cost[point] for point in todo[:number])
        )
        _say(
            console,
            f"{len(rows) - len(todo) + number}/{len(rows)}  share {share:g} ({run.sentences:,} sentences), seed"
            f" {seed}: {split} F1 {run.f1:.4f}"
            + (f"  about {_clock(left)} left" if number < len(todo) else ""),
        )


def _train_point(
    corpus: Corpus,
    recipe: Recipe,
    rows: Rows,
    share: float,
    seed: int,
    log: CurveLog,
    split: str,
    note: Callable[[str], None],
) -> CurveRun:
    mine = recipe.model_copy(deep=True)
    mine.train.seed = seed
    # The tags are as the recipe wants them already; a part of the data could not tell its scheme.
    mine.data.scheme, mine.data.tag_scheme, mine.data.repair = corpus.labels.scheme.value, None, False
    part = take_part(corpus, rows[share, seed], dict.fromkeys(("validation", split)))
    words, mentions = size_of(corpus, part["train"])
    log.clear()
    try:
        trained = train(
            mine,
            data=part,
            out=log.training,
            report=False,
            console=Console(file=io.StringIO(), quiet=True),
        )
        steps = int(read_meta(trained.path).made["steps"])
    except RunError as error:
        if error.exit_code == INTERRUPTED:
            raise _interrupted(log, rows) from None
        raise RunError(
            error.what, where=str(log.folder), mend="go on with the same call and --resume"
        ) from error
    except KeyboardInterrupt:
        raise _interrupted(log, rows) from None
    if share == max(point[0] for point in rows) and seed == recipe.train.seed:
        for line in trained.notices:
            if line not in corpus.notices and not line.startswith(_OF_ONE_RUN):
                note(line)
    scores = trained.scores[split]
    return CurveRun(
        share=share,
        seed=seed,
        sentences=len(rows[share, seed]),
        words=words,
        mentions=mentions,
        steps=steps,
        f1=scores["lenient"]["f1"],
        precision=scores["lenient"]["precision"],
        recall=scores["lenient"]["recall"],
        strict_f1=scores["strict"]["f1"],
    )


def _put_together(
    corpus: Corpus,
    recipe: Recipe,
    log: CurveLog,
    shares: Sequence[float],
    seeds: Sequence[int],
    split: str,
    notices: list[str],
) -> Curve:
    runs = [[run for seed in seeds if (run := log.find(share, seed))] for share in shares]
    _, support = size_of(corpus, corpus.splits[split])
    judgement = judge(
        np.array([[float(run.sentences) for run in row] for row in runs]),
        np.array([[run.f1 for run in row] for row in runs]),
        support=support,
        split=split,
    )
    return Curve(
        path=log.folder,
        source=corpus.source,
        encoder=str(recipe.model.encoder),
        split=split,
        unit="document" if corpus.documents.get("train") else "sentence",
        sentences=len(corpus.splits["train"]),
        support=support,
        points=[CurvePoint.of(row) for row in runs],
        judgement=judgement,
        notices=notices,
    )


def _write(made: Curve, note: Callable[[str], None]) -> None:
    """Write the picture, where matplotlib is there, and the figures."""
    try:
        picture = curve_svg(made.to_dict())
    except MissingExtraError as error:
        note(f"no picture was drawn: {error}")
    else:
        (made.path / "curve.svg").write_text(picture, encoding="utf-8")
    text = json.dumps(made.to_dict(), ensure_ascii=False, indent=1)
    (made.path / "curve.json").write_text(text + "\n", encoding="utf-8")


def _interrupted(log: CurveLog, rows: Rows) -> RunError:
    done = sum(log.find(*point) is not None for point in rows)
    error = RunError(
        f"interrupted; {done} of {len(rows)} points are trained",
        where=str(log.folder),
        mend=f"go on with the same call and --resume (--out {log.folder})",
    )
    error.exit_code = INTERRUPTED
    return error


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
