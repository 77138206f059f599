"""Gold and predicted tags laid side by side: read, checked for the same sentences, given one label map."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ne
from pathlib import Path

import numpy as np

from tagwright.data.conll import read_conll
from tagwright.data.rows import Rows
from tagwright.errors import InputError
from tagwright.tags.labels import LabelMap, offsets_of, scheme_of_ids
from tagwright.tags.scheme import Scheme, split_tag
from tagwright.tags.spans import IntArray

__all__ = ["Pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Gold and predicted tags of the same sentences.

    Attributes:
        gold: the gold side; words only when read from a file.
        pred: the predicted side.
        names: the tags of both sides, in the order in which they turn up.
        gold_ids: int64, shape (words,): the index of each gold tag in `names`.
        pred_ids: int64, shape (words,): the same for the predicted tags.
        offsets: int64, shape (sentences + 1,): where each sentence begins.
    """

    gold: Rows
    pred: Rows
    names: Sequence[str]
    gold_ids: IntArray
    pred_ids: IntArray
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
        numbers = _Numbers()
        rows: list[Rows] = []
        ids: list[IntArray] = []
        for side, name in ((gold, "gold"), (pred, "pred")):
            if isinstance(side, str | Path):
                rows.append(read_conll(side, word_column=word_column, tag_column=tag_column))
                tags: Iterable[str] = rows[-1].tags
            else:
                rows.append(_from_lists(side, name))
                tags = chain.from_iterable(side)
            ids.append(np.fromiter(map(numbers.__getitem__, tags), np.int64, count=sum(rows[-1].lengths)))
        if rows[0].lengths != rows[1].lengths:
            raise _parting(*rows)
        return cls(rows[0], rows[1], list(numbers), ids[0], ids[1], offsets_of(rows[0].lengths))

    def labels(self, scheme: Scheme | None) -> LabelMap:
        """Return the label map of `names` under a scheme, or under the one the gold tags follow.

        Raises:
            InputError: a tag is outside the scheme; its first place is named.
        """
        if scheme is None:
            scheme = self._find_scheme()
        try:
            return LabelMap(self.names, scheme)
        except InputError as error:
            raise self._place_misfit(scheme) or error from None

    def _find_scheme(self) -> Scheme:
        """Take the scheme of the gold tags; that of both sides where gold is too scant to show it."""
        used = np.bincount(self.gold_ids, minlength=len(self.names)) > 0
        known = [name for name, occurs in zip(self.names, used, strict=True) if occurs]
        ids = (np.cumsum(used) - 1)[self.gold_ids]
        own = self._detect(known, ids, self.offsets)
        if known not in ([], ["O"]) and _fits(self.names, own):
            return own
        both_ids = np.concatenate((self.gold_ids, self.pred_ids))
        both_offsets = np.concatenate((self.offsets, self.offsets[1:] + self.offsets[-1]))
        both = self._detect(self.names, both_ids, both_offsets)
        if not _fits(known, both):
            return own
        narrow, wide = (LabelMap(known, found).invalid(ids, self.offsets) for found in (own, both))
        return own if len(wide) > len(narrow) else both

    def _detect(self, names: Sequence[str], ids: IntArray, offsets: IntArray) -> Scheme:
        """Find the scheme of the gold tags, or of gold and predicted tags one after the other."""
        try:
            return scheme_of_ids(names, ids, offsets)
        except InputError as error:
            bare = [number for number, name in enumerate(names) if name != "O" and split_tag(name)[1] == name]
            first = int(np.flatnonzero(np.isin(ids, bare))[0])
            side = self.gold if first < len(self.gold_ids) else self.pred
            place = _place(side, *self._locate(first % len(self.gold_ids)))
            raise InputError(error.what, where=place, mend=error.mend) from None

    def _place_misfit(self, scheme: Scheme) -> InputError | None:
        for number, name in enumerate(self.names):
            if _fits([name], scheme):
                continue
            in_gold = np.flatnonzero(self.gold_ids == number)
            side = self.gold if len(in_gold) else self.pred
            first = in_gold if len(in_gold) else np.flatnonzero(self.pred_ids == number)
            return InputError(
                f"the tag {name!r} does not belong to the scheme {scheme}",
                where=_place(side, *self._locate(int(first[0]))),
                mend="write both sides in one scheme, and name it with --scheme where gold does not show it",
            )
        return None

    def _locate(self, position: int) -> tuple[int, int]:
        sentence = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return sentence, position - int(self.offsets[sentence])

    def differing_words(self) -> tuple[int, list[str]]:
        """Count the words that are not the same at the same position; and say in words what was noticed."""
        notices = [*self.gold.notices, *self.pred.notices]
        count = sum(map(ne, self.gold.words, self.pred.words))
        if count:
            words = "1 word differs" if count == 1 else f"{count:,} words differ"
            notices.append(f"{words} at the same position, first {_first_different(self.gold, self.pred)}")
        return count, notices

    def show_invalid(self, gold: IntArray, pred: IntArray, scheme: Scheme) -> list[str]:
        """Say in words how many tags of a side stand where the scheme does not allow them; given where."""
        shown = []
        for side, ids, places in ((self.gold, self.gold_ids, gold), (self.pred, self.pred_ids, pred)):
            if len(places):
                first = int(places[0])
                count = "1 tag stands" if len(places) == 1 else f"{len(places):,} tags stand"
                shown.append(
                    f"{side.source}: {count} where {scheme} does not allow it, first"
                    f" {self.names[ids[first]]!r} ({_place(side, *self._locate(first))})"
                )
        return shown


class _Numbers(dict[str, int]):
    """Tags to numbers, counted as they turn up."""

    def __missing__(self, tag: str) -> int:
        self[tag] = number = len(self)
        return number


def _from_lists(sequences: Sequence[Sequence[str]], name: str) -> Rows:
    if len(sequences) and isinstance(sequences[0], str):
        raise InputError(f"{name} is a list of strings", mend="give one list of tags a sentence")
    return Rows(name, lengths=list(map(len, sequences)))


def _fits(names: Sequence[str], scheme: Scheme) -> bool:
    try:
        LabelMap(names, scheme)
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
    what = f"{sum(gold.lengths):,} words in {gold.source}, {sum(pred.lengths):,} in {pred.source}"
    if sum(gold.lengths) == sum(pred.lengths):
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
