"""The one decoder: tags to spans and back, over flat arrays of any number of sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.scheme import B, E, I, O, S, Scheme, rules_of

__all__ = ["IntArray", "Spans", "decode", "encode", "invalid"]

IntArray = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class Spans:
    """Labelled spans over a flat array of words, in order of their starts; they never overlap.

    Attributes:
        starts: int64, shape (spans,): first word.
        ends: int64, shape (spans,): one past the last word.
        types: int64, shape (spans,): index of the type.
    """

    starts: IntArray
    ends: IntArray
    types: IntArray

    def __len__(self) -> int:
        return len(self.starts)


def _pairs(
    roles: IntArray, types: IntArray, offsets: IntArray
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Look at each word beside the word before it.

    Returns:
        The place of each pair in a flat table of `Rules` (a sentence's first word follows an O): uint8, shape
        (words,); and whether a sentence begins at a position, or all end there: bool, shape (words + 1,).
    """
    border = np.zeros(len(roles) + 1, dtype=bool)
    border[offsets] = border[-1] = True
    narrow = np.asarray(roles, dtype=np.uint8)
    codes = 2 * narrow
    codes[1:] += 10 * narrow[:-1]
    codes[1:] += types[1:] == types[:-1]
    firsts = border[:-1]
    codes[firsts] = 2 * narrow[firsts]  # O is 0, and shares its type with nobody
    return codes, border


def decode(
    roles: IntArray, types: IntArray, offsets: IntArray, scheme: Scheme, *, reading: str = "lenient"
) -> Spans:
    """Turn tags into spans.

    Args:
        roles: shape (words,): the role of each word (`tagwright.tags.scheme.O` … `S`).
        types: shape (words,): index of each word's type; any value where the role is O.
        offsets: shape (sentences + 1,): where each sentence begins in the flat arrays; last, their length.
        scheme: the scheme of the tags; only the strict reading depends on it.
        reading: `"lenient"` (conlleval) or `"strict"`; see `tagwright.tags.scheme.rules_of`.

    Returns:
        The spans, as positions in the flat arrays.
    """
    rules = rules_of(scheme, reading)
    roles, types = np.asarray(roles), np.asarray(types)
    codes, border = _pairs(roles, types, np.asarray(offsets, dtype=np.int64))
    heads = np.flatnonzero(~rules.inside.ravel()[codes])
    candidates = np.flatnonzero(rules.start.ravel()[codes])
    # A run is a head and the words that continue it; its span begins at the first word that can begin one.
    run = np.searchsorted(heads, candidates, side="right") - 1
    first = np.ones(len(run), dtype=bool)
    first[1:] = run[1:] != run[:-1]
    starts, run = candidates[first], run[first]
    ends = np.append(heads, len(roles))[run + 1]
    # Whether the pair of the span's last word and the next word closes it; a border stands for an O.
    closed = rules.end.ravel()[np.append(codes, 0)[ends]]
    closed = np.where(border[ends], rules.end[roles[ends - 1], O, 0], closed)
    return Spans(starts[closed], ends[closed], types[starts][closed])


def encode(spans: Spans, offsets: IntArray, scheme: Scheme) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn spans into tags: the inverse of `decode`, but for IO, which keeps no border within a type.

    Returns:
        Roles and types, each of shape (words,); the type is -1 where the role is O.
    """
    offsets = np.asarray(offsets, dtype=np.int64)
    size = int(offsets[-1])
    lengths = spans.ends - spans.starts
    words = np.repeat(spans.starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths) + np.arange(
        lengths.sum()
    )
    roles = np.full(size, O, dtype=np.int64)
    types = np.full(size, -1, dtype=np.int64)
    types[words] = np.repeat(spans.types, lengths)
    if scheme is Scheme.WORD:
        roles[words] = S
        return roles, types
    roles[words] = I
    if scheme is Scheme.IOB1:
        touching = np.zeros(len(spans), dtype=bool)
        touching[1:] = (spans.starts[1:] == spans.ends[:-1]) & (spans.types[1:] == spans.types[:-1])
        touching &= ~np.isin(spans.starts, offsets)
        roles[spans.starts[touching]] = B
    elif scheme is not Scheme.IO:
        roles[spans.starts] = B
    if scheme in (Scheme.BIOES, Scheme.BILOU):
        roles[spans.ends - 1] = E
        roles[spans.starts[lengths == 1]] = S
    return roles, types


def invalid(roles: IntArray, types: IntArray, offsets: IntArray, scheme: Scheme) -> NDArray[np.int64]:
    """Return the positions of words whose tag the scheme does not allow where it stands.

    A span that is left open (a BIOES B before O) is found at the word that should have continued it, or at
    the last word of the sentence.
    """
    valid = rules_of(scheme).valid
    roles, offsets = np.asarray(roles), np.asarray(offsets, dtype=np.int64)
    codes, _ = _pairs(roles, np.asarray(types), offsets)
    bad = ~valid.ravel()[codes]
    lasts = offsets[1:][offsets[1:] > offsets[:-1]] - 1
    bad[lasts] |= ~valid[roles[lasts], O, 0]
    return np.flatnonzero(bad)
