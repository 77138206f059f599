"""What a search needs before its first trial: a recipe with a space, data without a test split, a study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tagwright.config import Recipe, Space
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.split import hold_out
from tagwright.encode.words import check_splitter, split_words
from tagwright.errors import InputError
from tagwright.model.network import build_network
from tagwright.train.engines import check_engine
from tagwright.train.ranks import processes
from tagwright.train.recipe import load_recipe, precision_of, resolve, source_and_encoder
from tagwright.train.run import default_run
from tagwright.tune.folder import Folder
from tagwright.tune.frozen import PRUNERS
from tagwright.tune.study import Study
from tagwright.tune.trials import best_of

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Search", "prepare"]


@dataclass
class Search:
    """A search that is ready to go on.

    Attributes:
        recipe: that trials vary, with data and encoder named.
        space: what they vary.
        corpus: the data, after any hold-out.
        seeds: of the trainings of a trial.
        study: the trials.
        folder: where the results go.
        pruner: what gives trials up.
        made: whether this call made the study.
        notices: what was said, in words.
        console: where it is said.
    """

    recipe: Recipe
    space: Space
    corpus: Corpus
    seeds: tuple[int, ...]
    study: Study
    folder: Folder
    pruner: str
    made: bool
    console: Console
    notices: list[str] = field(default_factory=list)

    @property
    def has_best(self) -> bool:
        """Whether some trial is done."""
        return best_of(self.study.trials()) is not None

    @property
    def has_trials(self) -> bool:
        """Whether some trial came to something."""
        return any(trial.state != "dropped" for trial in self.study.trials())

    @property
    def data(self) -> DatasetDict:
        """What trials are given: the train and the validation split, and no other."""
        from datasets import DatasetDict

        return DatasetDict({name: self.corpus.splits[name] for name in ("train", "validation")})

    @property
    def trial_recipe(self) -> Recipe:
        """The recipe as trials begin with it: the tags are as it wants them already."""
        recipe = self.recipe.model_copy(deep=True)
        recipe.data.scheme, recipe.data.tag_scheme, recipe.data.repair = (
            self.corpus.labels.scheme.value,
            None,
            False,
        )
        return recipe

    def note(self, line: str) -> None:
        """Say a line, and keep it for the report."""
        self.notices.append(line)
        say(self.console, line)


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def prepare(
    recipe: Recipe | str | Path | None,
    *,
    data: str | Path | DatasetDict | None,
    model: str | None,
    seeds: int,
    out: str | Path | None,
    storage: str | None,
    study: str | None,
    pruner: str,
    resume: bool,
    overwrite: bool,
    settings: Iterable[str] | Mapping[str, Any],
    console: Console,
) -> Search:
    """Check everything that can be wrong before a trial; the arguments are those of `tune`."""
    if processes() > 1:
        raise InputError(
            "a search trains in one process at a time",
            mend="start it without torchrun; several calls with the same --storage share the trials",
        )
    if seeds < 1:
        raise InputError(f"{seeds} seeds", mend="give at least 1")
    if pruner not in PRUNERS:
        raise InputError(f"there is no pruner {pruner!r}", mend=f"name one of {', '.join(PRUNERS)}")
    named = "search" if recipe is None else recipe
    loaded = load_recipe(named, settings, model)
    space = loaded.space()
    if not len(space):
        raise _no_space(named)
    source, _ = source_and_encoder(loaded, data)
    run = default_run(loaded)
    folder = Folder(
        Path(out) if out is not None else run.with_name(f"{run.name}-tune"), shared=storage is not None
    )
    folder.check(resume=resume, overwrite=overwrite)
    corpus = _read(loaded, source)
    loaded.train.precision = precision_of(loaded.train)  # type: ignore[assignment]  # no longer "auto"
    resolved, notices = _check(loaded, space, corpus)
    first = space.nearest(resolved)
    made = not folder.path.exists()
    folder.begin(overwrite=overwrite and storage is None)
    shown = str(folder.path / "study.db") if storage is None else storage
    try:
        opened = Study(
            folder.storage if storage is None else storage,
            study or _name_of(named, run.name),
            re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:…@", shown),  # no password in a message
            space=space,
            first=first,
            seed=loaded.train.seed,
            seeds=seeds,
            pruner=pruner,
        )
        held = opened.names
        if storage is None and held:  # a folder is of one study
            if study is not None and study not in held:
                raise InputError(
                    f"the study here is {held[0]!r}, not {study!r}",
                    where=opened.shown,
                    mend="leave --study out, or give another --out",
                )
            opened.name = study or held[0]
        begun = opened.name in held
        if resume and not begun:
            raise InputError(
                f"there is no study {opened.name!r} to resume", where=opened.shown, mend="leave --resume out"
            )
        if overwrite and begun:
            opened.delete()
            begun = False
        if not overwrite and (other := folder.study) not in (None, opened.name):
            raise InputError(
                f"the folder holds the results of the study {other!r}",
                where=str(folder.path),
                mend="give another --out, or --overwrite",
            )
        opened.begin(
            {
                "recipe": loaded.model_dump(mode="json"),
                "space": space.to_dict(),
                "data": {"source": corpus.source, "sha256": corpus.sha256},
                "seeds": seeds,
            }
        )
    except InputError:
        if made:
            folder.discard()
        raise
    drawn = tuple((loaded.train.seed + number) % 2**32 for number in range(seeds))
    search = Search(loaded, space, corpus, drawn, opened, folder, pruner, not begun, console)
    for line in [*corpus.notices, *notices, *_moved(space, resolved, first)]:
        search.note(line)
    return search


def _read(recipe: Recipe, source: Any) -> Corpus:
    """Read the data as `train` does, once for all trials."""
    check_splitter(recipe.encode.splitter)
    corpus = read_corpus(
        source, settings=recipe.data, split=lambda text: split_words(text, recipe.encode.splitter)
    )
    corpus.require_split("train", entities=True)
    if "validation" not in corpus.splits:
        corpus = hold_out(corpus, recipe.data.validation_share, recipe.data.split_seed)
    corpus.require_split("validation", entities=True)
    return corpus


def _check(recipe: Recipe, space: Space, corpus: Corpus) -> tuple[Recipe, list[str]]:
    """Load the encoder once, to fill in what the recipe leaves to it and to try the ends of every dimension on it."""
    network = build_network(str(recipe.model.encoder), corpus.labels, seed=recipe.train.seed)
    resolved = resolve(recipe, network).model_copy(deep=True)
    for dimension in space:
        for value in dimension.values:
            tried = space.apply(recipe, {dimension.key: value})
            try:
                check_engine(tried.train)
                resolve(tried, network)
            except InputError as error:
                raise InputError(f"[tune] {dimension.key}: {error.what}", mend=error.mend) from None
    config = network.model.config.to_dict()
    for field_name, names in (
        ("dropout", ("hidden_dropout_prob", "dropout", "hidden_dropout")),
        ("attention_dropout", ("attention_probs_dropout_prob", "attention_dropout")),
    ):
        if getattr(resolved.model, field_name) is None:  # the encoder's own
            own = next((config[name] for name in names if isinstance(config.get(name), float)), None)
            setattr(resolved.model, field_name, own)
    return resolved, list(network.notices)


def _moved(space: Space, recipe: Recipe, first: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in first.items():
        section, _, name = key.partition(".")
        own = getattr(getattr(recipe, section), name)
        if own is None:
            lines.append(f"the recipe leaves {key} to the encoder: trial 0 takes {value!r}, the middle")
        elif own != value and not (isinstance(own, float) and abs(own - value) < 1e-3 * abs(own)):
            lines.append(
                f"the recipe's {key} = {own!r} is not in the space: trial 0 takes the nearest, {value!r}"
            )
    return lines


def _name_of(recipe: Recipe | str | Path, run: str) -> str:
    name = "recipe" if isinstance(recipe, Recipe) else Path(recipe).stem
    return f"{name}-{run}"


def _no_space(recipe: Recipe | str | Path) -> InputError:
    return InputError(
        "the recipe has no search space",
        where=None if isinstance(recipe, Recipe) else str(recipe),
        mend="write the two lines `[tune]` and `train.learning_rate = {low = 5e-5, high = 1e-3, log = true}`"
        " into it, or name the built-in recipe `search`",
    )
