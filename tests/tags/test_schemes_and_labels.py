"""Schemes recognised and converted, label maps, invalid sequences found and repaired."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.tags import (
    LabelMap,
    Scheme,
    convert_tags,
    decode,
    detect_scheme,
    encode,
    join_tag,
    offsets_of,
    repair_tags,
    split_tag,
)

SPAN_SCHEMES = [Scheme.IOB1, Scheme.IOB2, Scheme.BIOES, Scheme.BILOU]
TYPES = ["person", "location", "SUB-ORG"]


@st.composite
def valid_documents(draw: st.DrawFn, scheme: Scheme) -> list[list[str]]:
    """Sentences of O and of spans of one to four words, as the scheme writes them."""
    piece = st.tuples(st.sampled_from(["O", *TYPES]), st.integers(1, 4))
    iob2 = []
    for pieces in draw(st.lists(st.lists(piece, max_size=5), min_size=1, max_size=5)):
        tags: list[str] = []
        for label, length in pieces:
            tags += ["O"] * length if label == "O" else [f"B-{label}"] + [f"I-{label}"] * (length - 1)
        iob2.append(tags)
    return convert_tags(iob2, Scheme.IOB2, scheme)


def decoded(document: list[list[str]], scheme: Scheme) -> list[tuple[str, int, int]]:
    labels = LabelMap(sorted({tag for tags in document for tag in tags}), scheme)
    offsets = offsets_of(map(len, document))
    spans = labels.spans(labels.ids(tag for tags in document for tag in tags), offsets, reading="strict")
    return [
        (labels.types[label], int(start), int(end))
        for label, start, end in zip(spans.types, spans.starts, spans.ends, strict=True)
    ]


@pytest.mark.parametrize("source", SPAN_SCHEMES)
@pytest.mark.parametrize("target", SPAN_SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_conversion_keeps_every_span_and_comes_back(
    source: Scheme, target: Scheme, data: st.DataObject
) -> None:
    document = data.draw(valid_documents(source))
    there = convert_tags(document, source, target)
    assert decoded(there, target) == decoded(document, source)
    assert convert_tags(there, target, source) == document


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_encode_inverts_decode(scheme: Scheme, data: st.DataObject) -> None:
    document = data.draw(valid_documents(scheme))
    labels = LabelMap.from_types(TYPES, scheme)
    ids = labels.ids(tag for tags in document for tag in tags)
    offsets = offsets_of(map(len, document))
    assert not len(labels.invalid(ids, offsets))
    roles, types = labels.roles[ids], labels.type_ids[ids]
    again = encode(decode(roles, types, offsets, scheme, reading="strict"), offsets, scheme)
    assert np.array_equal(again[0], roles)
    assert np.array_equal(again[1], types)


@pytest.mark.parametrize("scheme", SPAN_SCHEMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_valid_document_shows_its_scheme(scheme: Scheme, data: st.DataObject) -> None:
    document = data.draw(valid_documents(scheme))
    found = detect_scheme(document)
    if found != scheme:  # its letters leave room for a simpler reading, under which it is as valid
        labels = LabelMap(sorted({tag for tags in document for tag in tags}), found)
        ids = labels.ids(tag for tags in document for tag in tags)
        assert not len(labels.invalid(ids, offsets_of(map(len, document))))


@pytest.mark.parametrize("scheme", [*SPAN_SCHEMES, Scheme.IO])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_repair_mends_what_is_invalid_and_nothing_else(scheme: Scheme, data: st.DataObject) -> None:
    names = LabelMap.from_types(TYPES, scheme).names
    document = data.draw(st.lists(st.lists(st.sampled_from(names), max_size=8), max_size=4))
    labels = LabelMap.from_types(TYPES, scheme)
    repaired = repair_tags(document, scheme)
    for before, after in zip(document, repaired, strict=True):
        offsets = offsets_of([len(before)])
        assert not len(labels.invalid(labels.ids(after), offsets))
        if not len(labels.invalid(labels.ids(before), offsets)):
            assert after == before
    assert decoded(repaired, scheme) == [
        (labels.types[label], int(start), int(end))
        for spans in [
            labels.spans(labels.ids(tag for tags in document for tag in tags), offsets_of(map(len, document)))
        ]
        for label, start, end in zip(spans.types, spans.starts, spans.ends, strict=True)
    ]


def test_repair_leaves_bare_types_alone() -> None:
    assert repair_tags([["person", "person", "O"]], Scheme.IO) == [["person", "person", "O"]]


def test_schemes_may_be_given_by_name() -> None:
    assert convert_tags([["B-a", "I-a", "B-b"]], "bio", "IOBES") == [["B-a", "E-a", "S-b"]]
    with pytest.raises(InputError, match="there is no scheme 'iob3'; name one of iob1, iob2"):
        convert_tags([["O"]], "iob2", "iob3")


def test_io_keeps_no_border_within_a_type() -> None:
    tags = [["B-a", "B-a", "B-b", "O"]]
    assert convert_tags(tags, Scheme.IOB2, Scheme.IO) == [["I-a", "I-a", "I-b", "O"]]


@pytest.mark.parametrize(
    ("sequences", "scheme"),
    [
        ([["B-a", "I-a", "O"]], Scheme.IOB2),
        ([["O", "I-a", "I-a", "B-a"]], Scheme.IOB1),
        ([["I-a", "B-a"], ["B-b", "I-b"], ["B-b", "O"], ["B-a"]], Scheme.IOB2),
        ([["B-a", "O"]], Scheme.IOB2),
        ([["S-a", "O"]], Scheme.BIOES),
        ([["B-a", "E-a", "O"]], Scheme.BIOES),
        ([["U-a", "O"]], Scheme.BILOU),
        ([["B-a", "L-a"]], Scheme.BILOU),
        ([["I-a", "O"]], Scheme.IO),
        ([["person", "O"]], Scheme.IO),
        ([["NOUN", "VERB"]], Scheme.WORD),
        ([["P", "L", "O"]], Scheme.IO),
        ([["B", "I", "O"]], Scheme.IOB2),
        ([["B", "I", "E", "S"]], Scheme.BIOES),
        ([["O", "O"], []], Scheme.IOB2),
        ([], Scheme.IOB2),
        ([["B-O", "O"]], Scheme.IOB2),
    ],
)
def test_detect_scheme(sequences: list[list[str]], scheme: Scheme) -> None:
    assert detect_scheme(sequences) is scheme


@pytest.mark.parametrize("sequences", [[["B-a", "person"]], [["B-a", "B"]], [["-X", "B-a"]]])
def test_prefixed_and_bare_tags_do_not_mix(sequences: list[list[str]]) -> None:
    with pytest.raises(InputError, match="has no prefix"):
        detect_scheme(sequences)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("iob2", Scheme.IOB2),
        ("BIO", Scheme.IOB2),
        ("IOB-1", Scheme.IOB1),
        ("IOBES", Scheme.BIOES),
        ("biluo", Scheme.BILOU),
        ("word", Scheme.WORD),
    ],
)
def test_scheme_names(name: str, scheme: Scheme) -> None:
    assert Scheme(name) is Scheme.named(name) is scheme


def test_an_unknown_scheme_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"there is no scheme 'xyz'; name one of iob1, iob2, bioes"):
        Scheme.named("xyz")


@pytest.mark.parametrize(
    ("tag", "parts"),
    [("B-person", (1, "person")), ("L-a-b", (3, "a-b")), ("NOUN", (4, "NOUN")), ("-X", (4, "-X"))],
)
def test_split_tag(tag: str, parts: tuple[int, str]) -> None:
    assert split_tag(tag) == parts


def test_join_tag_refuses_a_role_the_scheme_lacks() -> None:
    with pytest.raises(ValueError, match="has no role S"):
        join_tag(4, "person", Scheme.IOB2)


class TestLabelMap:
    def test_from_types_keeps_the_given_order(self) -> None:
        labels = LabelMap.from_types(["work", "person"], Scheme.BILOU)
        assert labels.names[:5] == ("O", "B-work", "I-work", "L-work", "U-work")
        assert labels.types == ("work", "person")
        assert labels.id2label[0] == "O"
        assert labels.label2id["B-person"] == 5

    def test_from_tags_completes_the_set(self) -> None:
        assert LabelMap.from_tags([["B-b", "O"], ["B-a"]]).names == ("O", "B-a", "I-a", "B-b", "I-b")

    def test_from_tags_keeps_bare_tags(self) -> None:
        assert LabelMap.from_tags([["b", "O", "a"]]).names == ("O", "a", "b")
        assert LabelMap.from_tags([["VERB", "NOUN"]]).names == ("NOUN", "VERB")

    def test_untyped_tags(self) -> None:
        labels = LabelMap.from_tags([["O", "B"]])
        assert (labels.names, labels.types) == (("O", "B", "I"), ("_",))

    def test_a_type_named_like_the_outside_tag(self) -> None:
        labels = LabelMap.from_tags([["B-O", "O"]])
        assert (labels.names, labels.types) == (("O", "B-O", "I-O"), ("O",))

    @pytest.mark.parametrize(
        ("names", "scheme"),
        [
            (["O", "S-a"], Scheme.IOB2),
            (["O", "B-a"], Scheme.IO),
            (["O", "L-a"], Scheme.BIOES),
            (["O", "E-a"], Scheme.BILOU),
            (["O", "a"], Scheme.IOB2),
            (["O", "B-"], Scheme.IOB2),
            (["O", "B-"], Scheme.IO),
            (["O", "B", "I-a"], Scheme.IOB2),
            (["O", "X-a"], Scheme.IOB2),
            (["O", ""], Scheme.IO),
            (["O", ""], Scheme.WORD),
        ],
    )
    def test_a_tag_outside_the_scheme_is_named(self, names: list[str], scheme: Scheme) -> None:
        with pytest.raises(InputError, match="does not belong to the scheme"):
            LabelMap(names, scheme)

    def test_a_tag_given_twice_is_named(self) -> None:
        with pytest.raises(InputError, match="'B-a' stands twice"):
            LabelMap(["O", "B-a", "B-a"], Scheme.IOB2)

    def test_an_unknown_tag_is_named(self) -> None:
        with pytest.raises(InputError, match="'B-b' is not one"):
            LabelMap(["O", "B-a"], Scheme.IOB2).ids(["O", "B-b"])

    def test_equality_hash_and_repr(self) -> None:
        one, two = LabelMap(["O", "B-a"], Scheme.IOB2), LabelMap(["O", "B-a"], Scheme.IOB2)
        assert one == two
        assert hash(one) == hash(two)
        assert one != LabelMap(["O", "B-a"], Scheme.IOB1)
        assert one != ["O", "B-a"]
        assert "B-a" in repr(one)

    def test_transitions_are_the_pairs_that_are_not_invalid(self) -> None:
        for scheme in Scheme:
            labels = LabelMap.from_types(["a", "b"], scheme)
            for first in range(len(labels)):
                for second in range(len(labels)):
                    pair = np.array([first, second])
                    allowed = (
                        labels.transitions[-1, first]
                        and labels.transitions[first, second]
                        and labels.transitions[second, -1]
                    )
                    assert allowed == (not len(labels.invalid(pair, np.array([0, 2]))))


@pytest.mark.parametrize(
    ("scheme", "tags", "places"),
    [
        ("iob2", "O I-a I-a", [1]),
        ("iob2", "B-a I-b", [1]),
        ("iob1", "O B-a I-a", [1]),
        ("bioes", "B-a O E-a", [1, 2]),
        ("bioes", "S-a B-a", [1]),
        ("bilou", "B-a U-b", [1]),
        ("io", "I-a I-b", []),
    ],
)
def test_invalid_tags_are_found_where_they_stand(scheme: str, tags: str, places: list[int]) -> None:
    sequence = tags.split()
    labels = LabelMap(sorted(set(sequence)), Scheme(scheme))
    assert labels.invalid(labels.ids(sequence), offsets_of([len(sequence)])).tolist() == places


def test_invalid_tags_do_not_depend_on_the_neighbouring_sentence() -> None:
    labels = LabelMap.from_types(["a"], Scheme.IOB2)
    ids = labels.ids(["O", "B-a", "I-a", "O"])
    assert labels.invalid(ids, np.array([0, 2, 4])).tolist() == [2]
    assert labels.invalid(ids, np.array([0, 4])).tolist() == []
    assert labels.invalid(ids[:0], np.array([0, 0, 0])).tolist() == []
