"""`tagwright inspect`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from tagwright.cli.options import AsJson, Settings, Splitter, with_data_settings
from tagwright.config import DataSettings, Recipe
from tagwright.errors import InputError

__all__ = ["inspect_command"]


@with_data_settings
def inspect_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="Catalogue name (wnut17, sample), hub:owner/name[@revision], folder or file."
        ),
    ],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="ENCODER",
            help="Count lengths in this encoder's pieces, and look for words that it does not see: minilm, a folder "
            "or a name on the Hub.",
        ),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option("--bundle", metavar="BUNDLE", help="Look for label errors with this tagger."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            metavar="K",
            min=2,
            help="Look for label errors with K taggers on --model, none trained on the sentences that it judges.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Where to look for label errors; by default all but train with --bundle, train with --folds.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            metavar="N",
            min=1,
            help="Likely label errors to list for each split: 20, and 100 with --json.",
        ),
    ] = None,
    settings: Settings = None,
    splitter: Splitter = "english",
    as_json: AsJson = False,
    given: dict[str, Any],
) -> None:
    """Look at a data set: what it holds, and what is wrong with it.

    Duplicates within and across splits, forms that are labelled in several ways, invalid tags, odd characters, half
    pairs of quotes, rare and missing types; with --model words that the encoder does not see; with --bundle or
    --folds labels that are probably wrong.
    """
    from tagwright.inspect.summary import inspect_data
    from tagwright.report.data import summary_view
    from tagwright.report.terminal import show

    _check(bundle, folds, model, split, settings)
    found = inspect_data(
        data,
        encoder=model,
        splitter=splitter,
        settings=DataSettings(**given),
        bundle=bundle,
        bundle_splits=[split] if bundle is not None and split is not None else None,
        probabilities=_cross_probabilities(folds, model, split, settings, given)
        if folds is not None
        else None,
        top=top or 100,
    )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        show(summary_view(found.to_dict(), top=top or 20))


def _check(
    bundle: str | None, folds: int | None, model: str | None, split: str | None, settings: list[str] | None
) -> None:
    if bundle is not None and folds is not None:
        raise InputError("--bundle and --folds were both given", mend="give one of them")
    if folds is not None and model is None:
        raise InputError("--folds trains taggers, and no encoder was named", mend="give --model ENCODER")
    if split is not None and bundle is None and folds is None:
        raise InputError(
            "--split says where to look for label errors",
            mend="give --bundle or --folds as well, or leave it out",
        )
    if settings and folds is None:
        raise InputError(
            "--set says how the taggers of --folds are trained", mend="give --folds, or leave it out"
        )


def _cross_probabilities(
    folds: int, model: str | None, split: str | None, settings: list[str] | None, given: dict[str, Any]
) -> Callable[..., Any]:
    from tagwright.train.folds import cross_probabilities

    recipe = Recipe.load(None, settings or [])
    recipe.model.encoder = model
    recipe.data = recipe.data.model_copy(update=given)
    return partial(cross_probabilities, recipe=recipe, folds=folds, split=split or "train")
