"""What is drawn when data is divided: documents or sentences, in an order that a seed decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tagwright.errors import InputError

__all__ = ["Units", "draw_order", "draw_units", "group_units"]


@dataclass(frozen=True, slots=True)
class Units:
    """Sentences that stay together.

    Attributes:
        rows: for each unit, the rows of its sentences, ascending.
        sizes: for each unit, how many documents (where none are marked: distinct sentences) it is made of.
        prints: for each unit, a name that depends on its words alone.
    """

    rows: list[list[int]]
    sizes: list[int]
    prints: list[str]

    def __len__(self) -> int:
        return len(self.rows)


def group_units(
    sentences: Sequence[Sequence[str]],
    documents: Sequence[str] | None = None,
    *,
    join_copies: bool | None = None,
) -> Units:
    """Group sentences into the units of a draw.

    Args:
        sentences: the words of each sentence.
        documents: the document of each sentence; a sentence whose document is "" stands alone. None: all do.
        join_copies: True: sentences with the same words, and the documents they stand in, are one unit; False:
            every document, or every sentence that stands alone, is one; None: only sentences are joined.
    """
    prints = [_print(words) for words in sentences]
    members: dict[str, list[int]] = {}
    seen: dict[str, int] = {}
    for row, own in enumerate(prints):
        document = documents[row] if documents else ""
        if document:
            key = f"document {document}"
        else:
            copy = seen[own] = seen.get(own, -1) + 1
            key = f"{own} {copy}" if copy and join_copies is False else own
        members.setdefault(key, []).append(row)
    names = {key: _name(key, [prints[row] for row in rows]) for key, rows in members.items()}
    groups = _join(members, prints) if join_copies else [[key] for key in members]
    return Units(
        rows=[sorted(row for key in group for row in members[key]) for group in groups],
        sizes=[len(group) for group in groups],
        prints=[
            names[group[0]] if len(group) == 1 else str(sum(int(names[key]) for key in group))
            for group in groups
        ],
    )


def draw_order(units: Units, seed: int) -> list[int]:
    """Return the numbers of the units in the order of a seed, which does not depend on the order of the rows."""
    return sorted(
        range(len(units)), key=lambda unit: hashlib.sha256(f"{seed} {units.prints[unit]}".encode()).digest()
    )


def draw_units(units: Units, share: float, seed: int) -> list[int]:
    """Draw a share of the documents and return the rows of their sentences, ascending.

    Units are taken in the order of the seed; one that would overshoot the share by more than it lacks without
    it is passed over.

    Args:
        units: what is drawn from.
        share: the share of the documents, above 0 and below 1.
        seed: another seed draws others.

    Returns:
        The rows; none where there is only one unit, or where each is too large.

    Raises:
        InputError: the share is out of range.
    """
    if not 0 < share < 1:
        raise InputError(f"a share of {share:g} cannot be held out", mend="give one above 0 and below 1")
    whole = sum(units.sizes)
    lacking = min(max(1, round(share * whole)), whole - 1)
    drawn: list[int] = []
    for unit in draw_order(units, seed):
        if lacking <= 0 or len(drawn) == len(units) - 1:
            break
        if abs(lacking - units.sizes[unit]) < lacking:
            drawn.append(unit)
            lacking -= units.sizes[unit]
    return sorted(row for unit in drawn for row in units.rows[unit])


def _print(words: Sequence[str]) -> str:
    return hashlib.sha256("\x00".join(words).encode()).hexdigest()


def _name(key: str, prints: Sequence[str]) -> str:
    """Name a unit by its words: a sum does not depend on the order of a document's sentences."""
    if key.startswith("document "):
        return str(sum(int(own, 16) for own in prints))
    own, _, copy = key.partition(" ")
    return f"{int(own, 16)} {copy}".rstrip()


def _join(members: dict[str, list[int]], prints: Sequence[str]) -> list[list[str]]:
    """Join the units that share a sentence: the connected parts, in the order of their first member."""
    root = {key: key for key in members}

    def find(key: str) -> str:
        while root[key] != key:
            root[key] = key = root[root[key]]
        return key

    holder: dict[str, str] = {}
    for key, rows in members.items():
        for row in rows:
            one, other = find(holder.setdefault(prints[row], key)), find(key)
            if one != other:
                root[other] = one
    groups: dict[str, list[str]] = {}
    for key in members:
        groups.setdefault(find(key), []).append(key)
    return list(groups.values())
