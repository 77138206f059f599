"""Reading the table `[tune]`: which fields may stand there, and what is wrong with those that may not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from tagwright.config.dimensions import Choices, Dimension, Range
from tagwright.errors import InputError

if TYPE_CHECKING:
    from tagwright.config.recipe import Recipe

__all__ = ["flatten", "read_dimensions"]

SEARCHED = {
    "encode": ("label_pieces", "max_pieces", "overlap"),
    "model": ("dropout", "attention_dropout"),
    "train": (
        "epochs",
        "batch_size",
        "accumulation",
        "learning_rate",
        "head_rate",
        "layer_decay",
        "warmup",
        "weight_decay",
        "decay_all",
        "max_grad_norm",
        "length_grouping",
    ),
    "predict": ("valid_tags",),
}
"""The fields that a search may vary. Only those change how well a tagger learns and leave alone what is scored."""

_WHY_NOT = {
    "data": "it would change what is scored, and the trials could not be compared",
    "encode.on_overflow": "it would change what is scored, and the trials could not be compared",
    "encode.splitter": "it would change what is scored, and the trials could not be compared",
    "model.encoder": "rates that are good for one encoder say little about another; search for each by itself",
    "train.seed": "a seed is luck, which does not repeat on new text; average over some with --seeds",
    "train.early_stopping": "--pruner ends what goes badly, and the epochs are searched by train.epochs",
    "train.keep_best": "it would change how the trials' F1 is taken",
}
_WORDS = ("low", "high", "log", "step")  # of a range


def read_dimensions(
    table: Mapping[str, Any], recipe: Recipe, where: str | None = None
) -> tuple[Dimension, ...]:
    """Check the table `[tune]` of a recipe.

    Args:
        table: fields and what they may be: `{low=…, high=…, log=…, step=…}` or a list of choices.
        recipe: the recipe it stands in.
        where: the recipe's file, for errors.

    Raises:
        InputError: a field is unknown or not to be searched, or a value is not one that the field can take; the
            field is named.
    """
    dimensions = tuple(_read(key, spec, recipe, where) for key, spec in flatten(table))
    for dimension in dimensions:
        for value in dimension.values:
            _try(dimension.key, value, recipe, where)
    return dimensions


def flatten(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return fields and their specifications; TOML's dotted keys come as tables in tables."""
    found: dict[str, Any] = {}
    for section, entry in table.items():
        if "." in section or not isinstance(entry, Mapping) or entry.keys() & set(_WORDS):
            found[section] = entry
        else:
            found |= {f"{section}.{field}": spec for field, spec in entry.items()}
    return ((key, spec) for key, spec in found.items() if spec is not None)


def _read(key: str, spec: Any, recipe: Recipe, where: str | None) -> Dimension:
    section, _, field = key.partition(".")
    sections = {name: one for name, one in recipe if isinstance(one, BaseModel)}
    known = [f"{name}.{one}" for name, table in sections.items() for one in type(table).model_fields]
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        what = f"[tune] {key}: there is no such field of the recipe"
        mend = (
            f"did you mean {near[0]}?" if near else "write it as section.field, such as train.learning_rate"
        )
        raise InputError(what, where=where, mend=mend)
    if field not in SEARCHED.get(section, ()):
        why = _WHY_NOT.get(key) or _WHY_NOT.get(section) or "it does not decide how well a tagger learns"
        raise InputError(f"[tune] {key} cannot be searched: {why}", where=where, mend="leave it out")
    if isinstance(spec, Mapping):
        return _read_range(key, spec, recipe, where)
    if not isinstance(spec, Sequence) or isinstance(spec, str):
        raise InputError(
            f"[tune] {key} = {spec!r} is no range and no list",
            where=where,
            mend="write {low = …, high = …} or a list of values",
        )
    values = tuple(_check(key, value, recipe, where) for value in spec)
    if len(set(values)) < len(values):
        raise InputError(f"[tune] {key}: a value stands twice in {list(spec)!r}", where=where)
    _refuse_one(key, values, where)
    return Choices(key, values)


def _read_range(key: str, spec: Mapping[str, Any], recipe: Recipe, where: str | None) -> Range:
    if unknown := [name for name in spec if name not in _WORDS]:
        near = difflib.get_close_matches(unknown[0], _WORDS, n=1)
        mend = f"did you mean {near[0]}?" if near else "known are low, high, log and step"
        raise InputError(f"[tune] {key}: unknown word {unknown[0]!r}", where=where, mend=mend)
    if missing := [name for name in ("low", "high") if name not in spec]:
        raise InputError(f"[tune] {key} has no {missing[0]}", where=where, mend="write {low = …, high = …}")
    kinds = _kinds(recipe, key)
    if not kinds & {int, float}:
        raise InputError(
            f"[tune] {key} takes no numbers, so it has no range",
            where=where,
            mend="write a list of values" + (", [true, false]" if bool in kinds else ""),
        )
    low, high = (_check(key, spec[name], recipe, where) for name in ("low", "high"))
    log, step, whole = spec.get("log", False), spec.get("step"), float not in kinds
    if not isinstance(log, bool):
        raise InputError(f"[tune] {key}: log = {log!r} is neither true nor false", where=where)
    if step is not None and (isinstance(step, bool) or not isinstance(step, int | float) or not step > 0):
        raise InputError(f"[tune] {key}: step = {step!r} is no number above 0", where=where)
    if low == high:
        _refuse_one(key, (low,), where)
    if low > high:
        raise InputError(
            f"[tune] {key}: low = {low!r} is above high = {high!r}", where=where, mend="swap them"
        )
    if log and low <= 0:
        raise InputError(
            f"[tune] {key}: log = true needs low above 0, not {low!r}",
            where=where,
            mend="raise low or leave log out",
        )
    if log and step is not None:
        raise InputError(
            f"[tune] {key}: log and step exclude each other", where=where, mend="give one of them"
        )
    if step is None and whole:
        step = 1
    if whole and step is not None and step != int(step):
        raise InputError(f"[tune] {key} takes whole numbers, so step = {step!r} cannot be", where=where)
    if step is not None:
        count = (high - low) / step
        if abs(count - round(count)) > 1e-9 * max(1.0, count):
            last = round(low + math.floor(count + 1e-9) * step, 12)
            raise InputError(
                f"[tune] {key}: steps of {step!r} from {low!r} do not reach {high!r}",
                where=where,
                mend=f"make high {last:g}, or change step",
            )
    return Range(key, low, high, log, step, whole)


def _kinds(recipe: Recipe, key: str) -> set[Any]:
    """Return the types that a field takes."""
    section, _, field = key.partition(".")
    annotation = type(getattr(recipe, section)).model_fields[field].annotation
    if get_origin(annotation) is Literal:
        return {str}
    return set(get_args(annotation)) - {type(None)} or {annotation}


def _check(key: str, value: Any, recipe: Recipe, where: str | None) -> Any:
    """Return a value in the field's own type."""
    section, _, field = key.partition(".")
    info = type(getattr(recipe, section)).model_fields[field]
    limited: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    adapter: TypeAdapter[Any] = TypeAdapter(limited)
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"[tune] {key}: {value} is not a finite number", where=where)
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise InputError(
            f"[tune] {key}: {value!r} is no value of it: {message[0].lower()}{message[1:]}", where=where
        ) from None


def _refuse_one(key: str, values: Sequence[Any], where: str | None) -> None:
    if len(values) == 1:
        section, _, field = key.partition(".")
        raise InputError(
            f"[tune] {key} has one value, so there is nothing to search",
            where=where,
            mend=f"write {field} = {str(values[0]).lower() if isinstance(values[0], bool) else repr(values[0])}"
            f" under [{section}] instead",
        )
    if not values:
        raise InputError(f"[tune] {key} has no values", where=where, mend="give at least two")


def _try(key: str, value: Any, recipe: Recipe, where: str | None) -> None:
    """Refuse a value that the recipe around it cannot be with."""
    made = recipe.model_dump()
    section, _, field = key.partition(".")
    made[section][field] = value
    try:
        type(recipe).model_validate(made)
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise InputError(
            f"[tune] {key} = {value!r} does not go with the recipe: {message[0].lower()}{message[1:]}",
            where=where,
        ) from None
