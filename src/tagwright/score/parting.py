"""Where two sides that ought to have the same words part."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import ne

from tagwright.data.rows import Rows
from tagwright.errors import InputError

__all__ = ["first_difference", "parting_error", "place_of", "place_of_word"]


def parting_error(
    gold: Rows,
    pred: Rows,
    *,
    totals: Sequence[int] | None = None,
    before: int = 0,
    sooner: str = "",
    compare: bool = True,
) -> InputError:
    """Say where two sides with different sentences part for the first time.

    Args:
        gold: the gold sentences, or a part of them in which the two sides part.
        pred: the predicted ones.
        totals: the words of both sides as a whole; None where these are not parts.
        before: sentences in earlier parts.
        sooner: words that differed in earlier parts, and their places.
        compare: whether the words are to be the same.
    """
    pairs = enumerate(zip(gold.lengths, pred.lengths, strict=False))
    shared = min(len(gold), len(pred))
    sentence = next((place for place, (one, other) in pairs if one != other), shared)
    begin, word = sum(gold.lengths[:sentence]), 0
    if sentence < shared:
        word = min(gold.lengths[sentence], pred.lengths[sentence])
    if compare:
        differ = map(ne, gold.words[begin : begin + word], pred.words[begin : begin + word])
        word = next((place for place, different in enumerate(differ) if different), word)
        if not sooner and any(
            map(ne, gold.words[:begin], pred.words[:begin])
        ):  # a whole sentence is missing, perhaps
            sooner = first_difference(gold, pred, before)
    ours, theirs = totals or (sum(gold.lengths), sum(pred.lengths))
    what = f"{ours:,} word{'s' * (ours != 1)} in {gold.source}, {theirs:,} in {pred.source}"
    if ours == theirs:
        what = f"the sentence borders of {gold.source} and {pred.source} differ"
    places = " and ".join(place_of_word(rows, sentence, word, before) for rows in (gold, pred))
    what += f"; they part at {places}" + (f", and the words differ sooner: {sooner}" if sooner else "")
    return InputError(what, mend="give the same sentences, cut into the same words")


def first_difference(gold: Rows, pred: Rows, before: int = 0) -> str:
    """Show the first words that are not the same, with their places; `before` counts sentences in earlier parts."""
    position = next(place for place, differs in enumerate(map(ne, gold.words, pred.words)) if differs)
    sides = (gold, pred)
    return " and ".join(f"{side.words[position]!r} ({place_of(side, position, before)})" for side in sides)


def place_of(rows: Rows, position: int, before: int = 0) -> str:
    """Return the place of a word, counted from 0 over all sentences: `file:line`, or in words."""
    offsets = rows.offsets()
    sentence = bisect_right(offsets, position) - 1
    return place_of_word(rows, sentence, position - offsets[sentence], before)


def place_of_word(rows: Rows, sentence: int, word: int, before: int = 0) -> str:
    """Return the place of a word of a sentence, both counted from 0: `file:line`, or in words."""
    if sentence == len(rows) and (rows.lines or rows.word_lines):
        return f"the end of {rows.source}"
    if not rows.lines:
        return f"{rows.source}, sentence {before + sentence + 1}, word {word + 1}"
    return rows.place(sentence, word)
