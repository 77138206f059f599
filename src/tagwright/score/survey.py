"""What two sides' tags tell of their scheme, gathered while the sentences pass by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tagwright.errors import InputError
from tagwright.score.pairs import Pair
from tagwright.tags.labels import LabelMap, scheme_of_ids
from tagwright.tags.scheme import Scheme, rules_of, split_tag
from tagwright.tags.spans import Labelled

__all__ = ["Survey"]

_PREFIXED = (Scheme.IOB2, Scheme.BIOES, Scheme.BILOU)
_IN_QUESTION = (Scheme.IOB1, Scheme.IOB2, Scheme.BIOES)  # BILOU's rules are those of BIOES
_NO_IDS, _NO_OFFSETS = np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)


@dataclass(slots=True)
class _Side:
    """What is known of one side.

    Attributes:
        first: the place where each tag occurs for the first time, in that order.
        misplaced: for the schemes in question, how many tags stand where they are not allowed.
        broken: the same for the scheme the tags are read by.
        example: the first of those, and its place.
        source: the side's name.
        notices: what its reader had to say.
    """

    first: dict[str, str] = field(default_factory=dict)
    misplaced: Counter[Scheme] = field(default_factory=Counter)
    broken: int = 0
    example: tuple[str, str] = ("", "")
    source: str = ""
    notices: list[str] = field(default_factory=list)


class Survey:
    """Finds the scheme of tags that come part by part, and the places to name where they do not fit it.

    The scheme is that of the gold tags, or of both sides where gold is too scant to show it. A part is read by
    what the parts so far show; when a later part shows otherwise, `is_stale` says that all must be read again.

    Args:
        scheme: the scheme, where it is known; then nothing is to be found.

    Attributes:
        is_stale: whether a part was read in another way than all parts together ask for.
    """

    def __init__(self, scheme: Scheme | None = None) -> None:
        self.is_stale = False
        self._known = scheme
        self._sides = (_Side(), _Side())
        self._labels: LabelMap | None = None
        self._has_labelled = False
        self._differing = 0
        self._first_differing = ""

    def add(self, pair: Pair) -> tuple[LabelMap, Labelled, Labelled] | None:
        """Take note of a part's tags.

        Returns:
            The label map to read the part by, and its gold and predicted words; None where the part's tags fit
            no scheme (`labels` will say why), or all parts must be read again anyway.
        """
        for number, side in enumerate(self._sides):
            _note_first(side, pair, number)
            rows = pair.pred if number else pair.gold
            side.source = rows.source
            side.notices += rows.notices
        self._differing += pair.differing
        self._first_differing = self._first_differing or pair.first_differing
        scheme, labels, words = self._known, None, None
        if scheme is None:
            labels = self._fitting(pair.names, self._with_prefixes())
            if labels is not None:
                words = _labelled(pair, labels)
                self._count_misplaced(words)
            try:
                scheme = self._find_scheme()
            except InputError:
                self.is_stale = True
                return None
        if labels is None or labels.scheme is not scheme:
            labels = self._fitting(pair.names, [scheme])
            words = None if labels is None else _labelled(pair, labels)
        if labels is None or words is None or self._has_changed(labels):
            self.is_stale = True
            return None
        self._labels = labels
        self._has_labelled |= any(len(side.words) > 0 for side in words)
        self._note_broken(pair, words, labels)
        return labels, *words

    def labels(self) -> LabelMap:
        """Return the label map of all tags, under the scheme they follow or the one that is known.

        Raises:
            InputError: tags are mixed, or outside the scheme; the first place is named.
        """
        scheme = self._known or self._find_scheme()
        gold, pred = self._sides
        names = list({**gold.first, **pred.first})
        for name in names:
            if self._fitting([name], [scheme]) is None:
                raise InputError(
                    f"the tag {name!r} does not belong to the scheme {scheme}",
                    where=gold.first.get(name) or pred.first[name],
                    mend="write both sides in one scheme, and name it with --scheme where gold does not show it",
                )
        return LabelMap(names, scheme)

    def notices(self) -> list[str]:
        """Say in words what was noticed: losses, words that differ, tags that the scheme does not allow."""
        shown = [notice for side in self._sides for notice in side.notices]
        if self._differing:
            words = "1 word differs" if self._differing == 1 else f"{self._differing:,} words differ"
            shown.append(f"{words} at the same position, first {self._first_differing}")
        for side in self._sides:
            if side.broken:
                count = "1 tag stands" if side.broken == 1 else f"{side.broken:,} tags stand"
                tag, where = side.example
                scheme = self._labels and self._labels.scheme
                shown.append(
                    f"{side.source}: {count} where {scheme} does not allow it, first {tag!r} ({where})"
                )
        return shown

    def _find_scheme(self) -> Scheme:
        """Take the scheme of the gold tags; that of both sides where gold is too scant to show it."""
        gold, pred = self._sides
        known, names = list(gold.first), list({**gold.first, **pred.first})
        own = self._detect(known, gold.misplaced)
        if known not in ([], ["O"]) and self._fitting(names, [own]):
            return own
        both = self._detect(names, gold.misplaced + pred.misplaced)
        if not self._fitting(known, [both]):
            return own
        narrow, wide = (
            gold.misplaced[Scheme.BIOES if scheme is Scheme.BILOU else scheme] for scheme in (own, both)
        )
        return own if wide > narrow else both

    def _detect(self, names: Sequence[str], misplaced: Counter[Scheme]) -> Scheme:
        """Find the scheme of some tags, given how many would be misplaced."""
        try:
            found = scheme_of_ids(names, _NO_IDS, _NO_OFFSETS)
        except InputError as error:
            gold, pred = self._sides
            bare = [name for name in names if name != "O" and split_tag(name)[1] == name]
            where = gold.first.get(bare[0]) or pred.first[bare[0]]
            raise InputError(error.what, where=where, mend=error.mend) from None
        if found is Scheme.IOB2 and misplaced[Scheme.IOB1] < misplaced[Scheme.IOB2]:
            return Scheme.IOB1
        return found

    def _with_prefixes(self) -> list[Scheme]:
        """Return the schemes that tell what the letters of tags mean, the one in use first."""
        used = self._labels.scheme if self._labels else Scheme.IO
        return [*([] if used in (Scheme.IO, Scheme.WORD) else [used]), *_PREFIXED]

    def _fitting(self, names: Sequence[str], schemes: Sequence[Scheme]) -> LabelMap | None:
        """Return a label map of tags under the first scheme that they fit."""
        for scheme in schemes:
            if self._labels and self._labels.scheme is scheme and self._labels.names == tuple(names):
                return self._labels
            try:
                return LabelMap(names, scheme)
            except InputError:
                continue
        return None

    def _has_changed(self, labels: LabelMap) -> bool:
        """Tell whether tags that were read already are now read in another way."""
        before = self._labels
        if before is None or before is labels or not self._has_labelled:
            return False
        meanings = [
            [
                (role, each.types[label] if label >= 0 else "")
                for role, label in zip(each.roles.tolist(), each.type_ids.tolist(), strict=True)
            ]
            for each in (before, labels)
        ]
        return before.scheme is not labels.scheme or meanings[1][: len(before)] != meanings[0]

    def _count_misplaced(self, words: Sequence[Labelled]) -> None:
        for side, labelled in zip(self._sides, words, strict=True):
            for scheme in _IN_QUESTION:
                side.misplaced[scheme] += len(labelled.invalid(rules_of(scheme)))

    def _note_broken(self, pair: Pair, words: Sequence[Labelled], labels: LabelMap) -> None:
        for number, (side, labelled) in enumerate(zip(self._sides, words, strict=True)):
            places = labelled.invalid(rules_of(labels.scheme))
            if len(places) and not side.broken:
                first = int(places[0])
                side.example = pair.names[pair.ids(number)[first]], pair.place(number, first)
            side.broken += len(places)


def _labelled(pair: Pair, labels: LabelMap) -> tuple[Labelled, Labelled]:
    return labels.labelled(pair.gold_ids, pair.offsets), labels.labelled(pair.pred_ids, pair.offsets)


def _note_first(side: _Side, pair: Pair, number: int) -> None:
    """Remember where a side's tags occur for the first time."""
    ids = pair.ids(number)
    occurring = np.flatnonzero(np.bincount(ids, minlength=len(pair.names))).tolist()
    new = [tag for tag in occurring if pair.names[tag] not in side.first]
    if new:
        firsts = np.empty(len(pair.names), dtype=np.int64)
        firsts[ids[::-1]] = np.arange(len(ids))[::-1]  # of several values for one place, the last one stays
        for place in np.sort(firsts[new]).tolist():
            side.first[pair.names[ids[place]]] = pair.place(number, place)
