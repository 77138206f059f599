"""Label maps: tag names, their ids, and what each says of a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagwright.errors import InputError
from tagwright.tags.scheme import (
    PREFIX_LETTERS,
    UNTYPED,
    B,
    E,
    I,
    O,
    S,
    Scheme,
    join_tag,
    rules_of,
    split_tag,
)
from tagwright.tags.spans import Labelled, Spans, encode

__all__ = [
    "LabelMap",
    "convert_tags",
    "detect_scheme",
    "offsets_of",
    "repair_tags",
    "scheme_of_ids",
    "spans_of",
]


def offsets_of(lengths: Iterable[int]) -> NDArray[np.int64]:
    """Return where each of several sentences begins in their concatenation, and, last, its length."""
    return np.concatenate(([0], np.cumsum(np.fromiter(lengths, dtype=np.int64)))).astype(np.int64)


class LabelMap:
    """The tags of a tagger, in the order of their ids.

    Under `Scheme.IO` a tag may be a type alone (`person` for `I-person`). Tags that are all a letter alone
    (B, I, O) have one type, `_`.

    Raises:
        InputError: a tag stands twice, is empty, has no type or does not belong to the scheme.

    Attributes:
        names: the tags; `names[i]` has id i.
        scheme: the scheme they follow.
        types: the distinct types, in the order in which the names bring them up.
        roles: int64, shape (labels,): the role of each tag.
        type_ids: int64, shape (labels,): index into `types`; -1 for O.
    """

    def __init__(self, names: Sequence[str], scheme: Scheme) -> None:
        self.names = tuple(names)
        self.scheme = Scheme(scheme)
        if len(set(self.names)) < len(self.names):
            double = next(name for name in self.names if self.names.count(name) > 1)
            raise InputError(f"the tag {double!r} stands twice in the label list")
        untyped = _is_untyped(self.names, io=self.scheme is Scheme.IO)
        parsed = [_read_tag(name, self.scheme, untyped=untyped) for name in self.names]
        self.types = tuple(dict.fromkeys(label for role, label in parsed if role != O))
        index = {label: position for position, label in enumerate(self.types)}
        self.roles = np.array([role for role, _ in parsed], dtype=np.int64)
        self.type_ids = np.array(
            [-1 if role == O else index[label] for role, label in parsed], dtype=np.int64
        )

    @classmethod
    def from_types(cls, types: Iterable[str], scheme: Scheme) -> LabelMap:
        """Build the full set of tags: O, then, for each type in order, B, I, E, S, if the scheme has them.

        >>> LabelMap.from_types(["person"], Scheme.IOB2).names
        ('O', 'B-person', 'I-person')
        """
        names = [] if scheme is Scheme.WORD else ["O"]
        for label in types:
            names += [join_tag(role, label, scheme) for role in (B, I, E, S) if scheme.letters[role] != " "]
        return cls(names, scheme)

    @classmethod
    def from_tags(cls, sequences: Iterable[Sequence[str]], scheme: Scheme | None = None) -> LabelMap:
        """Build the label map of a data set: types sorted, every tag the scheme can write of them.

        Tags that are a type alone (`Scheme.IO`, `Scheme.WORD`) stay as they are.

        Raises:
            InputError: a tag is outside the scheme.
        """
        sequences = list(sequences)
        seen = sorted(set(chain.from_iterable(sequences)))
        scheme = scheme or detect_scheme(sequences)
        probe = cls(seen, scheme)
        written = cls.from_types(sorted(probe.types), scheme)
        if scheme is Scheme.WORD or not set(seen) <= set(written.names):
            return cls(sorted(seen, key=lambda name: (name != "O", name)), scheme)
        return written

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
            return np.fromiter(map(table.__getitem__, tags), dtype=np.int64)
        except KeyError as error:
            raise InputError(
                f"the tag {error.args[0]!r} is not one of the tagger's {len(self)}", mend="see its label list"
            ) from None

    def spans(
        self, ids: NDArray[np.integer], offsets: NDArray[np.integer], *, reading: str = "lenient"
    ) -> Spans:
        """Turn tag ids, flat over sentences, into spans; see `tagwright.tags.spans.decode`."""
        return self.labelled(ids, offsets).spans(rules_of(self.scheme, reading))

    def invalid(self, ids: NDArray[np.integer], offsets: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the positions of tags that the scheme does not allow where they stand."""
        return self.labelled(ids, offsets).invalid(rules_of(self.scheme))

    def labelled(self, ids: NDArray[np.integer], offsets: NDArray[np.integer]) -> Labelled:
        """Look at tag ids once, for several readings."""
        roles, types = (
            self.roles.astype(np.uint8),
            self.type_ids.astype(np.int32),
        )  # small tables, small arrays
        return Labelled(roles[ids], types[ids], offsets)

    @cached_property
    def transitions(self) -> NDArray[np.bool_]:
        """Which tag may follow which: bool, shape (labels + 1, labels + 1); the last is a border."""
        roles = np.append(self.roles, O)
        types = np.append(self.type_ids, -2)
        same = (types[:, None] == types[None, :]).astype(np.int64)
        valid: NDArray[np.bool_] = rules_of(self.scheme).valid[roles[:, None], roles[None, :], same]
        return valid


def _is_untyped(names: Iterable[str], *, io: bool = False) -> bool:
    """Tell whether the tags are letters alone; under IO, where types may stand alone, only `I` counts."""
    labelled = set(names) - {"O"}
    return labelled == {"I"} or (not io and bool(labelled) and labelled <= set(PREFIX_LETTERS))


def _read_tag(name: str, scheme: Scheme, *, untyped: bool) -> tuple[int, str]:
    """Return the role and the type of a tag under a scheme; refuse a tag that the scheme cannot write."""
    if name == "O":
        return O, ""
    if scheme is Scheme.WORD and name:
        return S, name
    role, label = (PREFIX_LETTERS[name], UNTYPED) if untyped else split_tag(name)
    if label != name and name[0] == scheme.letters[role]:
        return role, label
    if scheme is Scheme.IO and label == name != "" and name[1:] != "-":
        return I, name
    raise InputError(
        f"the tag {name!r} does not belong to the scheme {scheme}",
        mend="name the scheme the data follows, or mend the tag",
    )


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Find the scheme that tag sequences follow.

    Letters decide where they can. B and I alone are read as IOB1 when that leaves fewer invalid tags than
    IOB2. Tags without any prefix are IO when an O is among them and one label a word otherwise; but B, I and
    O (E, S, L, U) without types are read as prefixes.

    Raises:
        InputError: prefixed and bare tags are mixed.
    """
    sequences = list(sequences)
    names = sorted(set(chain.from_iterable(sequences)))
    table = {name: position for position, name in enumerate(names)}
    ids = np.fromiter(map(table.__getitem__, chain.from_iterable(sequences)), dtype=np.int64)
    return scheme_of_ids(names, ids, offsets_of(map(len, sequences)))


def scheme_of_ids(names: Sequence[str], ids: NDArray[np.integer], offsets: NDArray[np.integer]) -> Scheme:
    """Find the scheme of tags that are ids already; see `detect_scheme`.

    Args:
        names: the tags that occur, and no others.
        ids: shape (words,): the index of each word's tag in `names`.
        offsets: shape (sentences + 1,): where each sentence begins.
    """
    labelled = [name for name in names if name != "O"]
    prefixed = [name for name in labelled if split_tag(name)[1] != name]
    if "B" in labelled and _is_untyped(labelled):
        prefixed = labelled
    if labelled and not prefixed:
        return Scheme.IO if "O" in names else Scheme.WORD
    if len(prefixed) < len(labelled):
        bare = next(name for name in labelled if name not in prefixed)
        raise InputError(
            f"the tag {bare!r} has no prefix, while others such as {prefixed[0]!r} have one",
            mend="give every tag but O a prefix, or none, or name the scheme",
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
    words = labels.labelled(ids, offsets)
    as_iob1, as_iob2 = (len(words.invalid(rules_of(scheme))) for scheme in (Scheme.IOB1, Scheme.IOB2))
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
    sequences: Sequence[Sequence[str]],
    source: Scheme | str,
    target: Scheme | str,
    *,
    reading: str = "lenient",
) -> list[list[str]]:
    """Rewrite tag sequences from one scheme in another; IO loses borders between touching spans of a type.

    >>> convert_tags([["B-person", "I-person", "O"]], "iob2", "bilou")
    [['B-person', 'L-person', 'O']]

    Raises:
        InputError: there is no such scheme, or a tag does not belong to `source`.
    """
    source, target = Scheme.named(source), Scheme.named(target)
    labels = LabelMap(sorted(set(chain.from_iterable(sequences))), source)
    offsets = offsets_of(map(len, sequences))
    spans = labels.spans(labels.ids(chain.from_iterable(sequences)), offsets, reading=reading)
    roles, types = encode(spans, offsets, target)
    tags = [
        join_tag(role, labels.types[label] if role != O else "", target)
        for role, label in zip(roles.tolist(), types.tolist(), strict=True)
    ]
    return [tags[start:end] for start, end in pairwise(offsets)]


def repair_tags(sequences: Sequence[Sequence[str]], scheme: Scheme) -> list[list[str]]:
    """Rewrite invalid sequences by their lenient reading; valid ones stay as they are."""
    labels = LabelMap(sorted(set(chain.from_iterable(sequences))), scheme)
    offsets = offsets_of(map(len, sequences))
    bad = labels.invalid(labels.ids(chain.from_iterable(sequences)), offsets)
    repaired = [list(sequence) for sequence in sequences]
    todo = np.unique(np.searchsorted(offsets, bad, side="right") - 1).tolist()
    mended = convert_tags([sequences[place] for place in todo], scheme, scheme)
    for place, tags in zip(todo, mended, strict=True):
        repaired[place] = tags
    return repaired
