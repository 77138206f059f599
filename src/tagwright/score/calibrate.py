"""`tagwright calibrate`: temperature and thresholds, fitted on validation and kept in the bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tagwright
from tagwright.config import DataSettings
from tagwright.data.corpus import SPLITS, Corpus
from tagwright.errors import InputError, RunError
from tagwright.model.bundle import BundleMeta, read_meta
from tagwright.model.meta import change_record
from tagwright.predict.tagger import Tagger
from tagwright.score.effect import Effect, effect_on
from tagwright.score.tagged import TaggedSplit, tag_split
from tagwright.score.temperature import HIGHEST, LOWEST, EntityWords, fit_temperature
from tagwright.score.thresholds import check_precision, fit_thresholds
from tagwright.score.validation import read_with_validation

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["Calibrated", "calibrate", "clear"]

FIT_ON = "validation"
FEW = 50
"""Entities under which an estimate is told to be shaky."""

FEW_OF_TYPE = 10

_SEEN = (
    "the tagger was trained on train: it is surer there, and more often right, than on what it has not seen"
)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was fitted, and what it does.

    Attributes:
        bundle: the bundle's folder.
        data: the data it was fitted on.
        precision: precision of the matrix products, at which it holds.
        temperature: 1 where none could be fitted.
        min_precision: the precision that was asked for; None fits no thresholds.
        thresholds: the least score of each type.
        fitted: the effect on the validation split, on which both were fitted.
        check: the effect on another split, which had no part in it.
        notices: what has to be known about it, in words.
    """

    bundle: str
    data: str
    precision: str
    temperature: float
    min_precision: float | None
    thresholds: Mapping[str, float]
    fitted: Effect
    check: Effect | None = None
    notices: tuple[str, ...] = field(default=(), compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright calibrate`."""
        return {
            "bundle": self.bundle,
            "data": self.data,
            "precision": self.precision,
            "temperature": self.temperature,
            "min_precision": self.min_precision,
            "thresholds": dict(self.thresholds),
            "fitted": self.fitted.to_dict(),
            "check": self.check.to_dict() if self.check else None,
        }


def calibrate(
    bundle: str | Path,
    data: str | Path | DatasetDict | Corpus | None = None,
    *,
    min_precision: float | None = None,
    check: str | None = None,
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> Calibrated:
    """Fit a temperature on the validation split, and thresholds if asked for, and keep both in the bundle.

    What an earlier call fitted is replaced. No tag changes by a temperature; a threshold drops entities.

    Args:
        bundle: the bundle's folder; a plain Hugging Face folder becomes a bundle.
        data: labelled data with a validation split, as for `load_data`; None takes what the bundle was trained
            on. Where that has no validation split, the one that training held out is held out again.
        min_precision: fit for each type the lowest threshold at which its entities reach this precision.
        check: another split to measure the effect on; nothing is chosen by it.
        precision: precision of the matrix products, as for `Tagger.load`: the one that will serve.
        settings: how the data is read; fields that are not set are those of the training run if `data` is None.

    Raises:
        InputError: the bundle, the data or a number is wrong, or there is nothing to fit on.
        RunError: the bundle cannot be written to.
    """
    meta = read_meta(bundle)
    if min_precision is not None:
        check_precision(min_precision)
    _check_writable(bundle)
    corpus, notices = read_with_validation(meta, data, settings=settings)
    if check is not None:
        _check_split(corpus, check)
    plain = meta.model_copy(update={"temperature": 1.0, "thresholds": {}, "notices": []})
    tagger = Tagger.load(bundle, precision=precision, meta=plain)
    if min_precision is not None and "O" not in tagger.labels.names:
        raise InputError(
            "thresholds need a tag O to drop entities to, and the tagger has none",
            where=str(bundle),
            mend="calibrate without --min-precision",
        )
    tagged = tag_split(tagger, corpus, split=FIT_ON, log_probabilities=True)
    words = _words_of(tagged, tagger)
    fitted = fit_temperature(words)
    temperature = 1.0 if fitted is None else fitted
    thresholds: dict[str, float] = {}
    if min_precision is not None:
        thresholds = fit_thresholds(words.at(temperature), tagger.labels.types, min_precision)
    effect = effect_on(tagged, words, temperature, thresholds)
    checked = None
    if check is not None:
        other = tag_split(tagger, corpus, split=check, log_probabilities=True)
        checked = effect_on(other, EntityWords.of(other), temperature, thresholds)
    result = Calibrated(
        bundle=str(bundle),
        data=corpus.source,
        precision=tagger.runtime.precision,
        temperature=temperature,
        min_precision=min_precision,
        thresholds=thresholds,
        fitted=effect,
        check=checked,
        notices=(
            *_plain(bundle, meta),
            *tagged.notices,
            *notices,
            *_caution(effect, fitted, min_precision, meta),
            *([_SEEN] if check == "train" and not notices else []),
        ),
    )
    _keep(bundle, meta, result, corpus)
    return result


def clear(bundle: str | Path) -> bool:
    """Take temperature and thresholds out of a bundle; return whether there were any.

    Raises:
        InputError: the folder is no bundle.
        RunError: it cannot be written to.
    """
    meta = read_meta(bundle)
    made = {key: value for key, value in meta.made.items() if key != "calibration"}
    if not meta.calibrated and made == meta.made:
        return False
    change_record(
        bundle, meta.model_copy(update={"temperature": 1.0, "thresholds": {}, "made": made}), was=meta
    )
    return True


def _check_writable(bundle: str | Path) -> None:
    if not os.access(bundle, os.W_OK | os.X_OK):
        raise RunError(
            "the bundle cannot be written to", where=str(bundle), mend="calibrate a copy of it that can"
        )


def _check_split(corpus: Corpus, check: str) -> None:
    if check == FIT_ON or check not in SPLITS:
        others = " or ".join(name for name in SPLITS if name != FIT_ON)
        raise InputError(f"the effect cannot be checked on {check!r}", mend=f"check it on {others}")
    corpus.require_split(check)


def _words_of(tagged: TaggedSplit, tagger: Tagger) -> EntityWords:
    words = EntityWords.of(tagged)
    known = len(tagger.labels.types)
    if not words.scored.gold[:known].any():
        raise InputError(
            f"the {tagged.split} split has no entity of the tagger's types ({', '.join(tagger.labels.types)})",
            where=tagged.source,
            mend="calibrate on data with the tagger's labels",
        )
    if not len(words.scored):
        raise InputError(
            f"the tagger finds no entity in the {tagged.split} split: there is no score to calibrate",
            where=tagged.source,
            mend="train it for longer, or give data of the kind it was trained on",
        )
    return words


def _plain(bundle: str | Path, meta: BundleMeta) -> list[str]:
    return [*meta.notices, f"{bundle} has a tagwright.json now, and is a bundle"] if meta.notices else []


def _caution(effect: Effect, fitted: float | None, wanted: float | None, meta: BundleMeta) -> list[str]:
    """Say in words how far what was fitted can be trusted."""
    told = []
    if fitted is None:
        kind = "right" if effect.together.before.correct else "wrong"
        told.append(
            f"all entities of validation are {kind}: no temperature can be fitted to that, it stays 1"
        )
    elif not LOWEST * 1.01 < fitted < HIGHEST / 1.01:
        told.append(
            f"the temperature is at the end of its range, {LOWEST:g} to {HIGHEST:g}: look at the data"
        )
    if effect.entities < FEW:
        entities = "1 entity" if effect.entities == 1 else f"{effect.entities} entities"
        told.append(f"fitted on only {entities}: take it for a rough guess")
    if wanted is None:
        if any(meta.thresholds.values()):
            told.append("the bundle's earlier thresholds are gone: fit them again with --min-precision")
        return told
    silenced = [row for row in effect.types if row.silenced]
    if names := ", ".join(row.name for row in silenced if row.before.predicted):
        told.append(
            f"no threshold brings {names} to a precision of {wanted:g}: all such entities are dropped"
        )
    if names := ", ".join(row.name for row in silenced if not row.before.predicted):
        told.append(f"validation has no predicted {names} to judge by: all such entities are dropped")
    few = [
        f"{row.name} on {row.after.predicted}"
        for row in effect.types
        if row.threshold is not None and not row.silenced and row.after.predicted < FEW_OF_TYPE
    ]
    if few:
        told.append(f"thresholds that rest on few kept entities: {', '.join(few)}")
    return told


def _keep(bundle: str | Path, meta: BundleMeta, result: Calibrated, corpus: Corpus) -> None:
    effect = result.fitted
    record = {
        "split": effect.split,
        "data": corpus.source,
        "sha256": corpus.sha256,
        "sentences": effect.sentences,
        "entities": effect.entities,
        "precision": result.precision,
        "min_precision": result.min_precision,
        "ece": {"before": effect.before.ece, "after": effect.after.ece},
        "log_loss": {"before": effect.log_loss[0], "after": effect.log_loss[1]},
        "tagwright": tagwright.__version__,
    }
    update = {
        "temperature": result.temperature,
        "thresholds": dict(result.thresholds),
        "made": meta.made | {"calibration": record},
    }
    change_record(bundle, meta.model_copy(update=update), was=meta)
