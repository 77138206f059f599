"""What a plain Hugging Face folder looks like: names of files and of the keys in `config.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tagwright.errors import InputError, require
from tagwright.tags import detect_scheme

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = [
    "TOKENIZER_FILES",
    "WEIGHTS",
    "convert_tokenizer",
    "describe",
    "first_line",
    "label_names",
    "piece_limit",
    "quiet",
    "read_json",
]

WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZER_FILES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
# Encoders that number their positions from one past the padding piece's id.
SHIFTED_POSITIONS = {"camembert", "data2vec-text", "esm", "longformer", "luke", "mpnet", "xmod"}


def describe(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Work out what `tagwright.json` would say of a plain folder with a token-classification model.

    Returns:
        The scheme, the labels, the windows, and a notice that says what was assumed.

    Raises:
        InputError: the folder holds another kind of model, or its labels follow no scheme.
    """
    kinds = config.get("architectures") or []
    if kinds and not any("ForTokenClassification" in kind for kind in kinds):
        raise InputError(
            f"this folder holds a {kinds[0]}, not a token-classification model",
            where=str(folder),
            mend="train it first: tagwright train --model FOLDER --data DATA",
        )
    names = label_names(config)
    # One name a sequence: B and I in equal number read as IOB2, an I without its B as IOB1.
    scheme = detect_scheme([[name] for name in names])
    settings = folder / "tokenizer_config.json"
    limit = piece_limit(config, (read_json(settings) if settings.exists() else {}).get("model_max_length"))
    return {
        "scheme": scheme,
        "labels": names,
        "max_pieces": limit,
        "overlap": min(64, limit // 4),
        "notices": [
            f"{folder} has no tagwright.json: took the scheme {scheme.value} from its label names, "
            f"the splitter english and windows of {limit} pieces"
        ],
    }


def label_names(config: Mapping[str, Any]) -> list[str]:
    """Return the labels of a `config.json`, in the order of their ids."""
    table = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers leaves the defaults out
    try:
        return [str(table[str(position)]) for position in range(len(table))]
    except (KeyError, TypeError):
        raise InputError("id2label in config.json does not number its labels from 0") from None


def piece_limit(config: Mapping[str, Any], model_max_length: float | None = None) -> int:
    """Return how many pieces an encoder takes at once, special ones included.

    Args:
        config: the values of its `config.json`.
        model_max_length: the tokenizer's own limit, if it has one.
    """
    limits = [int(model_max_length)] if model_max_length and model_max_length < 1e6 else []
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if isinstance(positions, int) and positions > 0:
        kind = str(config.get("model_type", ""))
        shifted = kind in SHIFTED_POSITIONS or "roberta" in kind
        limits.append(positions - ((config.get("pad_token_id") or 0) + 1 if shifted else 0))
    return min(limits, default=512)


def convert_tokenizer(folder: Path) -> Tokenizer:
    """Build the fast tokenizer of a folder that has vocabulary files and no `tokenizer.json`.

    Raises:
        InputError: the files are damaged, or there is no fast version.
    """
    transformers = require("transformers", "train")
    try:
        with quiet():
            fast = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # the library raises whatever its readers raise; all mean a bad folder
        raise InputError(f"the tokenizer cannot be read: {first_line(error)}", where=str(folder)) from error
    if getattr(fast, "backend_tokenizer", None) is None:
        raise InputError(
            f"the tokenizer ({type(fast).__name__}) has no fast version",
            where=str(folder),
            mend="use an encoder with a tokenizer.json",
        )
    return fast.backend_tokenizer  # type: ignore[no-any-return]  # transformers is not followed by mypy


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file cannot be read, or holds something else; with the line.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", where=f"{file}:{error.lineno}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(file)) from None
    if not isinstance(values, dict):
        raise InputError("not a JSON object", where=str(file))
    return values


def first_line(error: Exception) -> str:
    """Return the first line of what a library's error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and logging; its settings are put back."""
    logging = require("transformers", "train").utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
