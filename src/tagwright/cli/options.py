"""Options that several commands share; their help comes from the recipe's fields where there is one."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tagwright.config import DataSettings, EncodeSettings, TrainSettings

__all__ = [
    "AsJson",
    "DataOption",
    "Encoder",
    "Engine",
    "OutFile",
    "Overwrite",
    "OwnData",
    "Precision",
    "RecipeData",
    "RunFolder",
    "Runtime",
    "Settings",
    "Split",
    "Splitter",
    "with_data_settings",
]

_DATA_HELP = "Catalogue name (wnut17, sample), hub:owner/name[@revision], folder or file"

DataOption = Annotated[str, typer.Option("--data", metavar="DATA", help=f"{_DATA_HELP}.")]
"""`--data`: the labelled words, in the manner of `tagwright.data.load.read_corpus`."""

RecipeData = Annotated[str | None, typer.Option("--data", metavar="DATA", help=f"{_DATA_HELP}.")]
"""`--data` of the commands that take a recipe, which may name the data instead."""

OwnData = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="DATA",
        help=f"{_DATA_HELP}; what the tagger was trained on if left out.",
    ),
]
"""`--data` of the commands that take a bundle, which knows what it was trained on."""

Encoder = Annotated[
    str | None,
    typer.Option("--model", metavar="ENCODER", help="minilm (offline), a folder, or a name on the Hub."),
]
"""`--model`: the encoder to train."""

Engine = Annotated[
    Literal["torch", "keras"] | None,
    typer.Option("--engine", help=TrainSettings.model_fields["engine"].description),
]
"""`--engine`: what trains; the same as `train.engine`, over whatever the recipe says."""

Split = Annotated[
    str, typer.Option("--split", metavar="SPLIT", help="Which split: train, validation or test.")
]
"""`--split`."""

Splitter = Annotated[
    str,
    typer.Option("--splitter", metavar="SPLITTER", help=EncodeSettings.model_fields["splitter"].description),
]
"""`--splitter`, for text that comes without words."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
"""`--json`."""

OutFile = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write here instead of stdout.")
]
"""`-o FILE` of the commands that write a file."""

RunFolder = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="RUN", help="Folder of the run, which becomes the tagger."),
]
"""`-o RUN` of the commands that write a folder."""

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what already stands at --out.")]
"""`--overwrite`."""

Runtime = Annotated[
    Literal["auto", "torch", "onnx", "openvino"],
    typer.Option("--runtime", help="What computes; auto takes the one that the bundle's files are for."),
]
"""`--runtime`."""

Precision = Annotated[
    Literal["auto", "fp32", "bf16", "int8"],
    typer.Option(
        "--precision",
        help="Precision of the products; auto takes int8 for an export in int8, else bf16 where it is fast.",
    ),
]
"""`--precision` of the commands that tag."""

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.FIELD=VALUE",
        help="Override a field of the recipe, as in train.learning_rate=2e-4; may be repeated.",
    ),
]
"""`--set`, for `Recipe.load(recipe, settings or [])`."""

_DATA_FLAGS = ("scheme", "repair", "misfits", "overlaps", "word_column", "tag_column")


def with_data_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags of `DataSettings` (`--scheme`, `--repair`, `--misfits`, …).

    The command declares a parameter `given: dict[str, Any]` and receives there the fields whose flags were
    used, by name and checked: for `DataSettings(**given)`.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    hints.pop("given")
    parameters = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "given"
    ]
    for name in _DATA_FLAGS:
        hints[name], default = _flag(name)
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        )

    @functools.wraps(command)
    def with_flags(**values: Any) -> Any:
        flags = {name: values.pop(name) for name in _DATA_FLAGS}
        used = {name: value for name, value in flags.items() if value is not None and value is not False}
        return command(**values, given=used)

    with_flags.__annotations__ = hints
    with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
    return with_flags


def _flag(name: str) -> tuple[Any, Any]:
    """Return the annotation of a field's flag and the default that stands for "not given"."""
    field = DataSettings.model_fields[name]
    annotation: Any = field.annotation
    switch = annotation is bool
    shown = "" if switch or field.default is None else f"  [default: {field.default}]"
    option = typer.Option(f"--{name.replace('_', '-')}", help=f"{field.description}{shown}")
    return Annotated[annotation if switch else annotation | None, option], False if switch else None
