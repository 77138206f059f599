"""Gold and predicted tags laid side by side: read, checked for the same sentences, given one label map."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ne
from pathlib import Path

import numpy as np

from tagwright.data.conll import read_conll
from tagwright.data.rows import Rows
from tagwright.errors import InputError
from tagwright.tags.labels import LabelMap, detect_scheme, offsets_of
from tagwright.tags.scheme import Scheme
from tagwright.tags.spans import IntArray

__all__ = ["Pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Gold and predicted tags of the same sentences.

    Attributes:
        gold: the gold side; words only when read from a file.
        pred: the predicted side.
        offsets: int64, shape (sentences + 1,): where each sentence begins in the flat tags of either.
    """

    gold: Rows
    pred: Rows
    offsets: IntArray

    @classmethod
    def read(
        cls,
        gold: str | Path | Sequence[Sequence[str]],
        pred: str | Path | Sequence[Sequence[str]],
        *,
        word_column: int = 0,
        tag_column: int = -1,
    ) -> Pair:
        """Read two CoNLL files, or take two lists of tag lists.

        Raises:
            InputError: a side cannot be read, or the two have different sentences; the first place where they
                part is named.
        """
        first, second = (
            read_conll(side, word_column=word_column, tag_column=tag_column)
            if isinstance(side, str | Path)
            else _from_lists(side, name)
            for side, name in ((gold, "gold"), (pred, "pred"))
        )
        if first.lengths != second.lengths:
            raise _parting(first, second)
        return cls(first, second, offsets_of(first.lengths))

    def labels(self, scheme: Scheme | None) -> LabelMap:
        """Return the label map of both sides under a scheme, or under the one the gold tags follow.

        Raises:
            InputError: a tag is outside the scheme; its first place is named.
        """
        names = sorted({*self.gold.tags, *self.pred.tags})
        if scheme is None:
            scheme = self._find_scheme(names)
        try:
            return LabelMap(names, scheme)
        except InputError as error:
            raise self._place_misfit(names, scheme) or error from None

    def _find_scheme(self, names: Sequence[str]) -> Scheme:
        """Take the scheme of the gold tags; that of both sides where gold is too scant to show it."""
        sentences = list(self.gold.sequences(self.gold.tags))
        known = sorted(set(self.gold.tags))
        own = _detect(sentences, self.gold)
        if known not in ([], ["O"]) and _fits(names, own):
            return own
        both = _detect([*sentences, *self.pred.sequences(self.pred.tags)], self.pred)
        if not _fits(known, both):
            return own
        narrow, wide = LabelMap(known, own), LabelMap(known, both)
        ids = narrow.ids(self.gold.tags)
        worse = len(wide.invalid(ids, self.offsets)) > len(narrow.invalid(ids, self.offsets))
        return own if worse else both

    def _place_misfit(self, names: Sequence[str], scheme: Scheme) -> InputError | None:
        for name in names:
            if _fits([name], scheme):
                continue
            side = self.gold if name in self.gold.tags else self.pred
            return InputError(
                f"the tag {name!r} does not belong to the scheme {scheme}",
                where=_place(side, *self._locate(side.tags.index(name))),
                mend="write both sides in one scheme, and name it with --scheme where gold does not show it",
            )
        return None

    def _locate(self, position: int) -> tuple[int, int]:
        sentence = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return sentence, position - int(self.offsets[sentence])

    def differing_words(self) -> tuple[int, list[str]]:
        """Count the words that are not the same at the same position, and say in words where the first is."""
        count = sum(map(ne, self.gold.words, self.pred.words))
        if not count:
            return 0, []
        first = _first_different(self.gold, self.pred)
        return count, [f"{count:,} words differ at the same position, first {first}"]

    def invalid_tags(self, side: Rows, ids: IntArray, labels: LabelMap) -> list[str]:
        """Say in words how many tags of a side stand where the scheme does not allow them."""
        bad = labels.invalid(ids, self.offsets)
        if not len(bad):
            return []
        first = int(bad[0])
        return [
            f"{side.source}: {len(bad):,} tags stand where {labels.scheme} does not allow them, first"
            f" {side.tags[first]!r} ({_place(side, *self._locate(first))})"
        ]


def _from_lists(sequences: Sequence[Sequence[str]], name: str) -> Rows:
    sequences = list(sequences)
    for number, sequence in enumerate(sequences, 1):
        if isinstance(sequence, str):
            raise InputError(
                f"sentence {number} is the string {sequence!r}",
                where=name,
                mend="give one list of tags a sentence",
            )
    lengths = [len(sequence) for sequence in sequences]
    return Rows(name, tags=list(chain.from_iterable(sequences)), lengths=lengths)


def _detect(sequences: Sequence[Sequence[str]], side: Rows) -> Scheme:
    try:
        return detect_scheme(sequences)
    except InputError as error:
        raise InputError(error.what, where=side.source, mend=error.mend) from None


def _fits(names: Sequence[str], scheme: Scheme) -> bool:
    try:
        LabelMap(sorted(set(names)), scheme)
    except InputError:
        return False
    return True


def _place(rows: Rows, sentence: int, word: int) -> str:
    if not rows.lines:
        return f"{rows.source}, sentence {sentence + 1}, word {word + 1}"
    if sentence == len(rows):
        return f"the end of {rows.source}"
    return rows.place(sentence, word)


def _parting(gold: Rows, pred: Rows) -> InputError:
    """Say where two sides with different sentences part for the first time."""
    sentences = min(len(gold), len(pred))
    differ = map(ne, gold.lengths, pred.lengths)
    sentence = next((place for place, different in enumerate(differ) if different), sentences)
    begin = sum(gold.lengths[:sentence])
    word = 0
    if sentence < sentences:
        shorter = min(gold.lengths[sentence], pred.lengths[sentence])
        pairs = zip(gold.words[begin : begin + shorter], pred.words[begin : begin + shorter], strict=True)
        word = next((place for place, (one, other) in enumerate(pairs) if one != other), shorter)
    what = f"{len(gold.tags):,} words in {gold.source}, {len(pred.tags):,} in {pred.source}"
    if len(gold.tags) == len(pred.tags):
        what = f"the sentence borders of {gold.source} and {pred.source} differ"
    what += f"; they part at {_place(gold, sentence, word)} and {_place(pred, sentence, word)}"
    both = gold.words and pred.words
    if both and gold.words[:begin] != pred.words[:begin]:  # a whole sentence is missing, perhaps
        what += f", and the words differ sooner: {_first_different(gold, pred)}"
    return InputError(what, mend="score the same sentences, cut into the same words")


def _first_different(gold: Rows, pred: Rows) -> str:
    """Show the first words that are not the same, with their places."""
    pairs = enumerate(zip(gold.words, pred.words, strict=False))
    position = next(place for place, (one, other) in pairs if one != other)
    shown = []
    for side in (gold, pred):
        offsets = side.offsets()
        sentence = bisect_right(offsets, position) - 1
        shown.append(f"{side.words[position]!r} ({_place(side, sentence, position - offsets[sentence])})")
    return " and ".join(shown)
