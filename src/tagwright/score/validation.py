"""The data that belongs to a bundle, and its validation split: the data's own, or the one that training held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.data.split import hold_out
from tagwright.errors import InputError
from tagwright.model.bundle import BundleMeta
from tagwright.score.tagged import read_for

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["hold_out_again", "read_again", "read_with_validation"]


def read_again(
    meta: BundleMeta,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    settings: DataSettings | None = None,
) -> tuple[Corpus, list[str]]:
    """Read labelled data for a bundle: what is named, or what the bundle says it was trained on.

    Args:
        meta: what the bundle says of itself.
        data: what to read; None is what the bundle was trained on, read with the settings of then.
        settings: how the data is read; its set fields go before those of the training run.

    Returns:
        The corpus, and notices on how it relates to the data that the bundle was trained on.

    Raises:
        InputError: the data cannot be read.
    """
    record = _table(meta.made, "data")
    corpus = _read_recorded(meta, settings) if data is None else read_for(meta, data, settings=settings)
    known = record.get("sha256")
    if not known or known == corpus.sha256:
        return corpus, []
    return corpus, [
        f"{corpus.source} is not what the tagger was trained on: its SHA-256 is {corpus.sha256[:12]}…,"
        f" that of training {str(known)[:12]}…"
    ]


def read_with_validation(
    meta: BundleMeta,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    settings: DataSettings | None = None,
) -> tuple[Corpus, list[str]]:
    """Read labelled data that has a validation split, or had one when the bundle was trained; see `read_again`.

    Raises:
        InputError: the data cannot be read, or has no validation split and is not what training held one out of.
    """
    corpus, notices = read_again(meta, data, settings=settings)
    corpus = hold_out_again(meta, corpus)
    if "validation" not in corpus.splits:
        raise InputError(
            f"the data has no validation split, only {', '.join(corpus.splits)}",
            where=corpus.source,
            mend="give data with one, and with no sentence that the tagger was trained on",
        )
    corpus.require_split("validation", entities=True)
    return corpus, notices


def hold_out_again(meta: BundleMeta, corpus: Corpus) -> Corpus:
    """Draw the validation split that training drew out of this very data; else return the corpus as it is.

    Raises:
        InputError: the data is the same and the draw is not.
    """
    record = _table(meta.made, "data")
    same = corpus.sha256 == record.get("sha256")
    if "validation" in corpus.splits or "train" not in corpus.splits or not same:
        return corpus
    recipe, defaults = _table(_table(meta.made, "recipe"), "data"), DataSettings()
    again = hold_out(
        corpus,
        recipe.get("validation_share", defaults.validation_share),
        recipe.get("split_seed", defaults.split_seed),
    )
    split = again.splits["validation"]
    scored = _table(_table(meta.made, "scores"), "validation")
    held = _table(record, "sentences").get("validation"), scored.get("words")
    if held != (len(split), sum(map(len, split["tokens"]))):
        raise InputError(
            f"the data has no validation split, and the one that training held out ({held[0]} sentences)"
            " cannot be drawn again",
            where=corpus.source,
            mend="give data with a validation split",
        )
    return again


def _read_recorded(meta: BundleMeta, settings: DataSettings | None) -> Corpus:
    source = _table(meta.made, "data").get("source")
    if not source or source == "DatasetDict":
        raise InputError("the bundle does not say where its data lies", mend="name the data with --data")
    recipe = _table(_table(meta.made, "recipe"), "data")
    fields = {name: value for name, value in recipe.items() if name in DataSettings.model_fields}
    if settings is not None:
        fields |= settings.model_dump(exclude_unset=True)
    try:
        return read_for(meta, source, settings=DataSettings(**fields))
    except ValidationError:
        raise InputError(
            "the bundle's record of how its data was read is damaged", mend="name the data with --data"
        ) from None
    except InputError as error:
        raise InputError(
            f"the data that the tagger was trained on cannot be read: {error.what}",
            where=error.where,
            mend="name it with --data",
        ) from error


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}
