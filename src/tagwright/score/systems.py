"""Gold beside the predictions of several systems, as spans over the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tagwright.config import DataSettings
from tagwright.data.conll import read_conll
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.data.rows import Rows
from tagwright.errors import InputError
from tagwright.model.bundle import read_meta
from tagwright.predict.tagger import Tagger
from tagwright.score.parting import first_difference, parting_error, place_of
from tagwright.score.tagged import read_for, tag_split
from tagwright.tags import LabelMap, Scheme, Spans, offsets_of
from tagwright.tags.labels import scheme_of_ids
from tagwright.tags.spans import IntArray

if TYPE_CHECKING:
    from datasets import DatasetDict

__all__ = ["READINGS", "Gold", "Side", "System", "is_tagger", "name_systems", "read_sides"]

System = str | Path | Tagger | Sequence[Sequence[str]]
"""A CoNLL file of predictions, one list of tags a sentence, a bundle's folder, or a tagger."""

READINGS = ("lenient", "strict")
"""How tags can be read as spans."""


@dataclass(frozen=True, slots=True)
class Side:
    """The spans of one side, positions in the flat array of words.

    Attributes:
        name: what it is called.
        spans: its spans.
        types: the name of each number in `spans.types`.
        trained: whether it is a tagger, which is one run of a training, and not only somebody's output.
        notices: counted losses and facts, in words.
    """

    name: str
    spans: Spans
    types: Sequence[str]
    trained: bool = False
    notices: tuple[str, ...] = ()

    def over(self, types: Sequence[str]) -> Spans:
        """Return the spans with their types numbered as in a longer list."""
        index = {name: number for number, name in enumerate(types)}
        numbers = np.array([index[name] for name in self.types], dtype=np.int64)
        return Spans(self.spans.starts, self.spans.ends, numbers[self.spans.types])


@dataclass(frozen=True, slots=True)
class Gold:
    """What systems are measured against.

    Attributes:
        rows: the sentences; without words when they came as lists of tags.
        labels: the gold tags' label map.
        side: the gold spans.
        offsets: int64, shape (sentences + 1,): where each sentence begins; the last is the number of words.
        reading: how tags are read as spans.
        settings: how files are read.
        corpus: the data, where systems may be taggers.
        split: its split.
        splitter: what running text was cut by, where it is known.
    """

    rows: Rows
    labels: LabelMap
    side: Side
    offsets: IntArray
    reading: str
    settings: DataSettings
    corpus: Corpus | None = None
    split: str = ""
    splitter: str | None = None

    @property
    def documents(self) -> Sequence[str | None] | None:
        """The document of each sentence, where gold marks documents."""
        return self.rows.documents or None


def is_tagger(system: object) -> bool:
    """Tell a tagger, or the folder of one, from predictions."""
    return isinstance(system, Tagger) or (isinstance(system, str | Path) and Path(system).is_dir())


def name_systems(systems: Sequence[object]) -> list[str]:
    """Give each system a short name of its own.

    A file is called by its stem, a tagger by its folder; by the whole path where that is not enough; what has
    no path is numbered.
    """
    paths = [Path(system) if isinstance(system, str | Path) else None for system in systems]
    names = [f"system {number}" if path is None else _short(path) for number, path in enumerate(paths, 1)]
    for shared in [name for name, count in Counter(names).items() if count > 1]:
        clashing = len({path for name, path in zip(names, paths, strict=True) if name == shared}) > 1
        for number, (name, path) in enumerate(zip(names, paths, strict=True)):
            if name == shared and path is not None and clashing:
                names[number] = str(path)
    seen: Counter[str] = Counter()
    for number, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[number] = f"{name} ({seen[name]})"
    return names


def _short(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.stem


def read_sides(
    systems: Sequence[System],
    names: Sequence[str],
    *,
    gold: str | Path | Sequence[Sequence[str]] | None = None,
    data: str | Path | DatasetDict | Corpus | None = None,
    split: str = "test",
    reading: str = "lenient",
    precision: str = "auto",
    settings: DataSettings | None = None,
) -> tuple[Gold, list[Side]]:
    """Read gold and every system; what can be wrong is found before the first tagger starts to tag.

    Predictions are read in gold's scheme where their tags fit it, in their own where not.

    Args:
        systems: the systems.
        names: what to call them.
        gold: a CoNLL file, or one list of tags a sentence; None where `data` is given.
        data: labelled data, as for `load_data`; the first tagger's splitter cuts running text.
        split: which of its splits.
        reading: `lenient` or `strict`.
        precision: precision of the taggers' matrix products, as for `Tagger.load`.
        settings: how data is read; of a CoNLL file its columns, and of `gold` its scheme.

    Returns:
        The gold side, and the systems in the order given.

    Raises:
        InputError: a side cannot be read, is a tagger where there is only a gold file, or has other sentences
            than gold (the first place where they part is named); or there is no such reading.
    """
    if reading not in READINGS:
        raise InputError(f"there is no reading {reading!r}", mend=f"choose {' or '.join(READINGS)}")
    settings = settings or DataSettings()
    for system, name in zip(systems, names, strict=True):
        _check(system, name, tagged=data is not None)
    taggers: dict[int, Tagger] = {}
    first = next((place for place, system in enumerate(systems) if is_tagger(system)), None)
    if first is not None:
        taggers[first] = _load(systems[first], precision)
    if data is None:
        against = _read_gold(gold, reading, settings)
    else:
        against = _take_split(data, split, None if first is None else taggers[first], reading, settings)
    sides: dict[int, Side] = {}
    for place in sorted(range(len(systems)), key=lambda place: is_tagger(systems[place])):
        system, name = systems[place], names[place]
        if is_tagger(system):
            tagger = taggers.pop(place, None) or _load(system, precision)
            sides[place] = _tag(tagger, against, name)
        else:
            sides[place] = _read_predictions(system, against, name)
    return against, [sides[place] for place in range(len(systems))]


def _check(system: Any, name: str, *, tagged: bool) -> None:
    """Refuse what is no system, before anything takes time."""
    if isinstance(system, str | Path) and not Path(system).exists():
        raise InputError(
            "there is no such file or folder",
            where=str(system),
            mend="name a CoNLL file or a tagger's folder",
        )
    if is_tagger(system) and not tagged:
        shown = f"{system} is a folder: a tagger" if isinstance(system, str | Path) else f"{name}: a tagger"
        raise InputError(
            f"{shown} needs labelled data to tag, and there is only a gold file",
            mend="name the data with --data, and leave out the gold file",
        )
    if is_tagger(system) and isinstance(system, str | Path):
        read_meta(system)
    if not is_tagger(system) and not isinstance(system, str | Path | Sequence):
        raise InputError(
            f"{name} is {type(system).__name__}",
            mend="give a CoNLL file, lists of tags, a bundle's folder or a Tagger",
        )


def _load(system: Any, precision: str) -> Tagger:
    return system if isinstance(system, Tagger) else Tagger.load(system, precision=precision)


def _read_gold(
    gold: str | Path | Sequence[Sequence[str]] | None, reading: str, settings: DataSettings
) -> Gold:
    if gold is None:
        raise InputError("there are no gold tags", mend="name a gold file, or data with --data")
    rows = _read_rows(gold, "gold", settings)
    labels = _label_map(rows, Scheme.named(settings.scheme) if settings.scheme else None)
    return _gold_of(rows, labels, reading, settings)


def _take_split(data: Any, split: str, tagger: Tagger | None, reading: str, settings: DataSettings) -> Gold:
    corpus = read_for(tagger, data, settings=settings) if tagger else _read_corpus(data, settings)
    part, labels = corpus.require_split(split), corpus.labels
    sentences = part["tokens"][:]
    rows = Rows(
        f"{corpus.source} ({split})",
        words=list(chain.from_iterable(sentences)),
        tags=[labels.names[tag] for tags in part["ner_tags"][:] for tag in tags],
        lengths=list(map(len, sentences)),
        documents=list(corpus.documents.get(split, ())),
        notices=list(corpus.notices),
    )
    if places := corpus.places.get(split):
        rows.source, rows.lines, rows.word_lines = places.source, places.lines.tolist(), places.word_lines
    splitter = tagger.meta.splitter if tagger and corpus is not data else None
    return replace(_gold_of(rows, labels, reading, settings), corpus=corpus, split=split, splitter=splitter)


def _gold_of(rows: Rows, labels: LabelMap, reading: str, settings: DataSettings) -> Gold:
    offsets = offsets_of(rows.lengths)
    ids = labels.ids(rows.tags)
    spans = labels.spans(ids, offsets, reading=reading)
    notices = (*rows.notices, *_misplaced(rows, ids, offsets, labels, rows.source, reading))
    side = Side(rows.source, spans, labels.types, notices=notices)
    return Gold(rows, labels, side, offsets, reading, settings)


def _read_predictions(system: Any, gold: Gold, name: str) -> Side:
    rows = _read_rows(system, name, gold.settings)
    if rows.lengths != gold.rows.lengths:
        raise parting_error(gold.rows, rows)
    labels = _label_map(rows, prefer=gold.labels.scheme)
    notices = list(rows.notices)
    if count := sum(map(ne, rows.words, gold.rows.words)):
        differ = "1 word differs" if count == 1 else f"{count:,} words differ"
        where = first_difference(gold.rows, rows)
        notices.append(f"{name}: {differ} from gold at the same position, first {where}")
    ids = labels.ids(rows.tags)
    spans = labels.spans(ids, gold.offsets, reading=gold.reading)
    if labels.types and gold.labels.types:
        if labels.scheme is not gold.labels.scheme:
            notices.append(
                f"{name}: its tags are read in scheme {labels.scheme}, gold's in {gold.labels.scheme}"
            )
        if not set(labels.types) & set(gold.labels.types):
            types = f"{labels.types[0]!r} for one; gold has {gold.labels.types[0]!r}"
            notices.append(f"{name}: none of its types is one of gold's ({types})")
    notices += _misplaced(rows, ids, gold.offsets, labels, name, gold.reading)
    return Side(name, spans, labels.types, notices=tuple(notices))


def _misplaced(
    rows: Rows, ids: IntArray, offsets: IntArray, labels: LabelMap, name: str, reading: str
) -> list[str]:
    """Tell of tags that the strict reading does not count, because their scheme does not allow them there."""
    if reading != "strict" or not len(places := labels.invalid(ids, offsets)):
        return []
    first = int(places[0])
    tags = "1 tag stands" if len(places) == 1 else f"{len(places):,} tags stand"
    where = place_of(rows, first)
    return [f"{name}: {tags} where {labels.scheme} does not allow it, first {rows.tags[first]!r} ({where})"]


def _tag(tagger: Tagger, gold: Gold, name: str) -> Side:
    assert gold.corpus is not None  # `_check` has seen to it
    tagged = tag_split(tagger, gold.corpus, split=gold.split)
    spans = tagged.labels.spans(tagged.pred_ids, tagged.offsets, reading=gold.reading)
    notices = [f"{name}: {notice}" for notice in tagged.notices if notice not in gold.corpus.notices]
    own = tagger.meta.splitter
    if gold.splitter not in (None, own) and "text" in gold.corpus.splits[gold.split].features:
        notices.append(
            f"{name}: its own splitter is {own}; text is cut by {gold.splitter} here, for every system"
        )
    return Side(name, spans, tagged.labels.types, trained=True, notices=tuple(notices))


def _read_corpus(data: Any, settings: DataSettings) -> Corpus:
    return data if isinstance(data, Corpus) else read_corpus(data, settings=settings)


def _read_rows(side: str | Path | Sequence[Sequence[str]], name: str, settings: DataSettings) -> Rows:
    if isinstance(side, str | Path):
        return read_conll(side, word_column=settings.word_column, tag_column=settings.tag_column)
    if len(side) and isinstance(side[0], str):
        raise InputError(f"{name} is a list of strings", mend="give one list of tags a sentence")
    return Rows(name, tags=list(chain.from_iterable(side)), lengths=list(map(len, side)))


def _label_map(rows: Rows, scheme: Scheme | None = None, *, prefer: Scheme | None = None) -> LabelMap:
    """Return the label map of the tags that occur, under a scheme, one that is tried first, or their own."""
    names = list(dict.fromkeys(rows.tags))
    if prefer is not None:
        try:
            return LabelMap(names, prefer)
        except InputError:
            pass
    try:
        if scheme is None:
            table = {name: number for number, name in enumerate(names)}
            ids = np.fromiter(map(table.__getitem__, rows.tags), dtype=np.int64, count=len(rows.tags))
            scheme = scheme_of_ids(names, ids, offsets_of(rows.lengths))
        return LabelMap(names, scheme)
    except InputError as error:
        # The error names the first of the tags that do not fit.
        tag = next((tag for tag in names if f"the tag {tag!r}" in error.what), None)
        where = rows.source if tag is None else place_of(rows, rows.tags.index(tag))
        raise InputError(error.what, where=where, mend=error.mend) from None
