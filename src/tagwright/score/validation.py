"""The validation split that belongs to a bundle: the data's own, or the one that training held out."""

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

__all__ = ["read_with_validation"]


def read_with_validation(
    meta: BundleMeta,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    settings: DataSettings | None = None,
) -> tuple[Corpus, list[str]]:
    """Read labelled data that has a validation split, or had one when the bundle was trained.

    Args:
        meta: what the bundle says of itself.
        data: what to read; None is what the bundle was trained on, read with the settings of then.
        settings: how the data is read; its set fields go before those of the training run.

    Returns:
        The corpus, and notices on how it relates to the data that the bundle was trained on.

    Raises:
        InputError: the data cannot be read, or has no validation split and is not what training held one out of.
    """
    record = _table(meta.made, "data")
    recipe = _table(_table(meta.made, "recipe"), "data")
    corpus = (
        _read_recorded(meta, record, recipe, settings)
        if data is None
        else read_for(meta, data, settings=settings)
    )
    same = corpus.sha256 == record.get("sha256")
    notices = []
    if record.get("sha256") and not same:
        notices.append(
            f"{corpus.source} is not what the tagger was trained on: its SHA-256 is {corpus.sha256[:12]}…,"
            f" that of training {record['sha256'][:12]}…"
        )
    if "validation" not in corpus.splits:
        if not same:
            raise InputError(
                f"the data has no validation split, only {', '.join(corpus.splits)}",
                where=corpus.source,
                mend="give data with one, and with no sentence that the tagger was trained on",
            )
        scored = _table(_table(meta.made, "scores"), "validation")
        corpus = _hold_out_again(corpus, record, recipe, scored)
    corpus.require_split("validation", entities=True)
    return corpus, notices


def _read_recorded(
    meta: BundleMeta, record: dict[str, Any], recipe: dict[str, Any], settings: DataSettings | None
) -> Corpus:
    source = record.get("source")
    if not source or source == "DatasetDict":
        raise InputError("the bundle does not say where its data lies", mend="name the data with --data")
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


def _hold_out_again(
    corpus: Corpus, record: dict[str, Any], recipe: dict[str, Any], scored: dict[str, Any]
) -> Corpus:
    """Draw the split that training drew, and make sure that it is the same."""
    defaults = DataSettings()
    again = hold_out(
        corpus,
        recipe.get("validation_share", defaults.validation_share),
        recipe.get("split_seed", defaults.split_seed),
    )
    split = again.splits["validation"]
    held = _table(record, "sentences").get("validation"), scored.get("words")
    if held != (len(split), sum(map(len, split["tokens"]))):
        raise InputError(
            f"the data has no validation split, and the one that training held out ({held[0]} sentences)"
            " cannot be drawn again",
            where=corpus.source,
            mend="give data with a validation split",
        )
    return again


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}
