"""The one decoder against an independent one, on random tag sequences, most of them invalid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from tagwright.tags import LabelMap, Scheme, offsets_of, spans_of

SEQEVAL = {Scheme.IOB1: IOB1, Scheme.IOB2: IOB2, Scheme.BIOES: IOBES, Scheme.BILOU: BILOU}
TYPES = ["PER", "LOC", "SUB-ORG"]


def documents(scheme: Scheme) -> st.SearchStrategy[list[list[str]]]:
    names = LabelMap.from_types(TYPES, scheme).names
    return st.lists(st.lists(st.sampled_from(names), max_size=9), max_size=5)


def ours(document: list[list[str]], scheme: Scheme, reading: str) -> list[tuple[int, str, int, int]]:
    labels = LabelMap.from_types(TYPES, scheme)
    offsets = offsets_of(map(len, document))
    spans = labels.spans(labels.ids(tag for tags in document for tag in tags), offsets, reading=reading)
    found = []
    for sentence, begin in enumerate(offsets[:-1].tolist()):
        inside = (spans.starts >= begin) & (spans.starts < offsets[sentence + 1])
        for start, end, label in zip(
            spans.starts[inside], spans.ends[inside], spans.types[inside], strict=True
        ):
            found.append((sentence, labels.types[label], int(start) - begin, int(end) - begin))
    return found


@pytest.mark.parametrize("scheme", SEQEVAL)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_strict_reading(scheme: Scheme, data: st.DataObject) -> None:
    document = data.draw(documents(scheme))
    theirs = [entity.to_tuple() for row in Entities(document, SEQEVAL[scheme]).entities for entity in row]
    assert ours(document, scheme, "strict") == theirs


@pytest.mark.parametrize("scheme", SEQEVAL)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_lenient_reading(scheme: Scheme, data: st.DataObject) -> None:
    document = data.draw(documents(scheme))
    # seqeval's lenient reading knows BILOU's L and U only by their other letters.
    translated = [[tag.replace("L-", "E-").replace("U-", "S-") for tag in tags] for tags in document]
    theirs = [
        (sentence, label, start, end + 1)
        for sentence, tags in enumerate(translated)
        for label, start, end in get_entities(tags)
    ]
    assert ours(document, scheme, "lenient") == theirs


@pytest.mark.parametrize("scheme", [*SEQEVAL, Scheme.IO, Scheme.WORD])
@pytest.mark.parametrize("reading", ["strict", "lenient"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_sentences_do_not_touch_each_other(scheme: Scheme, reading: str, data: st.DataObject) -> None:
    document = data.draw(documents(scheme))
    apart = [
        (sentence, *span)
        for sentence, tags in enumerate(document)
        for span in spans_of(tags, scheme, reading=reading)
    ]
    assert ours(document, scheme, reading) == apart


@pytest.mark.parametrize("scheme", [*SEQEVAL, Scheme.IO, Scheme.WORD])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_readings_agree_on_valid_sequences(scheme: Scheme, data: st.DataObject) -> None:
    labels = LabelMap.from_types(TYPES, scheme)
    document = data.draw(documents(scheme))
    valid = [tags for tags in document if not len(labels.invalid(labels.ids(tags), offsets_of([len(tags)])))]
    assert ours(valid, scheme, "strict") == ours(valid, scheme, "lenient")


@pytest.mark.parametrize(
    ("scheme", "tags", "lenient", "strict"),
    [
        ("iob2", "O I-a I-a", [("a", 1, 3)], []),
        ("iob2", "B-a I-b O", [("a", 0, 1), ("b", 1, 2)], [("a", 0, 1)]),
        ("iob2", "B-a B-a", [("a", 0, 1), ("a", 1, 2)], [("a", 0, 1), ("a", 1, 2)]),
        ("iob1", "I-a I-a B-a", [("a", 0, 2), ("a", 2, 3)], [("a", 0, 2), ("a", 2, 3)]),
        ("iob1", "O B-a I-a", [("a", 1, 3)], [("a", 2, 3)]),
        ("bioes", "B-a I-a O S-b", [("a", 0, 2), ("b", 3, 4)], [("b", 3, 4)]),
        ("bioes", "E-a E-a", [("a", 0, 1), ("a", 1, 2)], []),
        ("bilou", "B-a L-a U-a", [("a", 0, 2), ("a", 2, 3)], [("a", 0, 2), ("a", 2, 3)]),
        ("io", "I-a I-a I-b O I-a", [("a", 0, 2), ("b", 2, 3), ("a", 4, 5)], None),
        ("io", "a a b O a", [("a", 0, 2), ("b", 2, 3), ("a", 4, 5)], None),
        ("word", "DET NOUN NOUN", [("DET", 0, 1), ("NOUN", 1, 2), ("NOUN", 2, 3)], None),
        ("word", "B-x O", [("B-x", 0, 1)], None),
        ("iob2", "B I O B", [("_", 0, 2), ("_", 3, 4)], None),
        ("iob2", "B-SUB-ORG I-SUB-ORG", [("SUB-ORG", 0, 2)], None),
        ("iob2", "", [], None),
    ],
)
def test_rows(
    scheme: str,
    tags: str,
    lenient: list[tuple[str, int, int]],
    strict: list[tuple[str, int, int]] | None,
) -> None:
    assert spans_of(tags.split(), Scheme(scheme)) == lenient
    assert spans_of(tags.split(), Scheme(scheme), reading="strict") == (lenient if strict is None else strict)
