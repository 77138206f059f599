"""The recipe: one pydantic model, one TOML file. Every field has a default, a unit and a docstring."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tagwright.config.space import Space
from tagwright.config.space_table import flatten
from tagwright.errors import InputError

__all__ = [
    "DataSettings",
    "EncodeSettings",
    "ModelSettings",
    "PredictSettings",
    "Recipe",
    "TrainSettings",
    "TuneSettings",
    "named_recipes",
]

Share = Annotated[float, Field(ge=0, lt=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )


class DataSettings(_Settings):
    """Where the labelled words come from and how misfits are treated."""

    source: str | None = None
    """Catalogue name, `hub:owner/name[@revision]`, folder or file."""

    validation_share: Share = 0.1
    """Share of the training documents held out when the data has no validation split."""

    split_seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of that hold-out; apart from `train.seed`, so that seeds are compared on one split."""

    scheme: Literal["iob1", "iob2", "bioes", "bilou", "io", "word"] | None = None
    """Scheme the tags follow; found from the tags when not given."""

    tag_scheme: Literal["iob2", "bioes", "bilou", "io"] | None = None
    """Scheme to convert the tags to before training; None keeps the data's own."""

    repair: bool = False
    """Rewrite invalid tag sequences by their lenient reading instead of keeping them as they are."""

    misfits: Literal["error", "snap", "drop"] = "error"
    """What to do with a character span that does not fall on word borders."""

    overlaps: Literal["error", "longest", "first"] = "error"
    """What to do with overlapping or nested character spans."""

    word_column: int = 0
    """Column of the word in CoNLL files; negative counts from the end."""

    tag_column: int = -1
    """Column of the tag in CoNLL files; negative counts from the end."""


class EncodeSettings(_Settings):
    """From words to pieces."""

    label_pieces: Literal["first", "all"] = "first"
    """Which pieces of a word carry its label in training; the others carry -100."""

    max_pieces: int | None = Field(default=None, ge=8)
    """Pieces in a window, special ones included; None is the encoder's limit."""

    overlap: int = Field(default=64, ge=0)
    """Pieces that neighbouring windows of a long text share, at most half a window."""

    on_overflow: Literal["window", "error", "truncate"] = "window"
    """What to do with text longer than a window."""

    splitter: str = "english"
    """How raw text is cut into words: whitespace, english, unicode or regex:PATTERN."""


class ModelSettings(_Settings):
    """Which encoder."""

    encoder: str | None = None
    """`minilm` (offline, extra `demo`), a folder, or a name on the Hub (`owner/name[@revision]`)."""

    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of hidden states in training; None keeps the encoder's own."""

    attention_dropout: float | None = Field(default=None, ge=0, lt=1)
    """Dropout of attention probabilities in training; None keeps the encoder's own."""


class TrainSettings(_Settings):
    """How the weights are fitted."""

    engine: Literal["torch", "keras"] = "torch"
    """What trains: PyTorch, or Keras on TensorFlow (extra `keras`); the tagger is the same kind of folder."""

    epochs: float = Field(default=3, gt=0)
    """Passes over the training split."""

    batch_size: int = Field(default=16, ge=1)
    """Sentences (windows, for long text) in a batch, over all processes together: more processes take smaller parts
    of the same batches."""

    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are added up before a step."""

    learning_rate: float | None = Field(default=None, gt=0, le=1)
    """Peak learning rate of the encoder's top layer; None chooses by the encoder's width."""

    head_rate: float = Field(default=5.0, gt=0)
    """The head's learning rate as a multiple of the encoder's."""

    layer_decay: float = Field(default=0.8, gt=0, le=1)
    """Each layer's learning rate as a multiple of that of the layer above it."""

    warmup: Share = 0.1
    """Share of the steps in which the learning rate climbs from zero; then it falls linearly to zero."""

    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's decoupled weight decay."""

    decay_all: bool = False
    """Decay biases and norms as well."""

    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients are scaled down to this L2 norm; 0 leaves them alone."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the matrix products (weights stay fp32); `auto` takes bf16 where it is fast."""

    length_grouping: bool = True
    """Batch sentences of similar length together."""

    fast_step: bool = True
    """Use Tagwright's faster dropout, embedding gradient and optimizer step where the model allows it; with the
    engine `torch` alone."""

    fsdp: Literal["full_shard", "shard_grad_op"] | None = None
    """Share the model out over several GPUs (FSDP 2): `full_shard` weights, gradients and optimizer state,
    `shard_grad_op` all but the weights between forward and backward, which is faster and takes more memory; None keeps
    the whole model on each GPU. On CPUs it is refused."""

    fsdp_offload: bool = False
    """With `fsdp`: keep the shares in the machine's own memory, and bring each layer to the GPU when it is its turn."""

    early_stopping: int | None = Field(default=None, ge=1)
    """Stop after this many evaluations without a better validation F1."""

    keep_best: bool = True
    """End with the checkpoint of the best validation F1 rather than the last one."""

    save_steps: int | None = Field(default=None, ge=1)
    """Write a checkpoint every so many steps as well as after each epoch."""

    keep_checkpoints: bool = False
    """Keep the checkpoints of a run that is complete."""

    seed: int = Field(default=42, ge=0, lt=2**32)
    """Seed of the head's first weights, of dropout and of the order of the batches."""

    report_to: list[str] = []
    """Trackers of `transformers.Trainer` to report to, such as `tensorboard`."""


class PredictSettings(_Settings):
    """How tags are chosen from the model's scores."""

    valid_tags: bool = True
    """Choose the best sequence that the scheme allows (Viterbi) instead of each word's best tag."""

    batch_pieces: int = Field(default=4096, ge=64)
    """Pieces in a batch while training scores the validation split, padding included."""


class TuneSettings(_Settings):
    """Fields of the recipe, each with the range or the choices that a search draws it from; see `Recipe.space`."""

    model_config = ConfigDict(extra="allow")


class Recipe(_Settings):
    """Everything that decides what comes out of `tagwright train`."""

    data: DataSettings = DataSettings()
    encode: EncodeSettings = EncodeSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    predict: PredictSettings = PredictSettings()
    tune: TuneSettings = Field(default=TuneSettings(), exclude=True)
    """What `tagwright tune` searches over. Nothing else reads it, and what a tagger records leaves it out."""

    @classmethod
    def load(
        cls, recipe: str | Path | None = None, settings: Iterable[str] | Mapping[str, Any] = ()
    ) -> Recipe:
        """Read a recipe and apply settings on top of it.

        Args:
            recipe: a TOML file or the name of a built-in recipe (`named_recipes()`); None is `default`.
            settings: `section.field=value` strings, where the value is TOML or a bare word and nothing at all
                stands for None; or a mapping from `section.field` to a value.

        Raises:
            InputError: no such recipe, not TOML, an unknown key or a value out of range; the key is named.

        >>> Recipe.load("guide", ["train.seed=7"]).train.learning_rate
        2e-05
        """
        where, values = _read("default" if recipe is None else str(recipe))
        if not isinstance(settings, Mapping):
            settings = dict(_parse_setting(text) for text in settings)
        for key, value in settings.items():
            section, _, field = key.partition(".")
            if not section or not field:
                raise InputError(
                    f"the setting {key!r} names no field", mend="write it as section.field=value"
                )
            table = values.setdefault(section, {})
            if isinstance(table, dict):  # otherwise the file is wrong, and is told so below
                table[field] = value
        try:
            loaded = cls.model_validate(values)
        except ValidationError as error:
            raise _explain(error, where, settings) from None
        Space.read(loaded.tune.model_extra or {}, loaded, where)
        return loaded

    def space(self) -> Space:
        """Return what `tagwright tune` searches over, checked; empty where the recipe names nothing.

        Raises:
            InputError: a field is unknown or not to be searched, or cannot take a value; it is named.
        """
        return Space.read(self.tune.model_extra or {}, self)

    def to_toml(self) -> str:
        """Write the resolved recipe as TOML; fields that are None are left out."""
        lines: list[str] = []
        for section, table in self.model_dump(exclude_none=True).items():
            lines += [f"[{section}]", *(f"{field} = {_toml(value)}" for field, value in table.items()), ""]
        if searched := dict(flatten(self.tune.model_extra or {})):
            lines += ["[tune]", *(f"{field} = {_toml(spec)}" for field, spec in searched.items()), ""]
        return "\n".join(lines)


def named_recipes() -> dict[str, Path]:
    """Return the built-in recipes: name and file."""
    folder = Path(str(resources.files("tagwright") / "recipes"))
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def _read(recipe: str) -> tuple[str, dict[str, Any]]:
    path = named_recipes().get(recipe, Path(recipe))
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"there is no recipe {recipe!r}", mend=f"name a TOML file or one of {', '.join(named_recipes())}"
        ) from None
    except IsADirectoryError:
        raise InputError(
            "a folder is no recipe",
            where=str(path),
            mend=f"name a TOML file or one of {', '.join(named_recipes())}",
        ) from None
    except OSError as error:
        raise InputError(f"the recipe cannot be read: {error.strerror}", where=str(path)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"the recipe is not TOML: {error}", where=str(path)) from None


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals:
        raise InputError(f"the setting {text!r} has no value", mend="write it as section.field=value")
    if not value:
        return key, None
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value  # a bare word is a string


def _explain(error: ValidationError, where: str, settings: Mapping[str, Any]) -> InputError:
    """Say the first thing that is wrong, by its key; the recipe is its place unless a setting brought it."""
    first = error.errors(include_url=False)[0]
    path = [str(part) for part in first["loc"]]
    key = ".".join(path[:2])
    place = None if any(f"{setting}.".startswith(f"{key}.") for setting in settings) else where
    if first["type"] == "extra_forbidden":
        model: Any = Recipe
        for part in path[:-1]:
            model = model.model_fields[part].annotation
        known = difflib.get_close_matches(path[-1], model.model_fields, n=1) or model.model_fields
        mend = f"did you mean {known[0]}?" if isinstance(known, list) else f"known are {', '.join(known)}"
        return InputError(f"unknown recipe key {key!r}", where=place, mend=mend)
    if first["type"] in ("model_type", "model_attributes_type"):
        return InputError(
            f"{key} is a table of settings", where=where, mend=f"write [{key}] above its fields"
        )
    message = first["msg"][0].lower() + first["msg"][1:]
    return InputError(f"{key} = {first['input']!r}: {message}", where=place)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04X}" for c in escaped) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + "}"
    return repr(value)
