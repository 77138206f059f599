"""Sentences that occur more than once, within a split and across splits, and whether their tags agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tagwright.inspect.part import KEPT_PLACES, Part, joined

__all__ = ["DuplicateCounts", "DuplicateGroup", "Duplicates", "SharedSentences", "find_duplicates"]


@dataclass(frozen=True, slots=True)
class DuplicateCounts:
    """The duplicates within one split.

    Attributes:
        copies: surplus sentences: those that could go without a sentence being lost.
        groups: different sentences that occur more than once.
        conflicting: groups whose sentences are not all tagged alike.
    """

    copies: int
    groups: int
    conflicting: int


@dataclass(frozen=True, slots=True)
class SharedSentences:
    """Sentences that two splits have in common.

    Attributes:
        split: the later split.
        of: the earlier one.
        sentences: sentences of `split` whose words are those of a sentence of `of`.
        conflicting: those of them that are never tagged that way in `of`.
    """

    split: str
    of: str
    sentences: int
    conflicting: int


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Sentences with the same words.

    Attributes:
        text: the words, joined by blanks.
        count: how many there are, over all splits.
        splits: how many in each split that has one.
        conflicting: whether they are tagged in more than one way.
        differences: for each word that is, the word and its tags, the most frequent first.
        places: `split` and `where` of the first of them in each split.
    """

    text: str
    count: int
    splits: Mapping[str, int]
    conflicting: bool
    differences: tuple[Mapping[str, object], ...]
    places: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What `find_duplicates` found.

    Attributes:
        within: for each split.
        across: for every two splits that share a sentence.
        groups: those that are tagged in several ways first, then those that stand in several splits, then the
            largest.
    """

    within: Mapping[str, DuplicateCounts]
    across: tuple[SharedSentences, ...]
    groups: tuple[DuplicateGroup, ...]


def find_duplicates(parts: Sequence[Part]) -> Duplicates:
    """Find sentences with the same words: the very same, case and all.

    Two copies are in conflict when any of their tags differ, even where the same spans come out.
    """
    # {words: {number of the part: [sentences]}}, the words as the bytes of their ids
    found: dict[bytes, dict[int, list[int]]] = {}
    for number, part in enumerate(parts):
        for sentence, (start, end) in enumerate(part.sentences()):
            key = part.word_ids[start:end].tobytes()
            found.setdefault(key, {}).setdefault(number, []).append(sentence)
    repeated = [
        where for where in found.values() if len(where) > 1 or any(len(rows) > 1 for rows in where.values())
    ]
    taggings = [
        {number: [_tags(parts[number], row) for row in rows] for number, rows in where.items()}
        for where in repeated
    ]
    within = {}
    for number, part in enumerate(parts):
        own = [tagged[number] for tagged in taggings if len(tagged.get(number, ())) > 1]
        within[part.name] = DuplicateCounts(
            copies=sum(len(tags) - 1 for tags in own),
            groups=len(own),
            conflicting=sum(len(set(tags)) > 1 for tags in own),
        )
    across = []
    for first, second in combinations(range(len(parts)), 2):
        both = [
            (tagged[first], tagged[second]) for tagged in taggings if first in tagged and second in tagged
        ]
        if both:
            across.append(
                SharedSentences(
                    split=parts[second].name,
                    of=parts[first].name,
                    sentences=sum(len(later) for _, later in both),
                    conflicting=sum(tags not in earlier for earlier, later in both for tags in later),
                )
            )
    groups = [_group(parts, where, tagged) for where, tagged in zip(repeated, taggings, strict=True)]
    groups.sort(key=lambda group: (not group.conflicting, -len(group.splits), -group.count, group.text))
    return Duplicates(within, tuple(across), tuple(groups))


def _tags(part: Part, sentence: int) -> bytes:
    return part.tags[part.offsets[sentence] : part.offsets[sentence + 1]].tobytes()


def _group(
    parts: Sequence[Part], where: Mapping[int, list[int]], tagged: Mapping[int, list[bytes]]
) -> DuplicateGroup:
    rows = [(parts[number], row) for number, sentences in where.items() for row in sentences]
    conflicting = len({tags for group in tagged.values() for tags in group}) > 1
    part, row = rows[0]
    start, end = part.offsets[row : row + 2].tolist()
    return DuplicateGroup(
        text=joined(part.words[start:end]),
        count=len(rows),
        splits={parts[number].name: len(sentences) for number, sentences in where.items()},
        conflicting=conflicting,
        differences=_differences(rows) if conflicting else (),
        places=tuple(
            {"split": parts[number].name, "where": parts[number].place(sentence)}
            for number, sentences in where.items()
            for sentence in sentences[:KEPT_PLACES]
        ),
    )


def _differences(rows: Sequence[tuple[Part, int]]) -> tuple[Mapping[str, object], ...]:
    """Return the words that are tagged in several ways, each with its tags."""
    part, row = rows[0]
    start, end = part.offsets[row : row + 2].tolist()
    columns: list[dict[int, int]] = [{} for _ in range(start, end)]
    for other, sentence in rows:
        tags = other.tags[other.offsets[sentence] : other.offsets[sentence + 1]].tolist()
        for column, tag in zip(columns, tags, strict=True):
            column[tag] = column.get(tag, 0) + 1
    names = part.labels.names
    return tuple(
        {
            "word": part.words[start + place],
            "tags": {names[tag]: count for tag, count in sorted(column.items(), key=lambda item: -item[1])},
        }
        for place, column in enumerate(columns)
        if len(column) > 1
    )
