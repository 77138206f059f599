"""Pairing of spans that share words, against a slow plain reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.score.overlaps import overlap_counts, overlapping, pair_spans
from tagwright.tags.spans import Spans

Row = tuple[int, int, int]


@st.composite
def span_rows(draw: st.DrawFn) -> list[Row]:
    """Spans of one side: (first word, one past the last, type), in order, without overlaps."""
    rows: list[Row] = []
    place = 0
    for gap, length, label in draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(0, 1)), max_size=8)
    ):
        rows.append((place + gap, place + gap + length, label))
        place += gap + length
    return rows


def spans(rows: list[Row]) -> Spans:
    starts, ends, types = (np.array([row[k] for row in rows], dtype=np.int64) for k in range(3))
    return Spans(starts, ends, types)


def shared(one: Row, other: Row) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def slow_pairs(gold: list[Row], predicted: list[Row]) -> list[tuple[int, int, bool]]:
    overlaps = [
        (g[:2] != p[:2], g[2] != p[2], -shared(g, p), max(g[0], p[0]), i, k)
        for i, g in enumerate(gold)
        for k, p in enumerate(predicted)
        if shared(g, p)
    ]
    pairs: list[tuple[int, int, bool]] = []
    for other_borders, *_, i, k in sorted(overlaps):
        if all(i != one and k != two for one, two, _ in pairs):
            pairs.append((i, k, not other_borders))
    return sorted(pairs)


def as_rows(gold: list[Row], predicted: list[Row]) -> list[tuple[int, int, bool]]:
    pairing = pair_spans(spans(gold), spans(predicted))
    return list(zip(pairing.gold.tolist(), pairing.predicted.tolist(), pairing.exact.tolist(), strict=True))


@given(span_rows(), span_rows())
def test_pairs_are_those_of_the_plain_reference(gold: list[Row], predicted: list[Row]) -> None:
    assert as_rows(gold, predicted) == slow_pairs(gold, predicted)


@given(span_rows(), span_rows())
def test_swapping_the_sides_swaps_the_pairs(gold: list[Row], predicted: list[Row]) -> None:
    swapped = [(one, other, exact) for other, one, exact in as_rows(predicted, gold)]
    assert as_rows(gold, predicted) == swapped


@given(span_rows(), span_rows())
def test_overlaps_are_listed_and_counted(gold: list[Row], predicted: list[Row]) -> None:
    listed = [array.tolist() for array in overlapping(spans(gold), spans(predicted))]
    expected = [(i, k) for i, g in enumerate(gold) for k, p in enumerate(predicted) if shared(g, p)]
    assert list(zip(*listed, strict=True)) == expected
    of_gold, of_predicted = overlap_counts(spans(gold), spans(predicted))
    assert of_gold.tolist() == [sum(bool(shared(g, p)) for p in predicted) for g in gold]
    assert of_predicted.tolist() == [sum(bool(shared(g, p)) for g in gold) for p in predicted]


@pytest.mark.parametrize(
    ("gold", "predicted", "pairs"),
    [
        ([(0, 2, 0)], [(0, 2, 1)], [(0, 0, True)]),  # the borders decide, whatever the type
        ([(0, 3, 0)], [(0, 2, 1), (2, 3, 0)], [(0, 1, False)]),  # then the type
        ([(0, 3, 0)], [(0, 1, 0), (1, 3, 0)], [(0, 1, False)]),  # then the words in common
        ([(0, 2, 0)], [(0, 1, 0), (1, 2, 0)], [(0, 0, False)]),  # then the leftmost
        ([(0, 2, 0), (2, 4, 0)], [(1, 3, 0), (3, 5, 0)], [(0, 0, False), (1, 1, False)]),
        ([(0, 2, 0), (2, 4, 0)], [(1, 4, 0)], [(1, 0, False)]),
        ([(0, 1, 0)], [(1, 2, 0)], []),  # touching is not overlapping
        ([], [(0, 1, 0)], []),
    ],
)
def test_who_is_paired_first(
    gold: list[Row], predicted: list[Row], pairs: list[tuple[int, int, bool]]
) -> None:
    assert as_rows(gold, predicted) == pairs
