"""Label maps: tag names, their ids, and what each says of a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.tags.scheme import B, E, I, O, S, Scheme, join_tag, rules_of, split_tag
from tagwright.tags.spans import Spans, decode, encode, invalid

__all__ = ["LabelMap", "convert_tags", "detect_scheme", "offsets_of", "repair_tags", "spans_of"]


def offsets_of(lengths: Iterable[int]) -> NDArray[np.int64]:
    """Return where each of several sentences begins in their concatenation, and, last, its length."""
    return np.concatenate(([0], np.cumsum(np.fromiter(lengths, dtype=np.int64)))).astype(np.int64)


class LabelMap:
    """The tags of a tagger, in the order of their ids.

    Attributes:
        names: the tags; `names[i]` has id i.
        scheme: the scheme they follow.
        types: the distinct types, in the order in which the names bring them up.
        roles: int64, shape (labels,): the role of each tag.
        type_ids: int64, shape (labels,): index into `types`; -1 for O.
    """

    def __init__(self, names: Sequence[str], scheme: Scheme) -> None:
        self.names = tuple(names)
        self.scheme = scheme
        if len(set(self.names)) < len(self.names):
            double = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"the tag {double!r} stands twice in the label list")
        parsed = [self._parse(name) for name in self.names]
        self.types = tuple(dict.fromkeys(label for role, label in parsed if role != O))
        index = {label: position for position, label in enumerate(self.types)}
        self.roles = np.array([role for role, _ in parsed], dtype=np.int64)
        self.type_ids = np.array([index[label] if role != O else -1 for role, label in parsed], dtype=np.int64)

    def _parse(self, name: str) -> tuple[int, str]:
        if self.scheme is Scheme.WORD:
            return (O, "") if name == "O" else (S, name)
        role, label = split_tag(name)
        if role == S and label == name:  # a bare type beside an O is an IO tag without its prefix
            role = I if self.scheme is Scheme.IO else S
        if role != O and (self.scheme.letters[role] == " " or (label == name and self.scheme is not Scheme.IO)):
            raise InputError(
                f"the tag {name!r} does not belong to the scheme {self.scheme.value}",
                mend="name the scheme the data follows, or mend the tag",
            )
        return role, label

    @classmethod
    def from_types(cls, types: Iterable[str], scheme: Scheme) -> LabelMap:
        """Build the full set of tags: O, then, for each type in order, B, I, E, S as far as the scheme has them.

        >>> LabelMap.from_types(["person"], Scheme.IOB2).names
        ('O', 'B-person', 'I-person')
        """
        names = [] if scheme is Scheme.WORD else ["O"]
        for label in types:
            names += [
                join_tag(role, label, scheme)
                for role in (B, I, E, S)
                if scheme.letters[role] != " "
            ]
        return cls(names, scheme)

    @classmethod
    def from_tags(cls, sequences: Iterable[Sequence[str]], scheme: Scheme | None = None) -> LabelMap:
        """Build the label map of a data set: types sorted, every tag the scheme can write of them.

        Raises:
            InputError: a tag is outside the scheme.
        """
        sequences = list(sequences)
        seen = sorted(set(chain.from_iterable(sequences)))
        scheme = scheme or detect_scheme(sequences)
        probe = cls(seen, scheme)
        if scheme is Scheme.WORD or any(name in probe.types for name in seen):  # bare tags stay as they are
            return cls(sorted(seen, key=lambda name: (name != "O", name)), scheme)
        return cls.from_types(sorted(probe.types), scheme)

    @cached_property
    def label2id(self) -> dict[str, int]:
        """The id of each tag."""
        return {name: position for position, name in enumerate(self.names)}

    @property
    def id2label(self) -> dict[int, str]:
        """The tag of each id."""
        return dict(enumerate(self.names))

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, LabelMap) and (self.names, self.scheme) == (other.names, other.scheme)

    def __hash__(self) -> int:
        return hash((self.names, self.scheme))

    def __repr__(self) -> str:
        return f"LabelMap({list(self.names)!r}, {self.scheme!r})"

    def ids(self, tags: Iterable[str]) -> NDArray[np.int64]:
        """Return the ids of tags.

        Raises:
            InputError: a tag is not in the map.
        """
        table = self.label2id
        try:
            return np.fromiter((table[tag] for tag in tags), dtype=np.int64)
        except KeyError as error:
            raise InputError(
                f"the tag {error.args[0]!r} is not one of the tagger's {len(self)}", mend="see its label list"
            ) from None

    def spans(
        self, ids: NDArray[np.integer], offsets: NDArray[np.integer], *, reading: str = "lenient"
    ) -> Spans:
        """Decode tag ids, flat over sentences, into spans; see `tagwright.tags.spans.decode`."""
        return decode(self.roles[ids], self.type_ids[ids], offsets, self.scheme, reading=reading)

    def invalid(self, ids: NDArray[np.integer], offsets: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the positions of tags that the scheme does not allow where they stand."""
        return invalid(self.roles[ids], self.type_ids[ids], offsets, self.scheme)

    @cached_property
    def transitions(self) -> NDArray[np.bool_]:
        """Which tag may follow which: bool, shape (labels + 1, labels + 1); the last index is a sentence's border."""
        roles = np.append(self.roles, O)
        types = np.append(self.type_ids, -2)
        same = (types[:, None] == types[None, :]).astype(np.int64)
        return rules_of(self.scheme).valid[roles[:, None], roles[None, :], same]


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Find the scheme that tag sequences follow.

    Letters decide where they can. B and I alone are read as IOB1 when that leaves fewer invalid tags than IOB2.
    Tags without any prefix are IO when an O is among them and one label a word otherwise.

    Raises:
        InputError: prefixed and bare tags are mixed.
    """
    sequences = [sequence for sequence in sequences if len(sequence)]
    names = sorted(set(chain.from_iterable(sequences)))
    labelled = [name for name in names if name != "O"]
    prefixed = [name for name in labelled if split_tag(name)[1] != name]
    if labelled and not prefixed:
        return Scheme.IO if "O" in names else Scheme.WORD
    if len(prefixed) < len(labelled):
        bare = next(name for name in labelled if name not in prefixed)
        raise InputError(
            f"the tag {bare!r} has no prefix, while others such as {prefixed[0]!r} have one",
            mend="give every tag but O a prefix, or none",
        )
    letters = {name[0] for name in prefixed}
    if letters & set("LU"):
        return Scheme.BILOU
    if letters & set("ES"):
        return Scheme.BIOES
    if letters == {"I"}:
        return Scheme.IO
    if letters != {"B", "I"}:
        return Scheme.IOB2
    labels = LabelMap(names, Scheme.IOB2)
    ids, offsets = labels.ids(chain.from_iterable(sequences)), offsets_of(map(len, sequences))
    roles, types = labels.roles[ids], labels.type_ids[ids]
    as_iob1 = len(invalid(roles, types, offsets, Scheme.IOB1))
    as_iob2 = len(invalid(roles, types, offsets, Scheme.IOB2))
    return Scheme.IOB1 if as_iob1 < as_iob2 else Scheme.IOB2


def spans_of(
    tags: Sequence[str], scheme: Scheme = Scheme.IOB2, *, reading: str = "lenient"
) -> list[tuple[str, int, int]]:
    """Decode one sentence into (type, first word, one past the last word).

    >>> spans_of(["B-person", "I-person", "O", "B-location"])
    [('person', 0, 2), ('location', 3, 4)]
    """
    labels = LabelMap(sorted(set(tags)), scheme)
    found = labels.spans(labels.ids(tags), offsets_of([len(tags)]), reading=reading)
    return [
        (labels.types[label], int(start), int(end))
        for label, start, end in zip(found.types, found.starts, found.ends, strict=True)
    ]


def convert_tags(
    sequences: Sequence[Sequence[str]], source: Scheme, target: Scheme, *, reading: str = "lenient"
) -> list[list[str]]:
    """Rewrite tag sequences from one scheme in another."""
    labels = LabelMap(sorted(set(chain.from_iterable(sequences))), source)
    offsets = offsets_of(map(len, sequences))
    spans = labels.spans(labels.ids(chain.from_iterable(sequences)), offsets, reading=reading)
    roles, types = encode(spans, offsets, target)
    tags = [
        join_tag(role, labels.types[label] if role != O else "", target)
        for role, label in zip(roles.tolist(), types.tolist(), strict=True)
    ]
    return [tags[start:end] for start, end in zip(offsets[:-1], offsets[1:], strict=True)]


def repair_tags(sequences: Sequence[Sequence[str]], scheme: Scheme) -> list[list[str]]:
    """Rewrite invalid sequences as the scheme's own, by their lenient reading; valid ones stay as they are."""
    return convert_tags(sequences, scheme, scheme, reading="lenient")
