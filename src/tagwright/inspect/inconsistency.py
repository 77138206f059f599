"""The same surface form with different types, or labelled here and not there; the oddest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagwright.inspect.part import KEPT_PLACES, Part, joined
from tagwright.tags.scheme import Scheme

__all__ = ["OUTSIDE", "Inconsistency", "find_inconsistencies", "surprise"]

OUTSIDE = "O"
"""What stands for "not labelled" among the labellings of a form."""


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """A surface form that is labelled in several ways.

    Attributes:
        form: the words, joined by blanks, as they are written.
        counts: how often it has each type, or none (`O`); the most frequent first.
        odd: its rarest labelling.
        usual: its most frequent one.
        surprise: how odd the rarest labelling is, in bits; see the function `surprise`.
        same_context: occurrences of the rarest labelling with the same word before and after as an occurrence of
            another one.
        places: `split` and `where` of the first occurrences of the rarest labelling.
        usual_places: the same for the most frequent one.
    """

    form: str
    counts: Mapping[str, int]
    odd: str
    usual: str
    surprise: float
    same_context: int
    places: tuple[Mapping[str, str], ...]
    usual_places: tuple[Mapping[str, str], ...]


def surprise(count: int, total: int, ways: int) -> float:
    """Return how surprising a labelling of a form is, given all other occurrences of the form, in bits.

    It is the surprisal of one of the `count` occurrences that are labelled so, when the others are known and
    probabilities are estimated after Krichevsky and Trofimov ("The performance of universal encoding", IEEE
    Transactions on Information Theory 27(2), 1981: half a count is added for each way to label, Jeffreys' prior):

        -log2((count - 1 + 1/2) / (total - 1 + ways/2))

    So one exception among two occurrences says little, one among a hundred much; and of several exceptions of one
    kind each makes the others less odd.

    Args:
        count: occurrences that are labelled so, at least 1.
        total: all occurrences.
        ways: how many ways there are to label a form: the types, and none.

    >>> [round(surprise(count, 100, 7), 1) for count in (1, 2, 50)]
    [7.7, 6.1, 1.1]
    """
    return -math.log2((count - 0.5) / (total - 1 + ways / 2))


def find_inconsistencies(parts: Sequence[Part]) -> tuple[Inconsistency, ...]:
    """Find forms that are labelled in several ways, over all splits together.

    Every form that is labelled anywhere is looked up everywhere, case and all. An occurrence counts as not
    labelled when all its words are outside; occurrences that lie within another span, or reach into one, say
    nothing about the form and do not count. The idea, and that the same neighbours make an error likely, are
    those of variation n-grams (Dickinson and Meurers, "Detecting errors in part-of-speech annotation", EACL
    2003).

    Returns:
        The forms: those first whose odd labelling stands in the same context as another one, then by `surprise`.
    """
    # {words, as the bytes of their ids: {labelling: [first words]}}, counted over all parts together
    found: dict[bytes, dict[str, list[int]]] = {}
    sizes: dict[bytes, int] = {}
    base = 0
    for part in parts:
        starts, ends = part.spans.starts.tolist(), part.spans.ends.tolist()
        for start, end, kind in zip(starts, ends, part.types, strict=True):
            key = part.word_ids[start:end].tobytes()
            sizes[key] = end - start
            found.setdefault(key, {}).setdefault(kind, []).append(base + start)
        base += len(part.words)
    base = 0
    for part in parts:
        for key, start in _unlabelled(part, sizes):
            found[key].setdefault(OUTSIDE, []).append(base + start)
        base += len(part.words)
    types = {kind for kinds in found.values() for kind in kinds} - {OUTSIDE}
    outside = any(part.labels.scheme is not Scheme.WORD for part in parts)
    whole = _Whole(parts)
    mixed = [
        _describe(whole, kinds, sizes[key], len(types) + outside)
        for key, kinds in found.items()
        if len(kinds) > 1
    ]
    mixed.sort(key=lambda form: (not form.same_context, -form.surprise, form.form))
    return tuple(mixed)


def _unlabelled(part: Part, sizes: Mapping[bytes, int]) -> Iterator[tuple[bytes, int]]:
    """Yield the forms that stand in a part with all their words outside, and the first word of each."""
    owner = np.repeat(np.arange(len(part)), np.diff(part.offsets))
    carried = np.append(0, np.cumsum(part.labelled))
    for size in sorted(set(sizes.values())):
        if size > len(part.words):
            break
        wanted = np.array([np.frombuffer(key, np.int64) for key, own in sizes.items() if own == size])
        starts = np.arange(len(part.words) - size + 1)
        free = (owner[: len(starts)] == owner[size - 1 :]) & (carried[size:] == carried[: len(starts)])
        starts = starts[free]
        for column in range(size):  # what is left has, in each place, a word that some form has there
            starts = starts[np.isin(part.word_ids[starts + column], wanted[:, column])]
        for start in starts.tolist():
            key = part.word_ids[start : start + size].tobytes()
            if key in sizes:
                yield key, start


class _Whole:
    """All parts, one after another."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.bases = np.cumsum([0, *(len(part.words) for part in parts)])
        self.before = np.concatenate([part.before for part in parts])
        self.after = np.concatenate([part.after for part in parts])

    def contexts(self, starts: Sequence[int], size: int) -> list[tuple[int, int]]:
        """Return the words before and after each occurrence."""
        first = np.array(starts, dtype=np.int64)
        return list(zip(self.before[first].tolist(), self.after[first + size - 1].tolist(), strict=True))

    def form(self, start: int, size: int) -> str:
        part, word = self._locate(start)
        return joined(part.words[word : word + size])

    def places(self, starts: Sequence[int]) -> tuple[Mapping[str, str], ...]:
        located = [self._locate(start) for start in starts[:KEPT_PLACES]]
        return tuple({"split": part.name, "where": part.place_of_word(word)} for part, word in located)

    def _locate(self, word: int) -> tuple[Part, int]:
        number = int(np.searchsorted(self.bases, word, side="right")) - 1
        return self.parts[number], word - int(self.bases[number])


def _describe(whole: _Whole, kinds: Mapping[str, list[int]], size: int, ways: int) -> Inconsistency:
    order = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))
    usual, odd = order[0], order[-1]
    others = {context for kind in order[:-1] for context in whole.contexts(kinds[kind], size)}
    return Inconsistency(
        form=whole.form(kinds[odd][0], size),
        counts={kind: len(kinds[kind]) for kind in order},
        odd=odd,
        usual=usual,
        surprise=surprise(len(kinds[odd]), sum(map(len, kinds.values())), ways),
        same_context=sum(context in others for context in whole.contexts(kinds[odd], size)),
        places=whole.places(kinds[odd]),
        usual_places=whole.places(kinds[usual]),
    )
