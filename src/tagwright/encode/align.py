"""Words and their tags to pieces and their labels, for `Dataset.map`: the guide's step, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.pieces import PieceTable, ranges
from tagwright.encode.prefix import backend_of, with_prefix_space
from tagwright.errors import InputError
from tagwright.tags import LabelMap, offsets_of
from tagwright.tags.scheme import I, O

__all__ = [
    "IGNORED",
    "Aligner",
    "PieceTable",
    "align_labels",
    "continued",
    "inside_ids",
    "table_of",
    "with_prefix_space",
]

IGNORED = -100
"""The label that the loss leaves out."""

_NO_LIMIT = 1 << 30  # transformers writes "no limit" as 1e30
_TABLES: WeakKeyDictionary[Any, tuple[tuple[int, int, bool], PieceTable]] = WeakKeyDictionary()


def align_labels(
    examples: Mapping[str, Any],
    tokenizer: Any,
    *,
    label_pieces: str = "first",
    labels: LabelMap | None = None,
    truncation: bool = True,
    max_length: int | None = None,
) -> dict[str, list[list[int]]]:
    """Encode a batch of labelled sentences.

    Gives what `tokenize_and_align_labels` of the Hugging Face guide to token classification gives, with two
    differences, both of which keep words from being lost: a word that has no piece gets the unknown piece and
    keeps its tag, and words get their leading blank from a tokenizer whose file forgets it (see
    `with_prefix_space`).

    Args:
        examples: `tokens`, a list of words for each sentence, and `ner_tags`, a list of tag ids; without
            `ner_tags` there are no labels. A dict of lists, or what `Dataset.map(batched=True)` passes.
        tokenizer: a fast tokenizer of transformers, or a `tokenizers.Tokenizer`.
        label_pieces: `"first"`: only a word's first piece is labelled; `"all"`: later pieces carry the inside
            tag.
        labels: the label map; needed with `"all"`.
        truncation: cut sentences to `max_length`. Text that is longer is better cut into windows
            (`encode_words`).
        max_length: pieces in a sentence, special ones included; by default the tokenizer's
            `model_max_length`.

    Returns:
        `input_ids`, `attention_mask`, `labels` (-100 where a piece has none) and, where the tokenizer's model
        takes them, `token_type_ids`: a list of ints for each sentence.

    Raises:
        InputError: not a fast tokenizer; not a batch; a sentence with more or fewer tags than words.

    >>> encoded = data.map(partial(align_labels, tokenizer=tokenizer), batched=True)  # doctest: +SKIP
    """
    aligner = Aligner(
        tokenizer, label_pieces=label_pieces, labels=labels, truncation=truncation, max_length=max_length
    )
    return aligner(examples)


class Aligner:
    """`align_labels` with its arguments bound, for `Dataset.map`.

    `map` makes a fingerprint of the function that it is given and sends it to its worker processes, so that
    `partial(align_labels, tokenizer=tokenizer)` works, but has the whole tokenizer pickled for each split, as
    the guide's function has: 0.1 s for a vocabulary of 30,000. An aligner is pickled twenty times as fast.

    >>> encoded = data.map(Aligner(tokenizer), batched=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        label_pieces: str = "first",
        labels: LabelMap | None = None,
        truncation: bool = True,
        max_length: int | None = None,
    ) -> None:
        """Take the arguments of `align_labels`."""
        self._table = table_of(tokenizer)
        self._later = inside_ids(label_pieces, labels)
        self._room = _room(self._table, tokenizer, truncation, max_length)
        self._keeps_end = getattr(tokenizer, "truncation_side", "right") == "left"
        self._has_types = "token_type_ids" in getattr(tokenizer, "model_input_names", ())

    def __call__(self, examples: Mapping[str, Any]) -> dict[str, list[list[int]]]:
        """Encode a batch of labelled sentences; see `align_labels`."""
        words, inverse, lengths = _read_words(examples)
        ids, counts = self._table.pieces(words)
        if inverse is not None:
            starts = np.cumsum(counts, dtype=np.int64) - counts
            counts = counts[inverse]
            ids = ids[ranges(starts[inverse], counts)]
        bounds = offsets_of(counts)[offsets_of(lengths)]
        sizes = np.diff(bounds)
        owners = np.repeat(np.arange(len(counts)), counts)  # the word of each piece
        if self._room is not None and sizes.max(initial=0) > self._room:
            kept = np.minimum(sizes, self._room)
            taken = ranges(bounds[1:] - kept if self._keeps_end else bounds[:-1], kept)
            ids, owners, sizes = ids[taken], owners[taken], kept
        framed, offsets, inner = self._table.frame(ids, sizes)
        places = list(pairwise(offsets.tolist()))
        result = {"input_ids": _rows(framed, places)}
        if self._has_types:
            result["token_type_ids"] = [[0] * (end - start) for start, end in places]
        result["attention_mask"] = [[1] * (end - start) for start, end in places]
        if "ner_tags" in examples:
            tags = _read_tags(examples, lengths)[owners]
            first = np.diff(owners, prepend=-1) != 0
            flat = np.full(len(framed), IGNORED, dtype=np.int64)
            flat[inner] = np.where(
                first, tags, IGNORED if self._later is None else continued(tags, self._later)
            )
            result["labels"] = _rows(flat, places)
        return result


def table_of(tokenizer: Any) -> PieceTable:
    """Return the piece table of a tokenizer; the same one for the same tokenizer as long as it lives.

    Raises:
        InputError: not a fast tokenizer.
    """
    backend = backend_of(tokenizer)
    state = (id(backend), backend.get_vocab_size(), bool(backend.encode_special_tokens))
    known = _TABLES.get(tokenizer)
    if known is None or known[0] != state:  # pieces were added since
        known = (state, PieceTable(tokenizer))
        _TABLES[tokenizer] = known
    return known[1]


def inside_ids(label_pieces: str, labels: LabelMap | None) -> NDArray[np.int64] | None:
    """Return the tag that a word's later pieces carry.

    It is the inside tag of the word's type, whatever the word's own tag: B-x, I-x, and, in BIOES and BILOU,
    E-x and S-x are followed by I-x. A tag whose type has no inside tag is repeated, as is O.

    Args:
        label_pieces: `"first"` or `"all"`.
        labels: the label map; needed with `"all"`.

    Returns:
        None with `"first"`, else int64, shape (labels,): the id of the tag that follows each tag.
    """
    if label_pieces == "first":
        return None
    if label_pieces != "all":
        raise InputError(f"label_pieces is {label_pieces!r}", mend="it is 'first' or 'all'")
    if labels is None:
        raise InputError(
            "label_pieces = 'all' needs the label map", mend="pass labels=LabelMap(names, scheme)"
        )
    inside = {
        int(label): position
        for position, (role, label) in enumerate(zip(labels.roles, labels.type_ids, strict=True))
        if role == I
    }
    return np.array(
        [
            position if role == O else inside.get(int(label), position)
            for position, (role, label) in enumerate(zip(labels.roles, labels.type_ids, strict=True))
        ],
        dtype=np.int64,
    )


def continued(tags: NDArray[np.int64], later: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tag of the pieces that follow a word's first; what is no tag id (-100) is repeated."""
    known = (tags >= 0) & (tags < len(later))
    return np.where(known, later[np.where(known, tags, 0)], tags)


def _room(table: PieceTable, tokenizer: Any, truncation: bool, max_length: int | None) -> int | None:
    """Return how many pieces a sentence may have beside the special ones; None is any number."""
    limit = max_length if max_length is not None else getattr(tokenizer, "model_max_length", _NO_LIMIT)
    if not truncation or limit >= _NO_LIMIT:
        return None
    if limit <= table.specials:
        raise InputError(
            f"a limit of {limit} pieces leaves no room for a word beside {table.specials} special pieces",
            mend="raise max_length",
        )
    return int(limit) - table.specials


def _rows(flat: NDArray[np.integer], places: list[tuple[int, int]]) -> list[list[int]]:
    # Lists: the guide gives lists, and `Dataset.map` stores them as fast as it stores arrays.
    values = flat.tolist()
    return [values[start:end] for start, end in places]


def _arrow_column(examples: Mapping[str, Any], name: str) -> tuple[Any, NDArray[np.int64]] | None:
    """Return a list column's values and the length of each list; None where Arrow has no such thing at hand.

    `Dataset.map` passes a batch that turns a column into Python objects when it is first read; before that,
    the Arrow data are at hand, and twenty times as fast to read.
    """
    if name not in getattr(examples, "keys_to_format", ()):
        return None
    import pyarrow as pa
    import pyarrow.compute as pc

    column = examples.pa_table[name]  # type: ignore[attr-defined]  # the lazy batch of datasets has it
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)) or not column.num_chunks:
        return None
    array = pa.concat_arrays(column.chunks)
    values = array.flatten()
    if array.null_count or values.null_count:
        return None
    return values, pc.list_value_length(array).to_numpy().astype(np.int64)


def _read_words(examples: Mapping[str, Any]) -> tuple[list[str], NDArray[np.int64] | None, NDArray[np.int64]]:
    """Return words, which of them each word of the batch is (None: in order), and the sentences' lengths."""
    found = _arrow_column(examples, "tokens")
    if found is not None:
        values, lengths = found
        coded = values.dictionary_encode()
        return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64), lengths
    sentences: Sequence[Sequence[str]] = examples["tokens"]
    if len(sentences) and isinstance(sentences[0], str):
        raise InputError(
            "align_labels was given one sentence, not a batch", mend="call map with batched=True"
        )
    return (
        list(chain.from_iterable(sentences)),
        None,
        np.array([len(words) for words in sentences], dtype=np.int64),
    )


def _read_tags(examples: Mapping[str, Any], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tags of the batch, flat over sentences."""
    found = _arrow_column(examples, "ner_tags")
    if found is not None:
        values, numbers = found[0].to_numpy(zero_copy_only=False), found[1]
    else:
        numbers = np.array([len(tags) for tags in examples["ner_tags"]], dtype=np.int64)
        values = np.array(list(chain.from_iterable(examples["ner_tags"])))
    wrong = np.flatnonzero(numbers != lengths)
    if len(wrong):
        place = int(wrong[0])
        name = examples["id"][place] if "id" in examples else place + 1
        raise InputError(
            f"{lengths[place]} words and {numbers[place]} tags",
            where=f"sentence {name}",
            mend="give each word one tag",
        )
    if len(values) and not np.issubdtype(values.dtype, np.integer):
        raise InputError(
            "ner_tags are not ids", mend="load the data with load_data, or map tags to ids with LabelMap"
        )
    tags: NDArray[np.int64] = values.astype(np.int64)
    return tags
