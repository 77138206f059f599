"""Tag schemes as data: which prefix may follow which, and which pairs begin, continue and end a span.

The tables of the strict reading are those of seqeval 1.2.2 (`seqeval/scheme.py`: IOB1, IOB2, IOBES, BILOU);
the lenient reading is conlleval's (Tjong Kim Sang and Buchholz, CoNLL-2000), seqeval's default.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError

__all__ = [
    "PREFIX_LETTERS",
    "UNTYPED",
    "B",
    "E",
    "I",
    "O",
    "Rules",
    "S",
    "Scheme",
    "join_tag",
    "rules_of",
    "split_tag",
]

# The five roles a word can play; BILOU's L and U are E and S.
O, B, I, E, S = range(5)  # noqa: E741 - the field's own letters

PREFIX_LETTERS = {"B": B, "I": I, "E": E, "L": E, "S": S, "U": S}
"""Every letter that can stand before the hyphen, and its role."""

UNTYPED = "_"
"""The type of tags that are a letter alone (B, I, O), as in data with a single kind of span."""


class Scheme(StrEnum):
    """How spans are written as one tag a word.

    `IOB1`: I inside, B only where two spans of one type touch. `IOB2`: B begins every span. `BIOES` (also
    called IOBES; BILOU with other letters): last word E (L), span of one word S (U). `IO`: no borders between
    touching spans of one type. `WORD`: every word carries a label of its own and there are no spans (parts of
    speech).
    """

    IOB1 = "iob1"
    IOB2 = "iob2"
    BIOES = "bioes"
    BILOU = "bilou"
    IO = "io"
    WORD = "word"

    @property
    def letters(self) -> str:
        """The letters of the roles O, B, I, E, S in this scheme; a blank where the scheme has none."""
        return {
            Scheme.IOB1: "OBI  ",
            Scheme.IOB2: "OBI  ",
            Scheme.BIOES: "OBIES",
            Scheme.BILOU: "OBILU",
            Scheme.IO: "O I  ",
            Scheme.WORD: "O   S",
        }[self]

    @classmethod
    def _missing_(cls, value: object) -> Scheme | None:
        spelled = str(value).lower().replace("-", "")
        return _OTHER_NAMES.get(spelled) or cls.__members__.get(spelled.upper())

    @classmethod
    def named(cls, name: str) -> Scheme:
        """Return the scheme of that name; letters of either case, and common other names such as IOBES.

        Raises:
            InputError: there is no such scheme; the message lists them.
        """
        try:
            return cls(name)
        except ValueError:
            raise InputError(f"there is no scheme {name!r}", mend=f"name one of {', '.join(cls)}") from None


_OTHER_NAMES = {
    "iobes": Scheme.BIOES,
    "bio": Scheme.IOB2,
    "bio1": Scheme.IOB1,
    "bio2": Scheme.IOB2,
    "biluo": Scheme.BILOU,
}


class Rules:
    """What a pair of neighbouring words means, as boolean tables of shape (5, 5, 2).

    The indices are the previous word's role, this word's role, and whether both have the same type. A
    sentence is bordered by O on both sides.

    Attributes:
        valid: the pair may stand in a well-formed sequence.
        start: this word can begin a span.
        inside: this word continues the span of the previous one.
        end: a span that ran up to the previous word is closed by this one (otherwise it is discarded).
    """

    def __init__(self, valid: str, start: str, inside: str, end: str) -> None:
        self.valid = _table(valid)
        self.start = _table(start)
        self.inside = _table(inside)
        self.end = _table(end)


def _table(patterns: str) -> NDArray[np.bool_]:
    """Read patterns like `BI= *B`: previous role, role, `=` same type, `!` other type, nothing for either."""
    table = np.zeros((5, 5, 2), dtype=bool)
    roles = {"O": [O], "B": [B], "I": [I], "E": [E], "S": [S], "*": [O, B, I, E, S]}
    for pattern in patterns.split():
        kinds = {"=": [1], "!": [0]}.get(pattern[2:], [0, 1])
        table[np.ix_(roles[pattern[0]], roles[pattern[1]], kinds)] = True
    return table


_BIOES = Rules(
    valid="OO OB OS EO EB ES SO SB SS BI= BE= II= IE=",
    start="*B *S",
    inside="BI= BE= II= IE=",
    end="S* E*",
)
_STRICT = {
    Scheme.IOB1: Rules(
        valid="*O *I IB= BB=",
        start="OI II! BI IB= BB=",
        inside="BI= II=",
        end="II! IO IB BO BI! BB=",
    ),
    Scheme.IOB2: Rules(
        valid="*O *B BI= II=",
        start="*B",
        inside="BI= II=",
        end="IO II! IB BO BI! BB",
    ),
    Scheme.BIOES: _BIOES,
    Scheme.BILOU: _BIOES,
    Scheme.IO: Rules(valid="*O *I", start="OI II!", inside="II=", end="**"),
    Scheme.WORD: Rules(valid="*O *S", start="*S", inside="", end="**"),
}
_LENIENT = Rules(
    valid="**",
    start="*B *S OI OE EI EE SI SE BI! BE! II! IE!",
    inside="BI= BE= II= IE=",
    end="**",
)


def rules_of(scheme: Scheme, reading: str = "strict") -> Rules:
    """Return the tables of a scheme.

    Args:
        scheme: the scheme the tags are declared to follow.
        reading: `"strict"`: only well-formed spans count; `"lenient"`: conlleval's reading, in which an I
            without a B begins a span.
    """
    if reading == "strict":
        return _STRICT[scheme]
    if reading == "lenient":
        return _LENIENT
    raise ValueError(f"reading is {reading!r}; it is 'strict' or 'lenient'")


def split_tag(tag: str) -> tuple[int, str]:
    """Split a tag into its role and its type; the type may itself hold hyphens.

    A tag without a prefix is a type alone and plays the role S (see `Scheme.WORD`).

    >>> split_tag("B-SUB-ORG")
    (1, 'SUB-ORG')
    >>> split_tag("NOUN")
    (4, 'NOUN')
    """
    if tag == "O":
        return O, ""
    if len(tag) > 2 and tag[1] == "-" and tag[0] in PREFIX_LETTERS:
        return PREFIX_LETTERS[tag[0]], tag[2:]
    return S, tag


def join_tag(role: int, label: str, scheme: Scheme) -> str:
    """Write a role and a type as a tag of the scheme.

    >>> join_tag(E, "PER", Scheme.BILOU)
    'L-PER'

    Raises:
        ValueError: the scheme has no such role.
    """
    if role == O:
        return "O"
    letter = scheme.letters[role]
    if letter == " ":
        raise ValueError(f"the scheme {scheme} has no role {'OBIES'[role]}")
    if scheme is Scheme.WORD:
        return label
    return letter if label == UNTYPED else f"{letter}-{label}"
