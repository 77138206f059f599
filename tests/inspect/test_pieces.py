from __future__ import annotations

import pytest

from tagwright.encode.align import PieceTable
from tagwright.inspect.pieces import find_long, find_unseen, piece_lengths
from tests.inspect.corpora import parts
from tests.models import tiny_tokenizer


@pytest.fixture(scope="module")
def table():
    return PieceTable(tiny_tokenizer())


def test_words_without_pieces_and_unknown_words(table):
    found = find_unseen(parts(train="the \ufe0f | 東京/B-x", test="\ufe0f/B-x the 東京"), table)
    assert [(word.word, word.pieces, word.count, word.labelled) for word in found] == [
        ("\ufe0f", "none", 2, 1),
        ("東京", "unknown", 2, 1),
    ]
    assert [place["where"] for place in found[0].places] == ["DatasetDict:train:1", "DatasetDict:test:1"]


def test_words_that_are_seen_are_no_finding(table):
    assert find_unseen(parts(train="the view"), table) == ()


def test_long_sentences_the_longest_first(table):
    [part] = parts(train=" | ".join(["the", " ".join(["the"] * 7), " ".join(["the"] * 9)]))
    lengths = piece_lengths(part, table)
    assert lengths.tolist() == [3, 9, 11]
    assert [(one.where, one.words, one.pieces) for one in find_long(part, lengths, 8)] == [
        ("DatasetDict:train:3", 9, 11),
        ("DatasetDict:train:2", 7, 9),
    ]
    assert find_long(part, lengths, 11) == []
