"""What `tagwright tune` searches over: the table `[tune]` of a recipe, checked against the recipe's own fields."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from tagwright.errors import InputError

if TYPE_CHECKING:
    from tagwright.config.recipe import Recipe

__all__ = ["Choices", "Dimension", "Range", "Space", "flatten"]

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
_SIGNIFICANT = 4  # figures of a drawn number: more would be noise, and hard to read


@dataclass(frozen=True, slots=True)
class Range:
    """A field that takes numbers between two bounds, both included.

    Attributes:
        key: the field, `section.field`.
        low: the least.
        high: the greatest.
        log: draw evenly on a logarithmic scale.
        step: the distance of neighbouring values from `low` on; None for any number (1 for whole numbers).
        whole: whether the field takes whole numbers only.
    """

    key: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def size(self) -> int | None:
        """How many values there are; None for any number between the bounds."""
        return None if self.step is None else round((self.high - self.low) / self.step) + 1

    @property
    def values(self) -> tuple[Any, ...]:
        """The bounds."""
        return (self.low, self.high)

    def at(self, place: float) -> Any:
        """Return the value at a place from 0 to 1 along the range."""
        if self.size is not None and not self.log:
            return self.snap(self.low + (self.step or 1) * min(int(place * self.size), self.size - 1))
        if self.log:
            return self.snap(math.exp(math.log(self.low) + place * math.log(self.high / self.low)))
        return self.snap(self.low + place * (self.high - self.low))

    def snap(self, value: float) -> Any:
        """Return the nearest value of the range, with few enough figures to be read."""
        value = min(max(value, self.low), self.high)
        if self.step is not None:
            value = self.low + round((value - self.low) / self.step) * self.step
            value = min(round(value, 12), self.high)
        else:
            value = min(max(float(f"{value:.{_SIGNIFICANT}g}"), self.low), self.high)
        return round(value) if self.whole else float(value)

    def share(self, value: float) -> float:
        """Return the place of a value along the range, from 0 to 1; the reverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def to_spec(self) -> dict[str, Any]:
        """Return what stands in the recipe."""
        step = {"step": self.step} if self.step is not None and not (self.whole and self.step == 1) else {}
        return {"low": self.low, "high": self.high, **step, **({"log": True} if self.log else {})}


@dataclass(frozen=True, slots=True)
class Choices:
    """A field that takes one of some values.

    Attributes:
        key: the field, `section.field`.
        values: the values, in the order of the recipe.
    """

    key: str
    values: tuple[Any, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values)

    def at(self, place: float) -> Any:
        """Return the value at a place from 0 to 1."""
        return self.values[min(int(place * len(self.values)), len(self.values) - 1)]

    def snap(self, value: Any) -> Any:
        """Return the value itself where it is one of them, the nearest number, or else the first."""
        if value in self.values:
            return self.values[self.values.index(value)]
        numbers = [one for one in self.values if isinstance(one, int | float) and not isinstance(one, bool)]
        if isinstance(value, int | float) and len(numbers) == len(self.values):
            return min(numbers, key=lambda one: abs(one - value))
        return self.values[0]

    def to_spec(self) -> list[Any]:
        """Return what stands in the recipe."""
        return list(self.values)


Dimension = Range | Choices


@dataclass(frozen=True, slots=True)
class Space:
    """A search space.

    Attributes:
        dimensions: the fields that vary, in the order of the recipe.
    """

    dimensions: tuple[Dimension, ...] = ()

    def __iter__(self) -> Iterator[Dimension]:
        return iter(self.dimensions)

    def __len__(self) -> int:
        return len(self.dimensions)

    @classmethod
    def read(cls, table: Mapping[str, Any], recipe: Recipe, where: str | None = None) -> Space:
        """Check the table `[tune]` of a recipe.

        Args:
            table: fields and what they may be: `{low=…, high=…, log=…, step=…}` or a list of choices.
            recipe: the recipe it stands in.
            where: the recipe's file, for errors.

        Raises:
            InputError: a field is unknown or not to be searched, or a value is not one that the field can take;
                the field is named.
        """
        dimensions = tuple(_read(key, spec, recipe, where) for key, spec in flatten(table))
        for dimension in dimensions:
            for value in dimension.values:
                _try(dimension.key, value, recipe, where)
        return cls(dimensions)

    @property
    def size(self) -> int | None:
        """How many recipes there are in the space; None where a range holds any number."""
        sizes = [dimension.size for dimension in self.dimensions]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def apply(self, recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
        """Return a copy of a recipe with values of the space, and without a space of its own."""
        made = recipe.model_copy(deep=True)
        made.tune = type(made.tune)()
        for key, value in values.items():
            section, _, field = key.partition(".")
            setattr(getattr(made, section), field, value)
        return made

    def nearest(self, recipe: Recipe) -> dict[str, Any]:
        """Return the values of a recipe, each the nearest that the space has; None counts as the middle."""
        found = {}
        for dimension in self.dimensions:
            own = value_of(recipe, dimension.key)
            if own is None:
                found[dimension.key] = dimension.at(0.5)
            elif isinstance(dimension, Range) and dimension.step is None:
                found[dimension.key] = min(max(own, dimension.low), dimension.high)  # with all its figures
            else:
                found[dimension.key] = dimension.snap(own)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in the recipe: fields and what they may be."""
        return {dimension.key: dimension.to_spec() for dimension in self.dimensions}


def value_of(recipe: Recipe, key: str) -> Any:
    """Return a field of a recipe by `section.field`."""
    section, _, field = key.partition(".")
    return getattr(getattr(recipe, section), field)


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
