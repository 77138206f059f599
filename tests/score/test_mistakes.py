"""The class of every gold and predicted span: one row a rule, and what must hold whatever the spans are."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.score.counts import score_tags
from tagwright.score.mistakes import CLASSES, NOTHING, Mistakes, classify
from tagwright.tags import LabelMap, Scheme, offsets_of
from tagwright.tags.spans import Spans

TYPES = ("group", "location", "person")
NAMES = [name for name, _ in CLASSES]
Triples = list[tuple[int, int, str]]

SWAPPED = {
    "too long": "too short",
    "split": "merged",
    "missed": "spurious",
}
SWAPPED |= {other: one for one, other in SWAPPED.items()}


def spans(triples: Triples) -> Spans:
    columns = list(zip(*triples, strict=True)) or [(), (), ()]
    kinds = [TYPES.index(kind) for kind in columns[2]]
    return Spans(*(np.array(column, dtype=np.int64) for column in (columns[0], columns[1], kinds)))


@st.composite
def some_spans(draw: st.DrawFn) -> Spans:
    steps = draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=12)
    )
    ends = list(accumulate(gap + length for gap, length, _ in steps))
    return spans([(end - length, end, kind) for end, (_, length, kind) in zip(ends, steps, strict=True)])


def names_of(mistakes: Mistakes) -> list[str]:
    return [NAMES[place] for place in mistakes.classes]


@pytest.mark.parametrize(
    ("gold", "predicted", "name"),
    [
        ([(1, 3, "person")], [(1, 3, "person")], "correct"),
        ([(1, 3, "person")], [(1, 3, "group")], "wrong type"),
        ([(1, 3, "person")], [(1, 4, "person")], "too long"),
        ([(1, 3, "person")], [(0, 3, "person")], "too long"),
        ([(1, 3, "person")], [(0, 4, "person")], "too long"),
        ([(1, 3, "person")], [(1, 2, "person")], "too short"),
        ([(1, 3, "person")], [(2, 3, "person")], "too short"),
        ([(1, 4, "person")], [(2, 3, "person")], "too short"),
        ([(1, 3, "person")], [(2, 4, "person")], "shifted"),
        ([(1, 3, "person")], [(0, 2, "person")], "shifted"),
        ([(1, 3, "person")], [(1, 4, "group")], "wrong border and type"),
        ([(1, 3, "person")], [(1, 2, "group")], "wrong border and type"),
        ([(1, 3, "person")], [(2, 4, "group")], "wrong border and type"),
        ([(1, 3, "person")], [(1, 2, "person"), (2, 3, "person")], "split"),
        ([(1, 4, "person")], [(0, 2, "person"), (3, 4, "group")], "split"),
        ([(1, 2, "person"), (2, 3, "person")], [(1, 3, "person")], "merged"),
        ([(0, 2, "person"), (3, 4, "group")], [(1, 4, "location")], "merged"),
        ([(0, 2, "person"), (2, 4, "person")], [(0, 1, "person"), (1, 4, "person")], "tangled"),
        ([(1, 3, "person")], [], "missed"),
        ([], [(1, 3, "person")], "spurious"),
    ],
)
def test_rules(gold: Triples, predicted: Triples, name: str) -> None:
    mistakes = classify(spans(gold), spans(predicted))
    assert names_of(mistakes) == [name]
    assert mistakes.of_gold.tolist() == [NAMES.index(name)] * len(gold)
    assert mistakes.of_predicted.tolist() == [NAMES.index(name)] * len(predicted)


def test_every_class_has_a_rule_and_a_meaning() -> None:
    rules = next(mark for mark in test_rules.pytestmark if mark.name == "parametrize")
    assert {row[2] for row in rules.args[1]} == set(NAMES)
    assert all(meaning for _, meaning in CLASSES)
    assert all(f"| {name} " in str(classify.__doc__) for name in NAMES)


def test_spans_that_only_touch_are_apart() -> None:
    assert names_of(classify(spans([(0, 2, "person")]), spans([(2, 4, "person")]))) == ["missed", "spurious"]


def test_groups_in_order_of_their_words() -> None:
    gold = spans([(0, 2, "person"), (4, 6, "group"), (9, 10, "person")])
    predicted = spans([(0, 2, "person"), (3, 4, "person"), (4, 5, "group"), (5, 6, "location")])
    mistakes = classify(gold, predicted)
    assert names_of(mistakes) == ["correct", "spurious", "split", "missed"]
    assert mistakes.gold_first.tolist() == [0, 1, 1, 2, 3]
    assert mistakes.predicted_first.tolist() == [0, 1, 2, 4, 4]
    assert mistakes.gold_pair.tolist() == [0, -1, 1, 2]
    assert mistakes.predicted_pair.tolist() == [0, 1, 2, -1]
    assert mistakes.wrong.tolist() == [1, 2, 3]


def test_the_span_of_the_right_type_stands_for_a_split() -> None:
    mistakes = classify(spans([(0, 3, "person")]), spans([(0, 2, "group"), (2, 3, "person")]))
    assert (mistakes.gold_pair.tolist(), mistakes.predicted_pair.tolist()) == ([0], [1])


@given(some_spans(), some_spans())
def test_every_span_has_one_class_and_the_counts_add_up(gold: Spans, predicted: Spans) -> None:
    mistakes = classify(gold, predicted)
    assert (len(mistakes.of_gold), len(mistakes.of_predicted)) == (len(gold), len(predicted))
    table = {row["name"]: row for row in mistakes.table(TYPES)}
    assert list(table) == NAMES
    for row in table.values():
        assert row["count"] == sum(row["per_type"].values())
    assert sum(row["count"] for row in table.values()) == len(mistakes)
    assert sum(row["gold"] for row in table.values()) == len(gold)
    assert sum(row["predicted"] for row in table.values()) == len(predicted)

    both = {*zip(gold.starts, gold.ends, gold.types, strict=True)} & {
        *zip(predicted.starts, predicted.ends, predicted.types, strict=True)
    }
    correct = table["correct"]
    assert correct["count"] == correct["gold"] == correct["predicted"] == len(both)
    assert table["missed"]["predicted"] == table["spurious"]["gold"] == 0
    assert table["split"]["count"] == table["split"]["gold"] <= table["split"]["predicted"] / 2
    assert table["merged"]["count"] == table["merged"]["predicted"] <= table["merged"]["gold"] / 2


@given(some_spans(), some_spans())
def test_swapping_the_sides_mirrors_the_classes(gold: Spans, predicted: Spans) -> None:
    names, swapped = names_of(classify(gold, predicted)), names_of(classify(predicted, gold))
    assert swapped == [SWAPPED.get(name, name) for name in names]
    confusion = classify(gold, predicted).confusion(TYPES)
    mirrored = classify(predicted, gold).confusion(TYPES)
    assert confusion["gold"] == mirrored["predicted"]
    assert confusion["counts"] == np.transpose(mirrored["counts"]).tolist()


@given(some_spans())
def test_gold_against_itself_is_correct(gold: Spans) -> None:
    assert set(names_of(classify(gold, gold))) <= {"correct"}


@given(some_spans(), some_spans())
def test_rows_of_the_confusion_are_gold_and_columns_predictions(gold: Spans, predicted: Spans) -> None:
    confusion = classify(gold, predicted).confusion(TYPES)
    used = {*gold.types.tolist(), *predicted.types.tolist()}
    assert confusion["gold"] == confusion["predicted"] == [*(TYPES[kind] for kind in sorted(used)), NOTHING]
    counts = np.array(confusion["counts"])
    assert counts[-1, -1] == 0
    for side, sums in ((gold, counts.sum(axis=1)), (predicted, counts.sum(axis=0))):
        found = Counter(TYPES[kind] for kind in side.types)
        assert sums[:-1].tolist() == [found[name] for name in confusion["gold"][:-1]]


def test_confusion_by_hand() -> None:
    gold = spans([(0, 2, "person"), (3, 5, "person"), (6, 7, "location"), (8, 9, "person")])
    predicted = spans(
        [(0, 2, "person"), (3, 4, "group"), (4, 5, "person"), (8, 9, "location"), (10, 11, "group")]
    )
    assert classify(gold, predicted).confusion(TYPES) == {
        "gold": ["group", "location", "person", NOTHING],
        "predicted": ["group", "location", "person", NOTHING],
        "counts": [
            [0, 0, 0, 0],
            [0, 0, 0, 1],
            [0, 1, 2, 0],  # the split person counts by the part of its own type
            [2, 0, 0, 0],
        ],
    }


@pytest.mark.parametrize("scheme", [Scheme.IOB2, Scheme.BIOES, Scheme.IO, Scheme.WORD])
@given(data=st.data())
def test_the_classes_agree_with_the_scores(scheme: Scheme, data: st.DataObject) -> None:
    labels = LabelMap.from_types(TYPES, scheme)
    lengths = data.draw(st.lists(st.integers(0, 6), max_size=5))
    tags = st.lists(st.integers(0, len(labels) - 1), min_size=sum(lengths), max_size=sum(lengths))
    ids = [np.array(data.draw(tags), dtype=np.int64) for _ in range(2)]
    offsets = offsets_of(lengths)
    mistakes = classify(*(labels.spans(side, offsets) for side in ids))
    scores = score_tags(*ids, offsets, labels)
    micro = scores.lenient.micro
    found = np.count_nonzero(mistakes.of_gold == 0), np.count_nonzero(mistakes.of_predicted == 0)
    assert found == (micro.correct, micro.correct)
    assert (len(mistakes.of_gold), len(mistakes.of_predicted)) == (micro.gold, micro.predicted)
    if scheme is Scheme.WORD:
        assert set(names_of(mistakes)) <= {"correct", "wrong type"}

    semeval, names = scores.to_dict(), names_of(mistakes)
    assert names.count("correct") + names.count("wrong type") == semeval["boundary"]["correct"]
    counts = mistakes.confusion(labels.types)["counts"]
    assert sum(row[place] for place, row in enumerate(counts)) == semeval["type"]["correct"]
    assert sum(row[-1] for row in counts) == semeval["type"]["missed"]
    assert sum(counts[-1]) == semeval["type"]["spurious"]


def test_nothing_at_all() -> None:
    mistakes = classify(spans([]), spans([]))
    assert len(mistakes) == 0
    assert [row["count"] for row in mistakes.table([])] == [0] * len(CLASSES)
    assert mistakes.confusion([]) == {"gold": [NOTHING], "predicted": [NOTHING], "counts": [[0]]}
