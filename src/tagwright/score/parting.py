"""Where two sides that ought to have the same words part."""

from __future__ import annotations

from bisect import bisect_right
from operator import ne

from tagwright.data.rows import Rows
from tagwright.errors import InputError

__all__ = ["first_difference", "parting_error", "place_of"]


def _place(rows: Rows, sentence: int, word: int) -> str:
    if sentence == len(rows):
        return f"the end of {rows.source}"
    if not rows.lines:
        return f"{rows.source}, sentence {sentence + 1}, word {word + 1}"
    return rows.place(sentence, word)


def parting_error(gold: Rows, rows: Rows) -> InputError:
    """Say where a system's sentences part from gold's for the first time."""
    ours, theirs = sum(gold.lengths), sum(rows.lengths)
    pairs = enumerate(zip(gold.lengths, rows.lengths, strict=False))
    sentence = next((place for place, (one, other) in pairs if one != other), min(len(gold), len(rows)))
    begin, word = sum(gold.lengths[:sentence]), 0
    if sentence < min(len(gold), len(rows)):
        word = min(gold.lengths[sentence], rows.lengths[sentence])
        same = map(ne, gold.words[begin : begin + word], rows.words[begin : begin + word])
        word = next((place for place, differs in enumerate(same) if differs), word)
    what = f"the sentence borders of {gold.source} and {rows.source} differ"
    if ours != theirs:
        what = f"{ours:,} word{'s' * (ours != 1)} in {gold.source}, {theirs:,} in {rows.source}"
    what += f"; they part at {_place(gold, sentence, word)} and {_place(rows, sentence, word)}"
    if any(map(ne, gold.words[:begin], rows.words[:begin])):  # a whole sentence is missing, perhaps
        what += f", and the words differ sooner: {first_difference(gold, rows)}"
    return InputError(what, mend="compare systems on the same sentences, cut into the same words")


def first_difference(gold: Rows, rows: Rows) -> str:
    """Show the first words that are not the same, with their places."""
    pairs = enumerate(map(ne, gold.words, rows.words))
    position = next(place for place, differs in pairs if differs)
    return " and ".join(f"{side.words[position]!r} ({place_of(side, position)})" for side in (gold, rows))


def place_of(rows: Rows, position: int) -> str:
    """Return the place of a word, counted from 0 over all sentences: `file:line`, or in words."""
    offsets = rows.offsets()
    sentence = bisect_right(offsets, position) - 1
    return _place(rows, sentence, position - offsets[sentence])
