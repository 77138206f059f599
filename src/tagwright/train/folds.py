"""What taggers say of words that they were not trained on: k-fold cross-prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tagwright.config import DataSettings, Recipe
from tagwright.data.corpus import Corpus
from tagwright.data.split import hold_out
from tagwright.errors import InputError, RunError, require
from tagwright.predict.tagger import Tagger
from tagwright.score.counts import score_tags
from tagwright.score.tagged import tag_split
from tagwright.tags import LabelMap
from tagwright.train.engine import train
from tagwright.train.ranks import processes

__all__ = ["assign_folds", "cross_probabilities"]

COLUMNS = ["id", "tokens", "ner_tags"]
INTERRUPTED = 130  # the exit code of a training run that Ctrl-C stopped


def cross_probabilities(
    corpus: Corpus,
    recipe: Recipe,
    *,
    folds: int = 5,
    split: str = "train",
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, tuple[NDArray[np.float32], LabelMap]]:
    """Give each word of a split the probabilities of a tagger that was trained without its sentence.

    The split is cut into folds; for each, a tagger is trained by the recipe on the other folds and tags this one.
    Epochs are chosen, where the recipe does that, on the data's validation split; where there is none (or where it
    is the one that is cut), a share of the other folds is held out for it. The test split is not read.

    >>> found = cross_probabilities(corpus, Recipe.load(settings={"model.encoder": "minilm"}))  # doctest: +SKIP
    >>> likely_label_errors(corpus, "train", *found["train"])  # doctest: +SKIP

    Args:
        corpus: the data; see `tagwright.data.load.read_corpus`. It stays as it is.
        recipe: how each tagger is trained; its `data` section holds only what was used to read the corpus, and of it
            only the share and the seed of the hold-out count here. `model.encoder` must be named.
        folds: how many, at least 2; see `assign_folds`.
        split: which split.
        seed: another seed cuts otherwise; the taggers' own seed is the recipe's.
        console: where progress goes, a line a fold or one bar; None is stderr.

    Returns:
        Under the split's name: float32, shape (words, labels), rows adding up to 1 (NaN in rows of words that the
        taggers did not see: `encode.on_overflow = "truncate"`), in the order of the split; and the labels of its
        columns, which are the corpus's. A label that a fold's training part lacks is possible there all the same.

    Raises:
        InputError: no such split, fewer groups than folds, or the recipe does not fit.
        RunError: the training of a fold failed.
        KeyboardInterrupt: interrupted; the taggers of all folds are removed, as they always are.
    """
    if processes() > 1:
        raise InputError("folds are trained in one process", mend="start it without torchrun")
    part = corpus.require_split(split, entities=True)
    if recipe.model.encoder is None:
        raise InputError("no encoder was named", mend="give --model ENCODER, such as minilm")
    sentences = part["tokens"][:]
    homes = assign_folds(sentences, corpus.documents.get(split), folds, seed, where=corpus.source)
    lengths = np.fromiter(map(len, sentences), dtype=np.int64)
    result = np.full((int(lengths.sum()), len(corpus.labels)), np.nan, dtype=np.float32)
    with _Progress(console or Console(stderr=True), folds, split) as progress:
        for fold in range(folds):
            inside = homes == fold
            try:
                taken = _training_part(corpus, split, np.flatnonzero(~inside), recipe)
                left = _rows(corpus, split, np.flatnonzero(inside))
                result[np.repeat(inside, lengths)], f1 = _tag_fold(taken, left, split, recipe, progress)
            except (InputError, RunError) as error:
                place = f"fold {fold + 1} of {folds}"
                if error.exit_code == INTERRUPTED:
                    raise KeyboardInterrupt(f"interrupted in {place}") from None
                mend = error.mend if isinstance(error, InputError) else None  # no fold is gone on with
                raise type(error)(f"{place}: {error.what}", where=corpus.source, mend=mend) from error
            progress.finish_fold(len(taken.splits["train"]), int(inside.sum()), f1)
    return {split: (result, corpus.labels)}


def assign_folds(
    sentences: Sequence[Sequence[str]],
    documents: Sequence[str] | None,
    folds: int,
    seed: int,
    *,
    where: str | None = None,
) -> NDArray[np.int64]:
    """Deal sentences out to folds.

    Sentences of one document stay together, and so do sentences with the same words: a copy in the training part
    would tell the label. Where copies (an advertisement in every article) tie so many documents to each other that
    they do not fit into one fold, the documents alone count. The groups are dealt in an order that depends on their
    words and the seed, not on the order of the rows, each to the fold that has the fewest sentences by then.

    Args:
        sentences: the words of each.
        documents: the document of each, where the data marks documents.
        folds: how many folds, at least 2.
        seed: another seed deals otherwise.
        where: the data, for errors.

    Returns:
        int64, shape (sentences,): the fold of each.

    Raises:
        InputError: there are fewer groups than folds.
    """
    if folds < 2:
        raise InputError(f"{folds} folds cannot be made", mend="give --folds 2 or more")
    prints = [hashlib.sha256("\x00".join(words).encode()).digest() for words in sentences]
    groups = _join(prints, documents)
    if documents is not None and np.bincount(groups).max(initial=0) > len(sentences) / folds:
        groups = np.unique(np.asarray(documents), return_inverse=True)[1].astype(np.int64)
    sums: dict[int, int] = {}
    for group, own in zip(groups.tolist(), prints, strict=True):
        # A sum does not depend on the order of the rows.
        sums[group] = sums.get(group, 0) + int.from_bytes(own)
    if len(sums) < folds:
        kind = "document" if documents is not None else "different sentence"
        raise InputError(
            f"{len(sums)} {kind if len(sums) == 1 else f'{kind}s'} cannot be dealt out to {folds} folds",
            where=where,
            mend=f"give --folds {len(sums)} or fewer" if len(sums) > 1 else "give more data, or a --bundle",
        )
    order = sorted(sums, key=lambda group: hashlib.sha256(f"{seed} {sums[group]}".encode()).digest())
    sizes = np.bincount(groups)
    held = np.zeros(folds, dtype=np.int64)
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold_of[group] = held.argmin()
        held[fold_of[group]] += sizes[group]
    return fold_of[groups]


def _join(prints: Sequence[bytes], documents: Sequence[str] | None) -> NDArray[np.int64]:
    """Number the groups of sentences that are tied to each other by their words or their document."""
    parent = list(range(len(prints)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for keys in (prints, documents or ()):
        first: dict[Any, int] = {}
        for row, key in enumerate(keys):
            parent[root(row)] = root(first.setdefault(key, row))
    return np.unique([root(row) for row in range(len(prints))], return_inverse=True)[1].astype(np.int64)


def _training_part(corpus: Corpus, split: str, rows: NDArray[np.int64], recipe: Recipe) -> Corpus:
    """Return what a fold's tagger is trained on: some rows of a split, and sentences to choose its epoch by."""
    datasets = require("datasets", "train")
    part = _rows(corpus, split, rows, name="train")
    if split == "train" and "validation" in corpus.splits:
        known = corpus.splits["validation"].select_columns(COLUMNS)
        return replace(part, splits=datasets.DatasetDict({**part.splits, "validation": known}))
    return hold_out(part, recipe.data.validation_share or 0.1, recipe.data.split_seed)


def _rows(corpus: Corpus, split: str, rows: NDArray[np.int64], *, name: str | None = None) -> Corpus:
    """Return a corpus of some rows of one split, and of nothing else."""
    datasets = require("datasets", "train")
    name = name or split
    kept = corpus.splits[split].select(rows).select_columns(COLUMNS)
    marked = corpus.documents.get(split)
    documents = {name: [marked[row] for row in rows.tolist()]} if marked else {}
    return replace(
        corpus, splits=datasets.DatasetDict({name: kept}), documents=documents, places={}, notices=[]
    )


def _tag_fold(
    taken: Corpus, left: Corpus, split: str, recipe: Recipe, progress: _Progress
) -> tuple[NDArray[np.float32], float]:
    """Train on one corpus; return the probabilities of the words of another, by its labels, and the F1 there."""
    own = recipe.model_copy(deep=True)
    own.data = DataSettings(
        scheme=taken.labels.scheme.value,
        validation_share=recipe.data.validation_share,
        split_seed=recipe.data.split_seed,
    )
    own.train.keep_checkpoints = False
    own.train.save_steps = None
    own.train.report_to = []
    more: dict[str, Any] = {"report": False} if "report" in signature(train).parameters else {}
    with TemporaryDirectory(prefix="tagwright-fold-") as folder:
        run = Path(folder) / "run"
        train(own, data=taken.splits, out=run, callbacks=[progress], console=Console(quiet=True), **more)
        tagger = Tagger.load(run)
    tagged = tag_split(tagger, left, split=split, log_probabilities=True)
    assert tagged.log_probabilities is not None
    found = np.zeros((len(tagged.words), len(left.labels)), dtype=np.float32)
    found[:, left.labels.ids(tagger.labels.names)] = np.exp(tagged.log_probabilities)
    if tagged.lost_words:
        found[tagged.probabilities == 0] = np.nan
    scores = score_tags(tagged.gold_ids, tagged.pred_ids, tagged.offsets, tagged.labels)
    return found, scores.lenient.f1


class _Progress(transformers.TrainerCallback):  # type: ignore[misc]  # transformers is not followed by mypy
    """One bar over the folds on a terminal, a line a fold elsewhere."""

    def __init__(self, console: Console, folds: int, split: str) -> None:
        self.console = console
        self.folds = folds
        self.done = 0
        self._bar = Progress(
            TextColumn(f"folds of {split}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=folds)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show how far the training of a fold is."""
        self._bar.update(
            self._task,
            completed=self.done + state.global_step / max(state.max_steps, 1),
            description=f"fold {self.done + 1}/{self.folds}  step {state.global_step}/{state.max_steps}",
        )

    def finish_fold(self, trained: int, tagged: int, f1: float) -> None:
        """Say what a fold was."""
        self.done += 1
        self._bar.update(self._task, completed=self.done)
        self.console.print(
            f"fold {self.done}/{self.folds}: trained on {trained:,} sentences, tagged {tagged:,} (F1 {f1:.4f})",
            highlight=False,
            soft_wrap=True,
        )
