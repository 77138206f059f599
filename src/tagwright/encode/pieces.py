"""Words to pieces: a tokenizer's own, read through a cache of the words seen so far."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tagwright.encode.prefix import PROBES, backend_of, copy_of, find_prefix_space
from tagwright.errors import InputError

__all__ = ["PieceTable", "ranges"]

_UNPICKLED = {"tokenizer", "_cache", "_lock"}
_SLAB = 1 << 13  # words looked up at once: what a thread with a short text may have to wait for
_CHUNK = 512  # unseen words encoded as one sequence: an Encoding for each would cost more than its pieces


def ranges(starts: NDArray[np.integer], sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return `start, start + 1, …, start + size - 1` of each pair, one after another.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(sizes, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(total, dtype=np.int64)


class PieceTable:
    """The pieces of words, as the tokenizer gives them for text that is already split into words.

    A fast tokenizer encodes each such word by itself, so that its pieces can be kept: a word is encoded once,
    and a batch is put together with array operations. The caller's tokenizer is copied and stays as it is; on
    the copy truncation, padding and BPE dropout are off, and words get a leading blank if its running text
    has one.

    Safe to use from several threads, and words are encoded without holding the others up.

    Attributes:
        before: int32, shape (pieces,): the special pieces before a sequence.
        after: int32, shape (pieces,): the special pieces after a sequence.
        pad_id: the padding piece.
        unk_id: the piece given to a word that has none of its own (U+FE0F, control characters).
        add_prefix_space: True where words are read with a leading blank (or its sign), as in running text;
            None where the tokenizer knows no such blank; False where running text has one that could not be
            added.
        tokenizer: the copy.
    """

    def __init__(
        self, tokenizer: Any, *, cached_words: int = 262_144, cached_characters: int = 16_000_000
    ) -> None:
        """Copy a tokenizer and probe it.

        Args:
            tokenizer: a `tokenizers.Tokenizer`, or a fast tokenizer of transformers.
            cached_words: the cache is emptied before it would hold more words than this, give or take 8,192 for each
                thread. With what lies between them in memory a word takes about a kilobyte.
            cached_characters: or more characters than this.

        Raises:
            InputError: not a fast tokenizer.
        """
        backend = backend_of(tokenizer)
        self.tokenizer, self.add_prefix_space = find_prefix_space(copy_of(backend))
        self.before, self.after = _special_pieces(self.tokenizer)
        self.pad_id = _special_id(tokenizer, backend, "pad", default=0)
        self.unk_id = _special_id(tokenizer, backend, "unk", default=self.pad_id)
        self._limits = (cached_words, cached_characters)
        self._json: str | None = None
        self._cache = _Cache()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what the pieces depend on; the cache of words stays behind."""
        if self._json is None:  # `Dataset.map` pickles its function once for each split
            self._json = self.tokenizer.to_str()
        kept = {name: value for name, value in self.__dict__.items() if name not in _UNPICKLED}
        return kept | {"encode_special_tokens": self.tokenizer.encode_special_tokens}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a state, with an empty cache."""
        encode_special_tokens = state.pop("encode_special_tokens")
        self.__dict__.update(state, _cache=_Cache(), _lock=threading.Lock())
        self.tokenizer = Tokenizer.from_str(state["_json"])
        self.tokenizer.encode_special_tokens = encode_special_tokens

    @property
    def specials(self) -> int:
        """How many special pieces stand around a sequence."""
        return len(self.before) + len(self.after)

    def pieces(self, words: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Encode words.

        Args:
            words: any number of words, of any number of sentences.

        Returns:
            The pieces of all words, one after another, int32, shape (pieces,); and how many each word has,
            int32, shape (words,), at least 1.

        Raises:
            InputError: a word is not a string.
        """
        words = words if isinstance(words, (list, tuple)) else list(words)
        slabs = [self._look_up(words[start : start + _SLAB]) for start in range(0, len(words), _SLAB)]
        if len(slabs) == 1:
            return slabs[0]
        empty = np.zeros(0, dtype=np.int32)
        return np.concatenate([empty, *(ids for ids, _ in slabs)]), np.concatenate(
            [empty, *(counts for _, counts in slabs)]
        )

    def frame(
        self, ids: NDArray[np.int32], lengths: NDArray[np.integer]
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Put the special pieces around sequences.

        Args:
            ids: int32, shape (pieces,): the sequences' pieces, one after another.
            lengths: shape (sequences,): how many belong to each.

        Returns:
            The framed pieces, int32, shape (pieces + specials * sequences,); where each sequence begins in
            them, int64, shape (sequences + 1,); and where each of `ids` went, int64, shape (pieces,).
        """
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths + self.specials, out=offsets[1:])
        inner = ranges(offsets[:-1] + len(self.before), lengths)
        framed = np.empty(offsets[-1], dtype=np.int32)
        framed[inner] = ids
        framed[offsets[:-1, None] + np.arange(len(self.before))] = self.before
        framed[offsets[1:, None] - len(self.after) + np.arange(len(self.after))] = self.after
        return framed, offsets, inner

    def _look_up(self, words: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        with self._lock:
            cache = self._cache
            rows = cache.find(words)
            missing = np.flatnonzero(rows < 0)
            if not len(missing):
                return cache.take(rows)
            unseen = list(dict.fromkeys(words[position] for position in missing.tolist()))
            max_words, max_characters = self._limits
            if len(cache) + len(unseen) > max_words or cache.characters > max_characters:
                cache = self._cache = _Cache()
                unseen = list(dict.fromkeys(words))
            size = len(cache)
        encoded = self._encode(unseen)
        with self._lock:  # another thread may have put a new cache in place; this one only grew
            if len(cache) > size:
                unseen, encoded = _without(cache.find(unseen) >= 0, unseen, *encoded)
            cache.add(unseen, *encoded)
            return cache.take(cache.find(words))

    def _encode(self, words: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        texts = _encodable(words)
        chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
        encodings = self.tokenizer.encode_batch(chunks, is_pretokenized=True, add_special_tokens=False)
        found = np.concatenate([np.array(encoding.ids, dtype=np.int32) for encoding in encodings])
        sizes = np.concatenate(
            [
                np.bincount(np.array(encoding.word_ids, dtype=np.int64), minlength=len(chunk))
                for encoding, chunk in zip(encodings, chunks, strict=True)
            ]
        )
        counts = np.maximum(sizes, 1).astype(np.int32)
        ends = np.cumsum(counts, dtype=np.int64)
        flat = np.full(ends[-1], self.unk_id, dtype=np.int32)
        flat[ranges(ends - counts, sizes)] = found
        return flat, counts


class _Cache:
    """Words and their pieces, in arrays that grow."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._starts = np.zeros(1024, dtype=np.int64)
        self._counts = np.zeros(1024, dtype=np.int32)
        self._flat = np.zeros(4096, dtype=np.int32)
        self._used = 0
        self.characters = 0

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, words: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each word; -1 where it has none."""
        return np.fromiter(map(self._rows.get, words, repeat(-1)), dtype=np.int64, count=len(words))

    def take(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return the pieces of rows, one after another, and how many each has."""
        counts = self._counts[rows]
        return self._flat[ranges(self._starts[rows], counts)], counts

    def add(self, words: list[str], flat: NDArray[np.int32], counts: NDArray[np.int32]) -> None:
        """Keep the pieces of words that have no row yet."""
        size = len(self)
        self._starts = _put(self._starts, size, self._used + np.cumsum(counts, dtype=np.int64) - counts)
        self._counts = _put(self._counts, size, counts)
        self._flat = _put(self._flat, self._used, flat)
        self._used += len(flat)
        self._rows.update(zip(words, range(size, size + len(words)), strict=True))
        self.characters += sum(map(len, words))


def _put(buffer: NDArray[Any], used: int, values: NDArray[Any]) -> NDArray[Any]:
    """Write values after the used part of a buffer; return it, or a larger one in its place."""
    needed = used + len(values)
    if needed > len(buffer):
        larger = np.zeros(max(needed, 2 * len(buffer)), dtype=buffer.dtype)
        larger[:used] = buffer[:used]
        buffer = larger
    buffer[used:needed] = values
    return buffer


def _without(
    known: NDArray[np.bool_], words: list[str], flat: NDArray[np.int32], counts: NDArray[np.int32]
) -> tuple[list[str], tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Leave out the words that have a row by now."""
    new = np.flatnonzero(~known)
    starts = np.cumsum(counts, dtype=np.int64) - counts
    return [words[place] for place in new.tolist()], (flat[ranges(starts[new], counts[new])], counts[new])


def _encodable(words: list[str]) -> list[str]:
    """Return the words with lone surrogates, which no UTF-8 can hold, replaced by U+FFFD."""
    try:
        "".join(words).encode()
        return words
    except TypeError:
        word = next(word for word in words if not isinstance(word, str))
        raise InputError(
            f"a word is {word!r} ({type(word).__name__}), not text", mend="give every word as a string"
        ) from None
    except UnicodeEncodeError:
        return [word.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for word in words]


def _special_pieces(tokenizer: Tokenizer) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the special pieces around a sequence, found by encoding a word with and without them."""
    for word in PROBES:
        inner = tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).ids
        whole = tokenizer.encode([word], is_pretokenized=True)
        ids = np.array(whole.ids, dtype=np.int32)
        content = np.flatnonzero(np.array(whole.special_tokens_mask) == 0)
        if inner and ids[content].tolist() == inner:
            return ids[: content[0]], ids[content[-1] + 1 :]
    empty = np.zeros(0, dtype=np.int32)
    return empty, empty


def _special_id(tokenizer: Any, backend: Tokenizer, role: str, *, default: int) -> int:
    """Return the id of the padding or the unknown piece: as declared, or by the names it usually has."""
    declared = getattr(tokenizer, f"{role}_token_id", None)
    if declared is not None:
        return int(declared)
    if role == "pad" and backend.padding:
        return int(backend.padding["pad_id"])
    names = [getattr(backend.model, "unk_token", None)] if role == "unk" else []
    names += [f"[{role.upper()}]", f"<{role}>", f"<|{role}|>"]
    found = (backend.token_to_id(name) for name in names if name is not None)
    return next((piece for piece in found if piece is not None), default)
