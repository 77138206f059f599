"""Scores against seqeval's, on random tag sequences in its four schemes, in both readings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_precision_recall_fscore_support
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES

from tagwright.score.counts import Reading, score
from tagwright.tags import LabelMap, Scheme

SEQEVAL = {Scheme.IOB1: IOB1, Scheme.IOB2: IOB2, Scheme.BIOES: IOBES, Scheme.BILOU: BILOU}
TYPES = ["PER", "LOC", "SUB-ORG"]


@st.composite
def sides(draw: st.DrawFn, scheme: Scheme) -> tuple[list[list[str]], list[list[str]]]:
    """Gold tags and a prediction that is right on about half of the words."""
    tag = st.sampled_from(LabelMap.from_types(TYPES, scheme).names)
    gold = draw(st.lists(st.lists(tag, max_size=8), min_size=1, max_size=6))
    pred = [[draw(st.just(name) | tag) for name in tags] for tags in gold]
    return gold, pred


def ours(reading: Reading) -> dict[str, Any]:
    return {
        "types": [
            (tally.precision, tally.recall, tally.f1, tally.support) for tally in reading.per_type.values()
        ],
        "micro": (reading.precision, reading.recall, reading.f1, reading.support),
        "macro": (reading.macro_precision, reading.macro_recall, reading.macro_f1, reading.support),
    }


def theirs(gold: list[list[str]], pred: list[list[str]], scheme: type | None) -> dict[str, Any]:
    options: dict[str, Any] = {"zero_division": 0}
    compute = precision_recall_fscore_support
    if scheme is not None:
        options["scheme"] = scheme
        compute = strict_precision_recall_fscore_support
    per_type = compute(gold, pred, average=None, **options)
    result: dict[str, Any] = {"types": list(zip(*per_type, strict=True))}
    for average in ("micro", "macro"):
        # seqeval cannot take the mean of no types at all
        result[average] = compute(gold, pred, average=average, **options) if result["types"] else (0,) * 4
    return result


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one["micro"] == pytest.approx(other["micro"], abs=1e-12)
    assert one["macro"] == pytest.approx(other["macro"], abs=1e-12)
    assert len(one["types"]) == len(other["types"])
    for row, expected in zip(one["types"], other["types"], strict=True):
        assert row == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scheme", SEQEVAL)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_strict(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    assert_equal(ours(score(gold, pred, scheme=scheme).strict), theirs(gold, pred, SEQEVAL[scheme]))


@pytest.mark.parametrize("scheme", SEQEVAL)
@settings(max_examples=80, deadline=None, derandomize=True)
@given(data=st.data())
def test_lenient(scheme: Scheme, data: st.DataObject) -> None:
    gold, pred = data.draw(sides(scheme))
    scores = score(gold, pred, scheme=scheme)
    # seqeval's lenient reading knows BILOU's L and U only by their other letters.
    gold, pred = (
        [[tag.replace("L-", "E-").replace("U-", "S-") for tag in tags] for tags in side]
        for side in (gold, pred)
    )
    assert_equal(ours(scores.lenient), theirs(gold, pred, None))
    if any(gold):
        assert scores.accuracy == pytest.approx(accuracy_score(gold, pred), abs=1e-12)
