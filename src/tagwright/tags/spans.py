"""The one decoder: tags to spans and back, over flat arrays of any number of sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagwright.tags.scheme import B, E, I, O, Rules, S, Scheme, rules_of

__all__ = ["IntArray", "Labelled", "Spans", "decode", "encode", "invalid"]

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


class Labelled:
    """The words whose tag is not O, each beside its neighbours: all that the rules need, and few.

    Attributes:
        words: their positions among all words.
        roles: their roles.
        types: their types.
        joined: whether the labelled word before is the word before, in the same sentence.
        pairs: the place in a flat table of `Rules` of the word before (O where not joined) and this one.
        last: whether the sentence ends with the word.
    """

    def __init__(self, roles: IntArray, types: IntArray, offsets: IntArray) -> None:
        roles, types, offsets = np.asarray(roles), np.asarray(types), np.asarray(offsets, dtype=np.int64)
        border = np.zeros(len(roles) + 1, dtype=bool)
        border[offsets] = border[-1] = True
        self.words = np.flatnonzero(roles != O)
        self.roles = roles[self.words].astype(np.int64)
        self.types = types[self.words]
        self.joined = ~border[self.words]
        self.joined[:1] = False
        self.joined[1:] &= self.words[1:] == self.words[:-1] + 1
        self.pairs = 2 * self.roles
        self.pairs[1:] += self.joined[1:] * (10 * self.roles[:-1] + (self.types[1:] == self.types[:-1]))
        self.last = border[self.words + 1]

    def spans(self, rules: Rules) -> Spans:
        """Find the spans by the rules of a reading."""
        size = len(self.words)
        heads = np.flatnonzero(~rules.inside.ravel()[self.pairs])
        candidates = np.flatnonzero(rules.start.ravel()[self.pairs])
        # A run is a head and the words that continue it; its span begins at the first word that can begin one.
        run = np.searchsorted(heads, candidates, side="right") - 1
        first = np.ones(len(run), dtype=bool)
        first[1:] = run[1:] != run[:-1]
        starts, run = candidates[first], run[first]
        ends = np.append(heads, size)[run + 1]
        lasts = ends - 1
        joined, pairs = np.append(self.joined, False)[ends], np.append(self.pairs, 0)[ends]
        closed = np.where(joined, rules.end.ravel()[pairs], rules.end[self.roles[lasts], O, 0])
        starts, lasts = starts[closed], lasts[closed]
        return Spans(self.words[starts], self.words[lasts] + 1, self.types[starts])

    def invalid(self, rules: Rules) -> NDArray[np.int64]:
        """Find the words at which the sequence breaks the rules; see the function `invalid`."""
        bad = ~rules.valid.ravel()[self.pairs]
        # O after O is always valid; what is left to look at is O, or the end, after a labelled word.
        left = ~np.append(self.joined[1:], False)[: len(bad)] & ~rules.valid[self.roles, O, 0]
        bad |= left & self.last
        return np.sort(np.concatenate((self.words[bad], self.words[left & ~self.last] + 1)))


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
    return Labelled(roles, types, offsets).spans(rules_of(scheme, reading))


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
    return Labelled(roles, types, offsets).invalid(rules_of(scheme))
