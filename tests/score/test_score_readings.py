"""What each reading makes of a pair of spans, of forms that occur again, and of documents."""

from __future__ import annotations

import pytest

from tagwright.score.counts import Matches, Scores, score, score_tags
from tagwright.tags import LabelMap, Scheme, offsets_of

LABELS = LabelMap.from_types(["per", "loc", "grp"], Scheme.IOB2)


def count(gold: str, predicted: str, words: str = "", documents: list[str | None] | None = None) -> Scores:
    """Score sentences of tags; `|` ends a sentence."""
    sides = [[sentence.split() for sentence in side.split("|")] for side in (gold, predicted)]
    ids = [LABELS.ids(tag for sentence in side for tag in sentence) for side in sides]
    known = words.replace("|", " ").split() or None
    return score_tags(*ids, offsets_of(map(len, sides[0])), LABELS, words=known, documents=documents)


# One row a rule, as in the docstring of `tagwright.score.semeval`.
@pytest.mark.parametrize(
    ("gold", "predicted", "boundary", "by_type", "partial"),
    [
        ("B-per I-per", "B-per I-per", "correct", "correct", "correct"),
        ("B-per I-per", "B-loc I-loc", "correct", "incorrect", "correct"),
        ("B-per I-per", "B-per O", "incorrect", "correct", "partial"),
        ("B-per I-per", "B-loc O", "incorrect", "incorrect", "partial"),
        ("B-per I-per", "O O", "missed", "missed", "missed"),
        ("O O", "B-per I-per", "spurious", "spurious", "spurious"),
    ],
)
def test_rules(gold: str, predicted: str, boundary: str, by_type: str, partial: str) -> None:
    scores = count(gold, predicted)
    for reading, expected in (
        (scores.boundary, boundary),
        (scores.type, by_type),
        (scores.partial, partial),
    ):
        written = reading.to_dict()
        counts = {name: written[name] for name in ("correct", "incorrect", "partial", "missed", "spurious")}
        assert {name for name, number in counts.items() if number} == {expected}
        right = {"correct": 1.0, "partial": 0.5}.get(expected, 0.0)
        assert (reading.precision, reading.recall, reading.f1) == (right, right, right)


def test_the_example_of_the_page() -> None:
    scores = count(
        "B-per I-per O B-per I-per O B-loc | B-per I-per O B-grp I-grp O",
        "B-per I-per O O B-per O B-per | O O O B-loc I-loc B-grp",
        words="Ada Lovelace met Charles Babbage in London | Ada Lovelace joined Royal Society Monday",
    )
    written = scores.to_dict()
    counts = [
        [written[name][key] for key in ("correct", "incorrect", "partial", "missed", "spurious")]
        for name in ("boundary", "type", "partial")
    ]
    assert counts == [[3, 1, 0, 1, 1], [2, 2, 0, 1, 1], [3, 0, 1, 1, 1]]
    ratios = [written[name]["f1"] for name in ("lenient", "strict", "boundary", "type", "partial", "surface")]
    assert ratios == pytest.approx([0.2, 0.2, 0.6, 0.4, 0.7, 2 / 9])
    assert (written["surface"]["precision"], written["surface"]["recall"]) == (0.2, 0.25)


def test_a_pair_is_one_to_one() -> None:
    # A split: the larger half is the pair, the other is spurious.
    split = count("B-per I-per I-per", "B-per I-per B-per").type.micro
    assert (split.correct, split.missed, split.spurious) == (1, 0, 1)
    # Two that are merged: one is the pair, the other is missed.
    merged = count("B-per I-per B-loc", "B-per I-per I-per").partial.micro
    assert (merged.partial, merged.missed, merged.spurious) == (1, 1, 0)


def test_types_of_a_pair_that_differ_count_each_on_its_side() -> None:
    boundary = count("B-per O", "B-loc O").boundary
    assert boundary.per_type == {
        "loc": Matches(predicted=1, predicted_correct=1),
        "per": Matches(correct=1),
    }
    rows = boundary.to_dict()["per_type"]
    assert (rows["per"]["recall"], rows["per"]["precision"], rows["per"]["support"]) == (1, 0, 1)
    assert (rows["loc"]["recall"], rows["loc"]["precision"], rows["loc"]["support"]) == (0, 1, 0)
    assert (boundary.precision, boundary.recall, boundary.f1) == (1, 1, 1)


def test_nothing_is_no_division() -> None:
    for reading in (Scores().boundary, Scores().type, Scores().partial):
        assert (reading.precision, reading.recall, reading.f1, reading.macro_f1) == (0, 0, 0, 0)


def test_a_form_counts_once_and_is_correct_when_it_was_once_at_its_place() -> None:
    scores = count(
        "B-per O | B-per O | B-per I-per | B-loc O",
        "B-per O | O O | B-per O | B-per O",
        words="Ada sings | Ada reads | Ada Lovelace | Paris sleeps",
    )
    assert scores.surface is not None
    assert scores.surface.gold == {("Ada", "per"), ("Ada Lovelace", "per"), ("Paris", "loc")}
    # "Ada" of the third sentence is wrong there; that it was right elsewhere is enough.
    assert scores.surface.predicted == {("Ada", "per"), ("Paris", "per")}
    assert scores.surface.correct == {("Ada", "per")}
    assert (scores.surface.precision, scores.surface.recall, scores.surface.support) == (1 / 2, 1 / 3, 3)
    assert scores.to_dict()["surface"]["per_type"]["loc"]["recall"] == 0


def test_a_form_on_both_sides_need_not_be_correct() -> None:
    scores = count("B-per O | O O", "O O | B-per O", words="Ada sings | Ada sings")
    assert scores.surface is not None
    assert scores.surface.gold == scores.surface.predicted == {("Ada", "per")}
    assert scores.surface.f1 == 0


def test_surface_is_left_out_where_words_are_unknown() -> None:
    tags = [["B-per", "O"]]
    assert "surface" not in score(tags, tags).to_dict()
    known = count("B-per O", "B-per O", words="Ada sings")
    assert (known + Scores()).surface == (Scores() + known).surface == known.surface
    assert (known + score(tags, tags)).surface is None


def test_documents_are_resampled_whole() -> None:
    gold, predicted = "B-per | B-per | B-loc | B-loc", "B-per | B-per | O | O"
    alone, grouped, one = (
        count(gold, predicted, documents=documents)
        for documents in (None, ["a", "a", "b", "b"], ["a", "a", "a", "a"])
    )
    assert [each.to_dict()["interval_unit"] for each in (alone, grouped, one)] == [
        "sentences",
        "documents",
        "sentences",
    ]
    assert alone.lenient.f1 == grouped.lenient.f1
    width = [high - low for low, high in (each.to_dict()["f1_interval"] for each in (alone, grouped, one))]
    assert width[0] == width[2] <= width[1] == 1  # with two documents, either may be drawn twice
    # Two parts of a document each are two documents, and one sentence outside of any is a unit.
    first = count("B-per | B-per", "B-per | O", documents=["a", "a"])
    other = count("B-loc | B-loc", "B-loc | O", documents=["b", None])
    assert (first + other).lenient_units.documents.units == 3
    assert (first + other).to_dict()["interval_unit"] == "documents"
    assert count("B-per | B-per", "B-per | O", documents=["", ""]) == count("B-per | B-per", "B-per | O")


def test_a_label_a_word_has_an_interval_over_all_labels_together() -> None:
    written = score([["NOUN", "VERB"], ["NOUN", "NOUN"]], [["NOUN", "X"], ["NOUN", "NOUN"]]).to_dict()
    low, high = written["f1_interval"]
    assert low < written["lenient"]["f1"] <= high
    assert "f1_interval" not in written["lenient"]["per_type"]["NOUN"]


def test_lengths_are_checked() -> None:
    ids = LABELS.ids(["B-per", "O"])
    with pytest.raises(ValueError, match="2 gold tags, 1 words"):
        score_tags(ids, ids, offsets_of([2]), LABELS, words=["Ada"])
    with pytest.raises(ValueError, match="1 sentences, 2 documents"):
        score_tags(ids, ids, offsets_of([2]), LABELS, documents=["a", "b"])
