"""Bootstrap intervals from counts of equal units: exact, and blind to the order of units."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.errors import InputError
from tagwright.score.counts import score
from tagwright.score.resample import UnitCounts, draws, f1_intervals, merge_kinds, units_of
from tagwright.tags import LabelMap, Scheme, Spans, offsets_of

LABELS = LabelMap.from_types(["person", "location", "group"], Scheme.IOB2)
Tags = list[list[str]]


@st.composite
def sides(draw: st.DrawFn, *, max_size: int = 8) -> tuple[Tags, Tags]:
    tag = st.sampled_from(LABELS.names)
    gold = draw(st.lists(st.lists(tag, max_size=6), max_size=max_size))
    return gold, [[draw(st.just(name) | tag) for name in tags] for tags in gold]


def spans(tags: Tags) -> tuple[Spans, np.ndarray]:
    offsets = offsets_of(map(len, tags))
    return LABELS.spans(LABELS.ids(name for row in tags for name in row), offsets), offsets


def counts_of(gold: Tags, pred: Tags, documents: list[str | None] | None = None) -> UnitCounts:
    (ours, offsets), (theirs, _) = spans(gold), spans(pred)
    return UnitCounts.of(ours, theirs, offsets, LABELS.types, documents=documents)


def random_sides(sentences: int, seed: int = 0) -> tuple[Tags, Tags]:
    generator = np.random.default_rng(seed)
    names = np.array(LABELS.names)
    gold = names[generator.choice(7, (sentences, 6), p=[0.7, *[0.05] * 6])]
    pred = np.where(generator.random(gold.shape) < 0.2, names[generator.integers(0, 7, gold.shape)], gold)
    return gold.tolist(), pred.tolist()


@given(sides(), st.data())
def test_parts_add_up_and_order_leaves_no_trace(both: tuple[Tags, Tags], data: st.DataObject) -> None:
    gold, pred = both
    whole = counts_of(gold, pred)
    cut = data.draw(st.integers(0, len(gold)))
    assert counts_of(gold[:cut], pred[:cut]) + counts_of(gold[cut:], pred[cut:]) == whole

    order = data.draw(st.permutations(range(len(gold))))
    moved = counts_of([gold[place] for place in order], [pred[place] for place in order])
    assert moved == whole
    assert f1_intervals(moved, rounds=20) == f1_intervals(whole, rounds=20)


@given(sides())
def test_totals_are_the_scores(both: tuple[Tags, Tags]) -> None:
    gold, pred = both
    counts = counts_of(gold, pred)
    assert counts.units == len(gold)
    per_type = score(gold, pred, scheme=Scheme.IOB2).lenient.per_type
    totals = {name: tuple(row) for name, row in zip(counts.types, counts.totals.tolist(), strict=True)}
    assert {name: row for name, row in totals.items() if any(row)} == {
        name: (tally.correct, tally.gold, tally.predicted) for name, tally in per_type.items()
    }
    assert set(f1_intervals(counts, rounds=2).per_type) == set(per_type)


def test_the_same_distribution_as_a_plain_bootstrap() -> None:
    gold, pred = random_sides(200)
    found = f1_intervals(counts_of(gold, pred), rounds=4000, seed=1)

    single = [counts_of([one], [other]).totals for one, other in zip(gold, pred, strict=True)]
    tables = np.array(single)  # (sentences, types, 3)
    generator = np.random.default_rng(2)
    sums = np.array([tables[generator.integers(0, 200, 200)].sum(axis=0) for _ in range(4000)])

    def plain(counts: np.ndarray) -> np.ndarray:
        f1 = 2 * counts[..., 0] / (counts[..., 1] + counts[..., 2])
        return np.quantile(f1, [0.025, 0.975], axis=0)

    assert found.micro == pytest.approx(plain(sums.sum(axis=1)), abs=0.006)
    for number, name in enumerate(sorted(LABELS.types)):
        assert found.per_type[name] == pytest.approx(plain(sums[:, number]), abs=0.01)
    macro = np.quantile((2 * sums[..., 0] / (sums[..., 1] + sums[..., 2])).mean(axis=1), [0.025, 0.975])
    assert found.macro == pytest.approx(macro, abs=0.006)


def test_types_are_merged_by_name() -> None:
    one = LabelMap(["O", "B-b", "B-a"], Scheme.IOB2)
    other = LabelMap(["O", "B-c", "B-b"], Scheme.IOB2)
    ids, offsets = np.array([1, 2, 0]), np.array([0, 3])
    parts = [
        UnitCounts.of(side.spans(ids, offsets), side.spans(ids, offsets), offsets, side.types)
        for side in (one, other)
    ]
    merged = sum(parts, UnitCounts())
    assert merged.types == ("a", "b", "c")
    assert merged.totals.tolist() == [[1, 1, 1], [2, 2, 2], [1, 1, 1]]
    assert merged == sum(reversed(parts), UnitCounts())


def test_nothing_is_zero() -> None:
    for counts in (UnitCounts(), counts_of([], []), counts_of([["O"], []], [["O"], []])):
        found = f1_intervals(counts, rounds=10)
        assert (found.micro, found.macro, found.per_type) == ((0.0, 0.0), (0.0, 0.0), {})


def test_units_with_nothing_count_as_units() -> None:
    gold, pred = [["B-person"], ["O"], ["O"]], [["B-person"], ["O"], ["O"]]
    counts = counts_of(gold, pred)
    assert counts.times.tolist() == [2, 1]
    low, high = f1_intervals(counts, rounds=500).micro
    assert (low, high) == (0.0, 1.0)  # three draws that miss the one entity happen in 8 of 27


def test_documents_are_drawn_whole() -> None:
    gold, pred = random_sides(6)
    documents = ["a", "b", "a", None, "b", None]
    units, count = units_of(documents, 6)
    assert (units.tolist(), count) == ([0, 1, 0, 2, 1, 3], 4)
    counts = counts_of(gold, pred, documents)
    assert counts.units == 4
    glued = [(0, 2), (1, 4), (3,), (5,)]
    gold_units, pred_units = (
        [[tag for i in unit for tag in ("O", *side[i])] for unit in glued] for side in (gold, pred)
    )
    assert counts == counts_of(gold_units, pred_units)
    assert counts_of(gold, pred, ["one"] * 6) == counts_of(gold, pred)  # one document cannot be resampled


def test_seeds() -> None:
    counts = counts_of(*random_sides(50))
    assert f1_intervals(counts, seed=3) == f1_intervals(counts, seed=3)
    assert f1_intervals(counts, seed=3) != f1_intervals(counts, seed=4)
    wide, narrow = (f1_intervals(counts, level=level).micro for level in (0.99, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_draws_do_not_depend_on_how_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.array([5, 1, 9])
    whole = np.concatenate(list(draws(times, rounds=10, seed=0)))
    monkeypatch.setattr("tagwright.score.resample._CELLS", 9)
    cut = list(draws(times, rounds=10, seed=0))
    assert len(cut) == 4
    assert np.array_equal(np.concatenate(cut), whole)
    assert (whole.sum(axis=1) == 15).all()
    gold, pred = random_sides(40)
    assert counts_of(gold, pred).units == 40


@pytest.mark.parametrize(("setting", "value"), [("rounds", 0), ("level", 0.0), ("level", 95)])
def test_settings_that_make_no_sense(setting: str, value: float) -> None:
    with pytest.raises(InputError, match=setting):
        f1_intervals(UnitCounts(), **{setting: value})


def test_a_million_sentences_in_bounded_memory() -> None:
    generator = np.random.default_rng(0)
    starts = np.sort(generator.choice(4_000_000, 600_000, replace=False))
    gold = Spans(starts, starts + 1, generator.integers(0, 3, len(starts)))
    kept = generator.random(len(starts)) < 0.8
    predicted = Spans(starts[kept], starts[kept] + 1, generator.integers(0, 3, kept.sum()))
    tracemalloc.start()
    counts = UnitCounts.of(gold, predicted, np.arange(0, 4_000_001, 4), LABELS.types)
    found = f1_intervals(counts)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts.units == 1_000_000
    assert found.micro == pytest.approx((2 * 0.8 / 3 / 1.8,) * 2, abs=0.01)  # a third of the types agrees
    assert peak < 400e6


@given(
    st.lists(
        st.lists(st.sampled_from([-300, -1, 0, 1, 127, 128, 70_000]), min_size=3, max_size=3), min_size=1
    )
)
def test_kinds_are_the_distinct_rows_in_order_negative_or_large(rows):
    table = np.array(rows, dtype=np.int64)
    merged, times = merge_kinds(table, np.arange(1, len(rows) + 1))
    expected, inverse = np.unique(table, axis=0, return_inverse=True)
    assert merged.tolist() == expected.tolist()
    weights = np.arange(1, len(rows) + 1)
    assert times.tolist() == np.bincount(inverse.ravel(), weights=weights).tolist()
