"""What was asked for: whether it can be, and how two calls differ in what the bytes depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tagwright
from tagwright.errors import InputError
from tagwright.scale.fragment import Job
from tagwright.scale.places import Place

__all__ = ["Settings", "call_of", "check_call", "check_places", "check_settings"]

STEP = 1024
"""Rows of a chunk, in which rows are tagged together whatever the fragment."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a corpus is tagged, whatever it is.

    Attributes:
        bundle: the bundle's folder.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        thresholds: see `Tagger.load`.
        min_score: see `Tagger.load`.
        actors: how many workers; None for as many as there is room for.
        cores: of each worker.
    """

    bundle: Path
    runtime: str = "auto"
    precision: str = "auto"
    thresholds: bool = True
    min_score: float = 0.0
    actors: int | None = None
    cores: int = 1


def check_settings(settings: Settings, to: str, fragment_rows: int, limit: int | None) -> dict[str, str]:
    """Refuse what cannot be, before anything is started.

    Returns:
        What `tagwright.predict.origin.fingerprint` says of the bundle.

    Raises:
        InputError: a number is out of range, a name unknown, or the bundle none or made for something else.
    """
    from tagwright.model.bundle import read_meta
    from tagwright.predict.origin import fingerprint
    from tagwright.predict.runtimes import PRECISIONS, RUNTIMES, check_suits
    from tagwright.predict.thresholds import chosen_thresholds

    if to not in ("parquet", "jsonl"):
        raise InputError(f"--to is {to!r}", mend="give parquet or jsonl")
    for flag, number in (("--actors", settings.actors), ("--cores", settings.cores), ("--limit", limit)):
        if number is not None and number < 1:
            raise InputError(f"{flag} is {number}", mend="give at least 1")
    if fragment_rows < STEP or fragment_rows % STEP:
        raise InputError(
            f"--fragment-rows is {fragment_rows}",
            mend=f"give a multiple of {STEP:,}, such as {max(1, round(fragment_rows / STEP)) * STEP:,}".replace(
                ",", ""
            ),
        )
    meta = read_meta(settings.bundle)
    for name, given, known in (
        ("runtime", settings.runtime, RUNTIMES),
        ("precision", settings.precision, PRECISIONS),
    ):
        if given not in ("auto", *known):
            raise InputError(f"there is no {name} {given!r}", mend=f"name one of auto, {', '.join(known)}")
    check_suits(settings.bundle, meta, settings.runtime, settings.precision)
    chosen_thresholds(meta, thresholds=settings.thresholds, min_score=settings.min_score)
    return fingerprint(settings.bundle)


def check_places(source: Place, out: Place) -> None:
    """Refuse an output in the input, or the other way round.

    Raises:
        InputError: they are.
    """
    if source.fs.type_name != out.fs.type_name:
        return
    paths = [
        f"{place.local.resolve() if place.is_local else place.path}".rstrip("/") + "/"
        for place in (source, out)
    ]
    for inner, outer, words in (
        (1, 0, "the output lies in the input"),
        (0, 1, "the input lies in the output"),
    ):
        if paths[inner].startswith(paths[outer]):
            what = "the output is the input" if paths[0] == paths[1] else words
            raise InputError(what, where=str(out), mend="name another folder for the output")


def call_of(
    settings: Settings,
    fingerprint: Mapping[str, str],
    job: Job,
    source: str,
    *,
    fragment_rows: int,
    limit: int | None,
) -> dict[str, Any]:
    """Return what of a call the bytes depend on, by the names under which a difference is told, as JSON has it."""
    call = {
        "Tagwright": tagwright.__version__,
        "the bundle": dict(fingerprint),
        "IN": source,
        "--to": job.form,
        "--field": job.field,
        "--columns": job.columns,
        "--where": job.where,
        "--limit": limit,
        "--into": job.into,
        "--fragment-rows": fragment_rows,
        "--cores": settings.cores,
        "--runtime": settings.runtime,
        "--precision": settings.precision,
        "--min-score": settings.min_score,
        "--no-thresholds": not settings.thresholds,
    }
    found: dict[str, Any] = json.loads(json.dumps(call))
    return found


def check_call(before: Mapping[str, Any], now: Mapping[str, Any], out: Place) -> None:
    """Refuse a call that differs from the one with which a folder was begun.

    Raises:
        InputError: it names the difference.
    """
    from tagwright.predict.origin import difference

    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise other_call(difference(name, before.get(name), now.get(name)), out)


def other_call(what: str, out: Place) -> InputError:
    """Return the error for a folder that another call wrote."""
    return InputError(
        what,
        where=str(out),
        mend="give the same call again, begin anew with --overwrite, or name another folder",
    )
