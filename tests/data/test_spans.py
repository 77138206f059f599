from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.data.annotations.spans import CharSpan, fit_spans, parse_spans
from tagwright.data.offsets import split_plain
from tagwright.errors import InputError
from tagwright.tags import spans_of

TEXT = "Ana lives in São Paulo, near 👩🏽‍🚀 Lab."


def fit(*spans: tuple[int, int, str], text: str = TEXT, **options: str):
    words, starts, ends = split_plain(text)
    return words, fit_spans(text, starts, ends, [CharSpan(*span) for span in spans], where="f:1", **options)


def test_spans_on_word_borders_become_tags() -> None:
    words, fitted = fit((13, 22, "place"), (0, 3, "person"))
    assert dict(zip(words, fitted.tags, strict=True)) == {
        "Ana": "B-person", "lives": "O", "in": "O", "São": "B-place", "Paulo": "I-place",
        ",": "O", "near": "O", "👩": "O", "🏽\u200d": "O", "🚀": "O", "Lab": "O", ".": "O",
    }  # fmt: skip
    assert not fitted.misfits
    assert not fitted.overlaps


@pytest.mark.parametrize(
    ("span", "proposed", "text"),
    [
        ((14, 22, "place"), (13, 22), "São Paulo"),
        ((13, 20, "place"), (13, 22), "São Paulo"),
        ((12, 23, "place"), (13, 23), "São Paulo,"),
        ((1, 2, "person"), (0, 3), "Ana"),
    ],
)
def test_a_misfit_is_listed_with_its_proposed_border(
    span: tuple[int, int, str], proposed: tuple[int, int], text: str
) -> None:
    _, fitted = fit(span, misfits="drop")
    (misfit,) = fitted.misfits
    assert (misfit.where, misfit.text) == ("f:1", TEXT[span[0] : span[1]])
    assert (misfit.proposed, misfit.proposed_text) == (proposed, text)
    assert (
        str(misfit)
        == f"f:1: {span[2]} {span[0]}..{span[1]} {misfit.text!r} -> {proposed[0]}..{proposed[1]} {text!r}"
    )
    assert set(fitted.tags) == {"O"}
    _, fitted = fit(span, misfits="snap")
    ((_, first, last),) = spans_of(fitted.tags)
    starts, ends = split_plain(TEXT)[1:]
    assert (starts[first], ends[last - 1]) == proposed


def test_a_span_of_blanks_touches_no_word() -> None:
    _, fitted = fit((3, 4, "x"), misfits="snap")
    assert fitted.misfits[0].proposed is None
    assert str(fitted.misfits[0]).endswith("' ' -> none")
    assert set(fitted.tags) == {"O"}


@pytest.mark.parametrize(
    ("keep", "kept"), [("longest", [("b", 0, 3)]), ("first", [("a", 0, 1), ("c", 2, 3)]), ("error", None)]
)
def test_overlaps(keep: str, kept: list[tuple[str, int, int]] | None) -> None:
    # b holds both others; a begins where b does and was given before it
    _, fitted = fit((0, 1, "a"), (0, 5, "b"), (4, 5, "c"), text="x y z", overlaps=keep)
    assert len(fitted.overlaps) == (2 if keep == "longest" else 1)
    assert fitted.overlaps[0].startswith("f:1: ")
    if kept:
        assert spans_of(fitted.tags) == kept


def test_a_span_given_twice_counts_once() -> None:
    _, fitted = fit((0, 3, "person"), (0, 3, "person"))
    assert fitted.doubles == 1
    assert not fitted.overlaps


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((3, 3, "x"), r"f:1: the span 3\.\.3 \(x\) is empty"),
        ((3, 1, "x"), r"f:1: the span 3\.\.1 \(x\) is reversed"),
        ((-1, 1, "x"), "out of range"),
        ((0, 39, "x"), "out of range: the text has 38 characters; count code points"),
    ],
)
def test_impossible_spans_are_refused(span: tuple[int, int, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit(span, misfits="drop")


@pytest.mark.parametrize(
    "value",
    [
        [[0, 3, "person"]],
        [{"start": 0, "end": 3, "label": "person"}],
        [{"start_offset": 0, "end_offset": 3, "label": "person", "id": 7}],
        {"start": [0], "end": [3], "label": ["person"]},
    ],
)
def test_spellings_of_a_span(value: object) -> None:
    assert parse_spans(value, "f:1") == [CharSpan(0, 3, "person")]


@pytest.mark.parametrize(
    "value",
    ["x", 3, [3], [[0, 3]], [[0, "3", "x"]], [[0, 3.0, "x"]], [[True, 3, "x"]], [[0, 3, ""]], [{"start": 1}]],
)
def test_what_is_no_span_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="f:1: "):
        parse_spans(value, "f:1")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_plain_splitter_leaves_out_nothing_but_blanks(text: str) -> None:
    words, starts, ends = split_plain(text)
    assert [text[start:end] for start, end in zip(starts, ends, strict=True)] == words
    covered = {place for start, end in zip(starts, ends, strict=True) for place in range(start, end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
    assert len(covered) == sum(map(len, words))


@given(st.text("ab é,\u0301🙂", max_size=30), st.data())
def test_spans_come_back_out_of_tags(text: str, data: st.DataObject) -> None:
    _, starts, ends = split_plain(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(starts)))))
    labels = data.draw(st.lists(st.sampled_from("xy"), min_size=len(cuts), max_size=len(cuts)))
    borders = list(zip(cuts, cuts[1:], labels, strict=False))[::2]
    spans = [CharSpan(starts[first], ends[last - 1], label) for first, last, label in borders]
    fitted = fit_spans(text, starts, ends, data.draw(st.permutations(spans)))
    assert spans_of(fitted.tags) == [(label, first, last) for first, last, label in borders]
    assert not fitted.misfits
    assert not fitted.overlaps


@given(st.text("ab é,", min_size=1, max_size=20), st.data(), st.sampled_from(["longest", "first"]))
def test_any_spans_give_disjoint_ones_and_the_rest_is_counted(
    text: str, data: st.DataObject, keep: str
) -> None:
    _, starts, ends = split_plain(text)
    place = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(place, place).filter(lambda pair: pair[0] < pair[1]), max_size=5))
    spans = [CharSpan(start, end, "x") for start, end in pairs]
    for misfits in ("snap", "drop"):
        fitted = fit_spans(text, starts, ends, spans, misfits=misfits, overlaps=keep)
        lost = [misfit for misfit in fitted.misfits if misfits == "drop" or misfit.proposed is None]
        kept = spans_of(fitted.tags)
        assert len(spans) == len(kept) + len(lost) + len(fitted.overlaps) + fitted.doubles
