"""The blank before a word: whether pieces hold it, found by probing, and switched on where it is off.

A byte-level BPE such as RoBERTa's writes "cat" and " cat" as different pieces, and its file may say that
words given one by one get no blank. Almost every word of its training text had one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from tokenizers import Tokenizer, normalizers

from tagwright.errors import InputError

__all__ = ["PROBES", "backend_of", "copy_of", "find_prefix_space", "with_prefix_space"]

PROBES = ("the", "a", "in", "of", "and", "not", "can't", "I'm", "U.S.", "Berlin", "7", "x2")
"""Words to probe a tokenizer with: frequent ones, and some that are split before they are encoded."""


def backend_of(tokenizer: Any) -> Tokenizer:
    """Return the `tokenizers.Tokenizer` of a tokenizer.

    Raises:
        InputError: it has none: a slow tokenizer.
    """
    backend = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    if isinstance(backend, Tokenizer):
        return backend
    raise InputError(
        f"{type(tokenizer).__name__} is not a fast tokenizer",
        mend="use an encoder with a tokenizer.json, or write one with transformers' convert_slow_tokenizer",
    )


def copy_of(backend: Tokenizer) -> Tokenizer:
    """Copy a tokenizer as far as encoding words needs it: truncation, padding and BPE dropout are off.

    The model itself, which nothing here changes, is shared: a copy through JSON would cost time and memory, and
    moves the scores of a Unigram model by a unit in the last place, enough to break a tie the other way.
    """
    if getattr(backend.model, "dropout", None):
        copy = deepcopy(backend)
        copy.model.dropout = None
        copy.no_truncation()
        copy.no_padding()
    else:
        copy = Tokenizer(backend.model)
        copy.normalizer = backend.normalizer
        copy.pre_tokenizer = backend.pre_tokenizer
        copy.post_processor = backend.post_processor
        copy.add_tokens([token for _, token in sorted(backend.get_added_tokens_decoder().items())])
    copy.encode_special_tokens = backend.encode_special_tokens
    return copy


def find_prefix_space(tokenizer: Tokenizer) -> tuple[Tokenizer, bool | None]:
    """Return the tokenizer, or a copy of it, that encodes a single word as it stands in running text.

    Args:
        tokenizer: left as it is; truncation and padding are off.

    Returns:
        The tokenizer, and whether its words get a leading blank: True; None if it knows none; False if
        running text has one and no known setting adds it.
    """
    expected = [_in_text(tokenizer, word) for word in PROBES]

    def agreement(candidate: Tokenizer) -> int:
        return sum(_alone(candidate, word) == pieces for word, pieces in zip(PROBES, expected, strict=True))

    best, reached = tokenizer, agreement(tokenizer)
    if reached < len(PROBES):
        for switch in (_switch_settings, _switch_normalizer):
            candidate = copy_of(tokenizer)
            switch(candidate)
            if agreement(candidate) > reached:
                best, reached = candidate, agreement(candidate)
    if best is not tokenizer or _prefixes(tokenizer):
        return best, True
    return tokenizer, None if reached == len(PROBES) else False


def with_prefix_space(tokenizer: Any) -> Any:
    """Return a tokenizer that gives words their leading blank, so that it can be saved beside a model.

    Args:
        tokenizer: a `tokenizers.Tokenizer` or a fast tokenizer of transformers; left as it is.

    Returns:
        The tokenizer itself where nothing is to be changed, a copy of the same kind otherwise.

    Raises:
        InputError: not a fast tokenizer.
    """
    copy = copy_of(backend_of(tokenizer))
    found, _ = find_prefix_space(copy)
    if found is copy:
        return tokenizer
    changed = deepcopy(tokenizer)
    target = backend_of(changed)
    target.normalizer = found.normalizer
    target.pre_tokenizer = found.pre_tokenizer
    if changed is not target:
        # It is saved as a setting, from which the classes of transformers rebuild their parts.
        changed.add_prefix_space = True
    return changed


def _in_text(tokenizer: Tokenizer, word: str) -> list[int]:
    """Return the pieces of a word in the middle of running text, the blank before it included."""
    encoding = tokenizer.encode(f"x {word} x", add_special_tokens=False)
    end = 2 + len(word)
    return [
        piece
        for piece, (first, last) in zip(encoding.ids, encoding.offsets, strict=True)
        if first < end and last > 1
    ]


def _alone(tokenizer: Tokenizer, word: str) -> list[int]:
    """Return the pieces of a word among words that are already split."""
    encoding = tokenizer.encode(["x", word, "x"], is_pretokenized=True, add_special_tokens=False)
    return [piece for piece, place in zip(encoding.ids, encoding.word_ids, strict=True) if place == 1]


def _settings(part: Any) -> dict[str, Any]:
    return json.loads(part.__getstate__()) if part is not None else {}


def _parts(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a part's settings and, if it is a sequence, those of the parts within."""
    yield settings
    for inner in (*settings.get("pretokenizers", ()), *settings.get("normalizers", ())):
        yield from _parts(inner)


def _prefixes(tokenizer: Tokenizer) -> bool:
    """Say whether a part of the tokenizer puts something before each word."""
    parts = [*_parts(_settings(tokenizer.pre_tokenizer)), *_parts(_settings(tokenizer.normalizer))]
    return any(
        part.get("add_prefix_space") or part.get("prepend_scheme") in ("always", "first") or "prepend" in part
        for part in parts
    )


def _switch_settings(tokenizer: Tokenizer) -> None:
    """Switch the leading blank on where a pre-tokenizer has a setting for it."""
    settings = _settings(tokenizer.pre_tokenizer)
    for part in _parts(settings):
        if "add_prefix_space" in part:
            part["add_prefix_space"] = True
        if "prepend_scheme" in part:
            part["prepend_scheme"] = "always"
    if settings:
        changed = deepcopy(tokenizer.pre_tokenizer)
        setstate: Callable[[bytes], None] = changed.__setstate__
        setstate(json.dumps(settings).encode())
        tokenizer.pre_tokenizer = changed


def _switch_normalizer(tokenizer: Tokenizer) -> None:
    """Put a blank before each word ahead of everything else: for tokenizers that split before they prefix."""
    prepend = normalizers.Prepend(" ")
    inner = tokenizer.normalizer
    tokenizer.normalizer = normalizers.Sequence([prepend, inner] if inner is not None else [prepend])
