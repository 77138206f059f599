"""Sentences of one split that are nearly those of another: an exact search for similar sets of word pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tagwright.encode.pieces import ranges
from tagwright.inspect.part import Part

__all__ = ["SIMILAR", "NearDuplicate", "NearDuplicates", "find_near_duplicates"]

SIMILAR = 0.6
"""The smallest similarity of a near-duplicate."""

_STEP = 1 << 22  # candidates looked at together, which bounds the memory
_MOST = 1 << 27  # candidates looked at altogether, which bounds the time


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """A sentence and the most similar one of an earlier split.

    Attributes:
        split: the split of the sentence.
        where: its place.
        text: its words, joined by blanks.
        of: `split`, `where` and `text` of the other.
        similarity: of the two, from `SIMILAR` to 1; it is 1 where only upper and lower case differ.
    """

    split: str
    where: str
    text: str
    of: dict[str, str]
    similarity: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """What `find_near_duplicates` found.

    Attributes:
        pairs: the most similar first.
        skipped: pairs of words that were too frequent in both splits to be looked at; see `find_near_duplicates`.
    """

    pairs: tuple[NearDuplicate, ...]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Sets:
    """The sets of word pairs of distinct sentences.

    Attributes:
        members: int64, flat: ranks of word pairs, rarest first within each set.
        offsets: int64, shape (sets + 1,): where each begins.
        firsts: int64, shape (sets,): the first sentence with that set.
        owner: int64, shape (sentences,): the set of each sentence.
    """

    members: NDArray[np.int64]
    offsets: NDArray[np.int64]
    firsts: NDArray[np.int64]
    owner: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)


def find_near_duplicates(parts: Sequence[Part], *, similar: float = SIMILAR) -> NearDuplicates:
    """Find the sentences of each split that are nearly, and not exactly, those of a split before it.

    The similarity of two sentences is the Jaccard index of their sets of neighbouring words: what the two sets
    share, divided by what they hold together. Upper and lower case are not told apart, and the beginning and
    the end count as words. A sentence is listed once for each earlier split, beside the most similar sentence
    there; a sentence that has its exact copy there is not listed, for it is a duplicate.

    The search is exact, not sampled: two sets can only be so similar when they share one of their few rarest
    members (the prefix filter of set similarity joins: Chaudhuri, Ganti and Kaushik, ICDE 2006; Bayardo, Ma and
    Srikant, WWW 2007), and every pair of sentences that does is compared. Where the data repeat themselves so
    much that over 2^27 pairs would have to be compared, the most frequent members are left out, and counted.

    Args:
        parts: the splits, in order.
        similar: the smallest similarity that counts, above 0 and at most 1.
    """
    if len(parts) < 2:
        return NearDuplicates(())
    sets = _build_sets(parts)
    pairs: list[NearDuplicate] = []
    skipped = 0
    for first, second in combinations(range(len(parts)), 2):
        earlier, later = parts[first], parts[second]
        own = {earlier.word_ids[start:end].tobytes() for start, end in earlier.sentences()}
        best, similarity, left_out = _nearest(sets[first], sets[second], similar)
        skipped += left_out
        for sentence, (start, end) in enumerate(later.sentences()):
            group = sets[second].owner[sentence]
            if best[group] < 0 or later.word_ids[start:end].tobytes() in own:
                continue
            match = int(sets[first].firsts[best[group]])
            other = {"split": earlier.name, "where": earlier.place(match), "text": earlier.text(match)}
            pairs.append(
                NearDuplicate(
                    later.name, later.place(sentence), later.text(sentence), other, float(similarity[group])
                )
            )
    pairs.sort(key=lambda pair: -pair.similarity)
    return NearDuplicates(tuple(pairs), skipped)


def _build_sets(parts: Sequence[Part]) -> list[_Sets]:
    """Return the sets of each part; ranks of word pairs are common to all of them."""
    numbers: dict[str, int] = {}
    folded: dict[int, int] = {}
    for part in parts:
        for word, number in zip(part.words, part.word_ids.tolist(), strict=True):
            if number not in folded:
                folded[number] = numbers.setdefault(word.casefold(), len(numbers) + 1)  # 0 is the border
    table = np.zeros(len(folded), dtype=np.int64)
    table[list(folded)] = list(folded.values())
    width = len(numbers) + 1
    keys, owners, distinct = [], [], []
    for part in parts:
        ids = table[part.word_ids]
        known: dict[bytes, int] = {}
        firsts: list[int] = []
        owner = np.empty(len(part), dtype=np.int64)
        for sentence, (start, end) in enumerate(part.sentences()):
            owner[sentence] = known.setdefault(ids[start:end].tobytes(), len(known))
            if len(known) > len(firsts):
                firsts.append(sentence)
        rows = np.array(firsts, dtype=np.int64)
        lengths = np.diff(part.offsets)[rows]
        borders = np.cumsum(np.append(0, lengths + 1))  # one border word before each, and one at the very end
        chain = np.zeros(borders[-1] + 1, dtype=np.int64)
        chain[ranges(borders[:-1] + 1, lengths)] = ids[ranges(part.offsets[rows], lengths)]
        keys.append(chain[:-1] * width + chain[1:])
        owners.append(np.repeat(np.arange(len(rows)), lengths + 1))
        distinct.append((rows, owner))
    # Ranks follow the number of sets (repetitions within one included) that hold the pair: rare ones first.
    _, inverse, counts = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    found = []
    cuts = np.cumsum([len(own) for own in keys])[:-1]
    for own, owning, (rows, owner) in zip(np.split(rank[inverse], cuts), owners, distinct, strict=True):
        flat = np.sort(owning * len(counts) + own)
        flat = flat[np.diff(flat, prepend=-1) > 0]
        sizes = np.bincount(flat // len(counts), minlength=len(rows))
        found.append(_Sets(flat % len(counts), np.append(0, np.cumsum(sizes)), rows, owner))
    return found


def _nearest(left: _Sets, right: _Sets, similar: float) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Find the most similar left set of each right set.

    Returns:
        Its number, int64, shape (right sets,), or -1 where none is similar; the similarity; and how many members
        were too frequent to be looked at.
    """
    best = np.full(len(right.firsts), -1, dtype=np.int64)
    highest = np.zeros(len(right.firsts))
    left_rank, left_set, left_rest = _prefixes(left, similar)
    right_rank, right_set, right_rest = _prefixes(right, similar)
    order = np.argsort(left_rank, kind="stable")
    left_rank, left_set, left_rest = left_rank[order], left_set[order], left_rest[order]
    starts = np.searchsorted(left_rank, right_rank)
    counts = np.searchsorted(left_rank, right_rank, side="right") - starts
    counts, skipped = _bounded(right_rank, counts)
    members = np.repeat(np.arange(len(left.firsts)), left.sizes) * _span(left, right) + left.members
    left_size, right_size = left.sizes, right.sizes
    # Right sets are whole in each step, so that a pair that shares several members is compared once.
    ends = np.searchsorted(right_set, np.arange(len(right.firsts)), side="right")
    totals = np.append(0, np.cumsum(counts))[np.append(0, ends)]
    first = 0
    while first < len(right.firsts):
        last = max(first + 1, int(np.searchsorted(totals, totals[first] + _STEP, side="right")) - 1)
        rows = slice(ends[first - 1] if first else 0, ends[last - 1])
        first = last
        at = ranges(starts[rows], counts[rows])
        ones, others = left_set[at], np.repeat(right_set[rows], counts[rows])
        # What is still to come after the member that they share bounds what they can share altogether.
        bound = np.minimum(left_rest[at], np.repeat(right_rest[rows], counts[rows]))
        possible = bound >= similar / (1 + similar) * (left_size[ones] + right_size[others]) - 1e-9
        pairs = np.sort(others[possible] * len(left.firsts) + ones[possible])
        others, ones = np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], max(len(left.firsts), 1))
        value = _jaccard(members, left, ones, right, others)
        keep = value >= similar - 1e-9
        ones, others, value = ones[keep], others[keep], value[keep]
        # The last write wins: sorted so that it is the most similar one and, of equals, the first in the split.
        order = np.lexsort((-ones, value))
        best[others[order]], highest[others[order]] = ones[order], value[order]
    return best, highest, skipped


def _span(left: _Sets, right: _Sets) -> int:
    return int(max(left.members.max(initial=0), right.members.max(initial=0))) + 1


def _prefixes(sets: _Sets, similar: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the members of which two similar sets share one; the set of each, and how many it has from there on."""
    sizes = sets.sizes
    kept = sizes - np.ceil(similar * sizes - 1e-9).astype(np.int64) + 1
    at = ranges(sets.offsets[:-1], kept)
    owner = np.repeat(np.arange(len(sizes)), kept)
    return sets.members[at], owner, sets.offsets[owner + 1] - at


def _bounded(ranks: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Strike out the most frequent members until few enough candidates are left."""
    if counts.sum() <= _MOST:
        return counts, 0
    _, inverse = np.unique(ranks, return_inverse=True)
    load = np.bincount(inverse, weights=counts)
    order = np.argsort(load, kind="stable")
    gone = order[np.cumsum(load[order]) > _MOST]
    return np.where(np.isin(inverse, gone), 0, counts), len(gone)


def _jaccard(
    members: NDArray[np.int64],
    left: _Sets,
    ones: NDArray[np.int64],
    right: _Sets,
    others: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Compute the Jaccard index of pairs of sets: float64, shape (pairs,).

    Args:
        members: sorted int64: the left sets' members, each with the number of its set above it.
        left: the left sets.
        ones: int64, shape (pairs,): numbers of left sets.
        right: the right sets.
        others: int64, shape (pairs,): numbers of right sets.
    """
    span = _span(left, right)
    shared = np.empty(len(ones), dtype=np.int64)
    for start in range(0, len(ones), _STEP // 16):
        cut = slice(start, start + _STEP // 16)
        sizes = right.sizes[others[cut]]
        wanted = np.repeat(ones[cut] * span, sizes) + right.members[ranges(right.offsets[others[cut]], sizes)]
        place = np.searchsorted(members, wanted)
        place[place == len(members)] = 0
        hits = np.cumsum(np.append(0, members[place] == wanted))
        borders = np.append(0, np.cumsum(sizes))
        shared[cut] = hits[borders[1:]] - hits[borders[:-1]]
    together = left.sizes[ones] + right.sizes[others] - shared
    index: NDArray[np.float64] = shared / np.maximum(together, 1)
    return index
