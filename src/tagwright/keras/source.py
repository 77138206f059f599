"""Where an encoder comes from: `minilm`, a folder, or the Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.data.reach import hub_reachable
from tagwright.errors import InputError, require
from tagwright.keras.weights import list_tensors, read_tensors
from tagwright.model.huggingface import first_line, read_json
from tagwright.model.minilm import minilm_weights
from tagwright.model.swap import finish_swap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Source", "find_source"]

MINILM = "minilm"
FILES = ("config.json", "model.safetensors", "model.safetensors.index.json", "model-*.safetensors")


@dataclass(frozen=True)
class Source:
    """A checkpoint.

    Attributes:
        where: its folder or name, for messages.
        config: the values of its `config.json`.
        names: the names of its tensors.
        read: reads the tensors of some names, as fp32.
    """

    where: str
    config: dict[str, Any]
    names: list[str]
    read: Callable[[list[str]], dict[str, NDArray[np.float32]]]


def find_source(encoder: str | Path) -> Source:
    """Find a checkpoint; no weights are read yet.

    Args:
        encoder: `minilm`, a folder, or a name on the Hub (`owner/name[@revision]`).

    Raises:
        InputError: there is none, it cannot be reached, or it has no safetensors.
        MissingExtraError: `minilm` is not installed.
    """
    if str(encoder) == MINILM:
        return _minilm()
    folder = Path(encoder) if Path(encoder).is_dir() else _download(str(encoder))
    finish_swap(folder)
    if not (folder / "config.json").exists():
        raise InputError(
            "there is no config.json in it", where=str(encoder), mend="name the folder of a saved model"
        )
    config = read_json(folder / "config.json")
    files = list_tensors(folder)
    return Source(
        str(encoder), config, list(files), lambda names: read_tensors({name: files[name] for name in names})
    )


def _minilm() -> Source:
    from safetensors.numpy import load

    values, tensors, folder = minilm_weights(load)
    config = {"model_type": "distilbert", "architectures": ["DistilBertModel"], **values}
    return Source(str(folder), config, list(tensors), lambda names: {name: tensors[name] for name in names})


def _download(encoder: str) -> Path:
    """Bring a model of the Hub into the local cache and return its folder."""
    if encoder.startswith((".", "/", "~")) or encoder.count("/") > 1 or Path(encoder).exists():
        raise InputError(
            f"there is no folder {encoder!r}", mend="name a model folder, a name on the Hub or minilm"
        )
    hub = require("huggingface_hub", "keras")
    name, _, revision = encoder.partition("@")
    online = hub_reachable()
    try:
        return Path(
            hub.snapshot_download(
                name, revision=revision or None, allow_patterns=list(FILES), local_files_only=not online
            )
        )
    except Exception as error:  # the library raises whatever its parts raise
        if not online:
            raise InputError(
                f"the encoder {encoder!r} is not on this machine and the Hub cannot be reached",
                mend="download it where there is a network (hf download NAME --local-dir DIR) and name the folder, "
                "or use the offline encoder: minilm",
            ) from error
        raise InputError(f"the encoder {encoder!r} cannot be loaded: {first_line(error)}") from error
