"""The one decoder: tags to spans and back, over flat arrays of any number of sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.scheme import B, E, I, O, S, Scheme, rules_of

__all__ = ["IntArray", "Spans", "decode", "encode", "invalid", "neighbours"]

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


def neighbours(
    roles: IntArray, types: IntArray, offsets: IntArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each word, the role of the word before it (O at a sentence's start) and whether types agree."""
    before = np.zeros(len(roles), dtype=np.int64)
    same = np.zeros(len(roles), dtype=np.int64)
    before[1:] = roles[:-1]
    same[1:] = types[1:] == types[:-1]
    firsts = offsets[:-1][offsets[:-1] < offsets[1:]]
    before[firsts] = O
    same[firsts] = 0
    return before, same


def decode(
    roles: IntArray, types: IntArray, offsets: IntArray, scheme: Scheme, *, reading: str = "lenient"
) -> Spans:
    """Turn tags into spans.

    Args:
        roles: shape (words,): the role of each word (`tagwright.tags.scheme.O` … `S`).
        types: shape (words,): index of each word's type; any value where the role is O.
        offsets: shape (sentences + 1,): where each sentence begins in the flat arrays; the last is the length.
        scheme: the scheme of the tags; only the strict reading depends on it.
        reading: `"lenient"` (conlleval) or `"strict"`; see `tagwright.tags.scheme.rules_of`.

    Returns:
        The spans, as positions in the flat arrays.
    """
    rules = rules_of(scheme, reading)
    roles = np.asarray(roles, dtype=np.int64)
    types = np.asarray(types, dtype=np.int64)
    offsets = np.asarray(offsets, dtype=np.int64)
    before, same = neighbours(roles, types, offsets)
    heads = np.flatnonzero(~rules.inside[before, roles, same])
    candidates = np.flatnonzero(rules.start[before, roles, same])
    # A run is a head and the words that continue it; its span begins at the first word that can begin one.
    run = np.searchsorted(heads, candidates, side="right") - 1
    first = np.ones(len(run), dtype=bool)
    first[1:] = run[1:] != run[:-1]
    starts, run = candidates[first], run[first]
    ends = np.append(heads, len(roles))[run + 1]
    after = np.append(roles, O)[ends]
    after_same = np.append(types, -1)[ends] == types[starts]
    at_border = np.isin(ends, offsets)
    after = np.where(at_border, O, after)
    closed = rules.end[roles[ends - 1], after, np.where(at_border, 0, after_same)]
    return Spans(starts[closed], ends[closed], types[starts][closed])


def encode(spans: Spans, offsets: IntArray, scheme: Scheme) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Turn spans into tags: the inverse of `decode` for every scheme but IO, which keeps no border inside a type.

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

    A span that is left open (a BIOES B before O) is found at the word that should have continued it, or at the
    last word of the sentence.
    """
    valid = rules_of(scheme).valid
    roles = np.asarray(roles, dtype=np.int64)
    offsets = np.asarray(offsets, dtype=np.int64)
    before, same = neighbours(roles, np.asarray(types), offsets)
    bad = ~valid[before, roles, same]
    lasts = offsets[1:][offsets[1:] > offsets[:-1]] - 1
    bad[lasts] |= ~valid[roles[lasts], O, 0]
    return np.flatnonzero(bad)
