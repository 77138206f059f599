"""Rows of each split to a corpus: the scheme found, tags checked, repaired, converted; all of it counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus, InvalidTag, Places, content_hash, make_dataset
from tagwright.data.rows import Rows
from tagwright.errors import InputError, require
from tagwright.tags.labels import LabelMap, convert_tags, detect_scheme, offsets_of, repair_tags
from tagwright.tags.scheme import Scheme, split_tag

__all__ = ["build_corpus"]

_MISSPELLED = re.compile(r"[BIESLUbieslu] ?[-_:/] ?.")
_SHOWN = 5  # examples in a notice


def build_corpus(
    parts: Mapping[str, Rows],
    *,
    source: str,
    settings: DataSettings,
    licence: str | None = None,
    notices: Iterable[str] = (),
) -> Corpus:
    """Put the rows of each split together.

    Args:
        parts: the rows of each split, in the order in which the splits are to stand.
        source: what was read, for messages.
        settings: scheme, conversion and repair.
        licence: the data's licence, where known.
        notices: what is to be told before anything else.

    Raises:
        InputError: a tag is outside the scheme (`file:line` is named), or a split has no sentence.
    """
    datasets = require("datasets", "train")
    notices = [*notices, *chain.from_iterable(rows.notices for rows in parts.values())]
    for rows in parts.values():
        if not len(rows):
            raise InputError("there is no sentence in it", where=rows.source)
    sequences = {split: list(rows.sequences(rows.tags)) for split, rows in parts.items()}
    declared = list(chain.from_iterable(rows.declared for rows in parts.values()))
    labels = _find_labels(parts, sequences, declared, settings)
    invalid = _find_invalid(parts, labels)
    if invalid:
        notices.append(_tell_invalid(invalid, labels, settings))
    sha256 = content_hash((split, rows.words, rows.tags, rows.lengths) for split, rows in parts.items())
    if settings.repair and invalid:
        for split, rows in parts.items():
            rows.tags = list(chain.from_iterable(repair_tags(sequences[split], labels.scheme)))
            sequences[split] = list(rows.sequences(rows.tags))
    target = Scheme(settings.tag_scheme) if settings.tag_scheme else labels.scheme
    if target is not labels.scheme:
        notices += _convert(parts, sequences, labels, target)
        labels = LabelMap.from_types(labels.types, target)
    notices += _tell_labels(parts)
    notices += _tell_misfits(parts, settings)
    splits = {}
    for split, rows in parts.items():
        ids, doubles = _identify(rows)
        if doubles:
            count = "1 id stands" if doubles == 1 else f"{doubles:,} ids stand"
            notices.append(f"{rows.source}: {count} more than once, numbered apart")
        splits[split] = make_dataset(
            split, ids, rows.words, labels.ids(rows.tags).tolist(), rows.lengths, labels.names,
            texts=rows.texts, starts=rows.starts, ends=rows.ends,
        )  # fmt: skip
    return Corpus(
        splits=datasets.DatasetDict(splits),
        labels=labels,
        source=source,
        sha256=sha256,
        licence=licence,
        notices=notices,
        invalid=invalid,
        misfits=list(chain.from_iterable(rows.misfits for rows in parts.values())),
        documents={
            split: [document or "" for document in rows.documents]
            for split, rows in parts.items()
            if any(document is not None for document in rows.documents)
        },
        places={
            split: Places(rows.source, np.asarray(rows.lines, dtype=np.int64), rows.word_lines)
            for split, rows in parts.items()
        },
    )


def _find_labels(
    parts: Mapping[str, Rows],
    sequences: Mapping[str, list[list[str]]],
    declared: list[str],
    settings: DataSettings,
) -> LabelMap:
    every = [*chain.from_iterable(sequences.values()), *([name] for name in declared)]
    seen = {tag for rows in parts.values() for tag in rows.tags}
    if settings.scheme is None:
        _check_mixture(parts, seen)
        scheme = detect_scheme(every)
        if scheme in (Scheme.WORD, Scheme.IO):
            _check_bare(parts, seen)
    else:
        scheme = Scheme(settings.scheme)
    for tag in sorted(seen):
        try:
            LabelMap([tag], scheme)
        except InputError as error:
            raise InputError(error.what, where=_place(parts, {tag}), mend=error.mend) from None
    labels = LabelMap.from_tags(every, scheme)
    if strangers := seen - set(labels.names):
        tag = min(strangers)
        raise InputError(
            f"the tag {tag!r} does not belong to the scheme {scheme.value}",
            where=_place(parts, strangers),
            mend="name the scheme the data follows, or mend the tag",
        )
    return labels


def _check_mixture(parts: Mapping[str, Rows], seen: set[str]) -> None:
    """Refuse tags of which some have a prefix and some have none, naming the rarer kind's first place."""
    counts = Counter(chain.from_iterable(rows.tags for rows in parts.values()))
    bare = {tag for tag in seen if tag != "O" and split_tag(tag)[1] == tag}
    prefixed = seen - bare - {"O"}
    if not bare or not prefixed:
        return
    few, many = sorted((bare, prefixed), key=lambda tags: sum(counts[tag] for tag in tags))
    where, wrong = _first(parts, few)
    usual = max(many, key=lambda tag: counts[tag])
    has, others = ("has no", "have one") if few is bare else ("has a", "have none")
    raise InputError(
        f"the tag {wrong!r} {has} prefix, while others such as {usual!r} {others}",
        where=where,
        mend="give every tag but O a prefix, or none",
    )


def _check_bare(parts: Mapping[str, Rows], seen: set[str]) -> None:
    """Refuse what passes for tags without a prefix: the last words of running text, and misspelled prefixes."""
    size = sum(len(rows.tags) for rows in parts.values())
    labelled = {tag for tag in seen if tag not in ("O", "o")}
    if labelled and all(split_tag(tag)[1] == tag and _MISSPELLED.match(tag) for tag in labelled):
        where, tag = _first(parts, labelled)
        raise InputError(
            f"the tag {tag!r} has no prefix that is known",
            where=where,
            mend="write prefixes as a capital letter and a hyphen, such as B-person, and O for other words",
        )
    ragged = [f"{rows.source}:{rows.ragged}" for rows in parts.values() if rows.ragged]
    if "O" not in seen and ragged:
        raise InputError(
            "the number of columns changes, and no word is tagged O: this does not look like words with tags",
            where=ragged[0],
            mend="give CoNLL with one word and its tag on each line",
        )
    if "O" not in seen and len(seen) > max(50, size // 2):
        raise InputError(
            f"the last column does not look like tags: {len(seen):,} different ones on {size:,} lines",
            where=_place(parts, seen),
            mend="give CoNLL with one word and its tag on each line, or name the column with --tag-column",
        )


def _first(parts: Mapping[str, Rows], tags: set[str]) -> tuple[str, str]:
    """Return the place of the first word tagged with one of `tags`, and its tag."""
    for rows in parts.values():
        for position, tag in enumerate(rows.tags):
            if tag in tags:
                offsets = rows.offsets()
                sentence = int(np.searchsorted(offsets, position, side="right")) - 1
                return rows.place(sentence, position - offsets[sentence]), tag
    raise LookupError(tags)


def _place(parts: Mapping[str, Rows], tags: set[str]) -> str:
    return _first(parts, tags)[0]


def _find_invalid(parts: Mapping[str, Rows], labels: LabelMap) -> list[InvalidTag]:
    found = []
    for split, rows in parts.items():
        offsets = offsets_of(rows.lengths)
        positions = labels.invalid(labels.ids(rows.tags), offsets)
        for position, sentence in zip(
            positions.tolist(), (np.searchsorted(offsets, positions, side="right") - 1).tolist(), strict=True
        ):
            begin, end = int(offsets[sentence]), int(offsets[sentence + 1])
            around = range(max(begin, position - 2), min(end, position + 3))
            context = " ".join(
                f"[{rows.words[at]}/{rows.tags[at]}]"
                if at == position
                else f"{rows.words[at]}/{rows.tags[at]}"
                for at in around
            )
            found.append(
                InvalidTag(rows.place(sentence, position - begin), split, rows.tags[position], context)
            )
    return found


def _tell_invalid(invalid: list[InvalidTag], labels: LabelMap, settings: DataSettings) -> str:
    shares = ", ".join(f"{split} {count:,}" for split, count in Counter(tag.split for tag in invalid).items())
    if settings.repair:
        fate = "rewritten by their lenient reading"
    elif settings.tag_scheme and settings.tag_scheme != labels.scheme.value:
        fate = "read leniently in the conversion"
    else:
        fate = "kept as they are (--repair rewrites them)"
    places = "; ".join(map(str, invalid[:_SHOWN])) + ("; …" if len(invalid) > _SHOWN else "")
    count = "1 tag breaks" if len(invalid) == 1 else f"{len(invalid):,} tags break"
    return f"{count} the scheme {labels.scheme.value} ({shares}), {fate}: {places}"


def _convert(
    parts: Mapping[str, Rows], sequences: dict[str, list[list[str]]], labels: LabelMap, target: Scheme
) -> list[str]:
    """Rewrite the tags of every split in another scheme and tell what that cost."""
    if labels.scheme is Scheme.WORD:
        raise InputError(
            f"the data has one label a word and no spans; it cannot be converted to {target.value}",
            mend="leave data.tag_scheme out",
        )
    lost = 0
    for split, rows in parts.items():
        offsets = offsets_of(rows.lengths)
        before = labels.spans(labels.ids(rows.tags), offsets)
        if target is Scheme.IO:
            touching = (before.starts[1:] == before.ends[:-1]) & (before.types[1:] == before.types[:-1])
            lost += int((touching & ~np.isin(before.starts[1:], offsets)).sum())
        rows.tags = list(chain.from_iterable(convert_tags(sequences[split], labels.scheme, target)))
        sequences[split] = list(rows.sequences(rows.tags))
    told = [f"tags converted from {labels.scheme.value} to {target.value}"]
    if lost:
        count = "1 border" if lost == 1 else f"{lost:,} borders"
        told.append(f"{count} between touching spans of one type lost: {target.value} has none")
    return told


def _tell_labels(parts: Mapping[str, Rows]) -> list[str]:
    seen = {split: Counter(rows.tags) for split, rows in parts.items()}
    told = [
        f"the {split} split holds no entity: every word is tagged O"
        for split, tags in seen.items()
        if set(tags) == {"O"}
    ]
    for split, tags in seen.items():
        if "train" in seen and (new := sorted(set(tags) - set(seen["train"]))):
            listed = ", ".join(f"{tag} ({tags[tag]:,})" for tag in new)
            told.append(
                f"{split} has tags that train lacks: {listed}; they are in the label list, never learned"
            )
    return told


def _tell_misfits(parts: Mapping[str, Rows], settings: DataSettings) -> list[str]:
    misfits = list(chain.from_iterable(rows.misfits for rows in parts.values()))
    if not misfits:
        return []
    fate = "widened to them" if settings.misfits == "snap" else "dropped"
    places = "; ".join(map(str, misfits[:_SHOWN])) + ("; …" if len(misfits) > _SHOWN else "")
    count = (
        "1 span off word borders was"
        if len(misfits) == 1
        else f"{len(misfits):,} spans off word borders were"
    )
    return [f"{count} {fate}: {places}"]


def _identify(rows: Rows) -> tuple[list[str], int]:
    """Give each sentence an id that is unique in its split and groups the sentences of a document."""
    ids: list[str] = []
    taken: set[str] = set()
    within: Counter[str] = Counter()
    doubles = 0
    for position, (given, document) in enumerate(zip(rows.ids, rows.documents, strict=True)):
        name = str(position)
        if document is not None:
            name = f"{document}:{within[document]}"
            within[document] += 1
        name = name if given is None else given
        if name in taken:
            doubles += given is not None
            number = 2
            while f"{name}#{number}" in taken:
                number += 1
            name = f"{name}#{number}"
        taken.add(name)
        ids.append(name)
    return ids, doubles
