"""Labelled spans whose borders look wrong: they hold one half of a pair of quotes or brackets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagwright.inspect.part import Part
from tagwright.tags.scheme import Scheme

__all__ = ["UnbalancedSpan", "find_unbalanced", "unbalanced"]

_CLOSED_BY: dict[str, Sequence[str]] = {
    **dict(zip("([{「『【《〈（［｛", ")]}」』】》〉）］｝", strict=True)),
    "“": "”", "„": "“”", "”": "”", "«": "»", "»": "«»", "‹": "›", "›": "‹›", "‘": "’", "‚": "‘’",
    '"': '"', "``": ("''", '"'),
}  # fmt: skip
_SIGNS = frozenset(_CLOSED_BY) | {sign for signs in _CLOSED_BY.values() for sign in signs}
_APOSTROPHE = "’"


@dataclass(frozen=True, slots=True)
class UnbalancedSpan:
    """A labelled span that holds a quote or a bracket without its other half.

    Attributes:
        form: its words, joined by blanks.
        type: its type.
        signs: the quotes and brackets that stand alone, joined by blanks.
        context: the span in ⟨⟩, with up to three words before and after it.
        split: the split it is in.
        where: the place of its first word.
    """

    form: str
    type: str
    signs: str
    context: str
    split: str
    where: str


def find_unbalanced(parts: Sequence[Part]) -> tuple[UnbalancedSpan, ...]:
    """Find spans that hold one half of a pair of quotes or brackets; in the order of the data.

    Where every word has a label of its own (parts of speech) there is nothing to find.
    """
    found = []
    for part in parts:
        if part.labels.scheme is Scheme.WORD:
            continue
        starts, ends = part.spans.starts.tolist(), part.spans.ends.tolist()
        for start, end, form, kind in zip(starts, ends, part.forms, part.types, strict=True):
            if not form.isalnum() and (signs := unbalanced(part.words[start:end])):
                found.append(
                    UnbalancedSpan(
                        form=form,
                        type=kind,
                        signs=" ".join(signs),
                        context=part.context(start, end),
                        split=part.name,
                        where=part.place_of_word(start),
                    )
                )
    return tuple(found)


def unbalanced(words: Sequence[str]) -> list[str]:
    r"""Return the quotes and brackets whose other half is missing.

    Quotes close in every usual way: “…”, „…“, „…”, ”…”, «…», »…«, ‘…’, "…" and ``…''. A straight single quote, and
    a ’ that closes nothing, is an apostrophe; a straight double quote after a digit that closes nothing is inches.

    >>> unbalanced(["Wallace", "(", "and", "Gromit"]), unbalanced(['"', "Up", '"']), unbalanced(["rock", "’n’", "roll"])
    (['('], [], [])
    """
    waiting: list[str] = []
    lonely: list[str] = []
    for sign, after_digit in _signs(words):
        if waiting and sign in _CLOSED_BY[waiting[-1]]:
            waiting.pop()
        elif sign == _APOSTROPHE or (sign == '"' and after_digit):
            continue
        elif sign in _CLOSED_BY:
            waiting.append(sign)
        else:
            lonely.append(sign)
    return lonely + waiting


def _signs(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield quotes and brackets, each with whether a digit stands before it."""
    before = ""
    for word in words:
        if word in ("``", "''"):
            yield word, False
        else:
            for character in word:
                if character in _SIGNS:
                    yield character, before.isdigit()
                before = character
