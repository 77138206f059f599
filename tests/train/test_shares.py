"""Parts of a train split: nested, seeded, by document."""

from __future__ import annotations

import datasets
import pytest

from tagwright.data.load import read_corpus
from tagwright.errors import InputError
from tagwright.train.shares import check_shares, nested_rows, size_of, take_part


def corpus(rows, tags=None, documents=None):
    columns = {"tokens": rows, "tags": tags or [["B-x"] + ["O"] * (len(row) - 1) for row in rows]}
    if documents:
        columns["document"] = documents
    return read_corpus(datasets.Dataset.from_dict(columns))


ROWS = [[f"word{number}", "and", "more"] for number in range(100)]


def test_a_smaller_share_lies_inside_a_larger_one():
    rows = nested_rows(corpus(ROWS), (0.1, 0.25, 1.0), (0, 1, 2))
    for seed in (0, 1, 2):
        assert [len(rows[share, seed]) for share in (0.1, 0.25, 1.0)] == [10, 25, 100]
        assert set(rows[0.1, seed]) < set(rows[0.25, seed]) < set(rows[1.0, seed])
        assert rows[0.25, seed] == sorted(rows[0.25, seed])
    assert len({tuple(rows[0.25, seed]) for seed in (0, 1, 2)}) == 3


def test_the_draw_does_not_depend_on_the_order_of_the_rows():
    def words(data):
        rows = nested_rows(data, (0.2,), (7,))[0.2, 7]
        return {data.splits["train"]["tokens"][row][0] for row in rows}

    assert words(corpus(ROWS)) == words(corpus(ROWS[::-1]))


def test_documents_stay_whole():
    documents = [f"d{number // 8}" for number in range(100)]
    rows = nested_rows(corpus(ROWS, documents=documents), (0.1, 0.5), (0, 1))
    for part in rows.values():
        chosen = {documents[row] for row in part}
        assert part == [row for row in range(100) if documents[row] in chosen]
    assert 10 <= len(rows[0.1, 0]) < 18


def test_copies_of_a_sentence_are_drawn_one_by_one():
    data = corpus([["same", "words"]] * 50 + ROWS[:50])
    part = nested_rows(data, (0.5,), (0,))[0.5, 0]
    assert 10 < sum(row < 50 for row in part) < 40


def test_a_share_without_an_entity_names_the_smallest_that_works():
    tags = [["O", "O", "O"] for _ in ROWS]
    tags[17] = tags[58] = ["B-x", "O", "O"]
    data = corpus(ROWS, tags)
    with pytest.raises(
        InputError, match="holds no entity; the smallest share that does for every seed is"
    ) as caught:
        nested_rows(data, (0.01, 1.0), (0, 1, 2))
    assert "the share 0.01 of the train split (1 sentence, seed 0)" in str(caught.value)
    smallest = float(str(caught.value).split()[-1])
    parts = nested_rows(data, (smallest,), (0, 1, 2))
    assert all({17, 58} & set(part) for part in parts.values())
    with pytest.raises(InputError, match="holds no entity"):
        nested_rows(data, (smallest - 0.01,), (0, 1, 2))


def test_shares_of_the_same_sentences_are_refused():
    documents = ["a"] * 50 + ["b"] * 50
    with pytest.raises(InputError, match=r"the shares 0.1 and 0.25 hold the same 50 sentences \(seed 3\)"):
        nested_rows(corpus(ROWS, documents=documents), (0.1, 0.25, 1.0), (3,))


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ([], "no share is named"),
        ([0.5, 0.0], "a share of 0 of the data"),
        ([1.5], "a share of 1.5 of the data"),
        ([float("nan")], "a share of nan of the data"),
        ([0.5, 1, 0.5], "the share 0.5 is named twice"),
    ],
)
def test_wrong_shares(shares, line):
    with pytest.raises(InputError, match=line):
        check_shares(shares)


def test_shares_are_sorted():
    assert check_shares([1, 0.1, 0.5]) == (0.1, 0.5, 1)


def test_a_part_keeps_the_labels_and_the_other_splits():
    data = corpus(ROWS)
    part = take_part(data, [3, 5], [])
    assert part["train"].features == data.splits["train"].features
    assert part["train"]["tokens"][:] == [ROWS[3], ROWS[5]]
    assert size_of(data, part["train"]) == (6, 2)
