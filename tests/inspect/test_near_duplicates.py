from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagwright.inspect import near_duplicates
from tagwright.inspect.near_duplicates import find_near_duplicates
from tests.inspect.corpora import parts

TEN = "the quick brown fox jumps over the lazy dog ."
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "A"]), min_size=1, max_size=7)


def similarity(one: list[str], other: list[str]) -> float:
    """The definition, in so many words."""
    sets = [
        set(zip(["<", *map(str.casefold, words)], [*map(str.casefold, words), ">"], strict=True))
        for words in (one, other)
    ]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        pytest.param(TEN, None, id="a copy is a duplicate, not a near one"),
        pytest.param(TEN.upper(), 1.0, id="only case differs"),
        pytest.param(TEN.replace("fox", "cat"), 9 / 13, id="one word of ten replaced"),
        pytest.param(TEN.replace("the lazy", "lazy"), 9 / 12, id="one word left out"),
        pytest.param("RT " + TEN, 10 / 13, id="one word put before it"),
        pytest.param(TEN.replace("fox", "cat").replace("lazy", "old"), None, id="two words replaced"),
        pytest.param("a b c d e f g h i j", None, id="nothing in common"),
    ],
)
def test_one_sentence(test, expected):
    found = find_near_duplicates(parts(train=f"x y z | {TEN}", test=test)).pairs
    if expected is None:
        assert not found
    else:
        [pair] = found
        assert pair.similarity == pytest.approx(expected)
        assert (pair.where, pair.of["where"]) == ("DatasetDict:test:1", "DatasetDict:train:2")
        assert (pair.text, pair.of["text"]) == (test, TEN)


def test_the_most_similar_sentence_of_each_earlier_split_is_named():
    near, nearer = TEN.replace("fox", "cat"), TEN.replace("fox", "fox fox")
    found = find_near_duplicates(parts(train=f"{near} | {nearer}", validation=near, test=TEN)).pairs
    assert [(pair.split, pair.of["split"], pair.of["text"]) for pair in found] == [
        ("test", "train", nearer),
        ("test", "validation", near),
    ]


def test_every_copy_of_a_near_duplicate_is_listed():
    near = TEN.replace("fox", "cat")
    found = find_near_duplicates(parts(train=TEN, test=f"{near} | {near} | {near.upper()}")).pairs
    assert [pair.where for pair in found] == [f"DatasetDict:test:{row}" for row in (1, 2, 3)]


def test_one_split_has_no_other():
    assert find_near_duplicates(parts(train=f"{TEN} | {TEN.upper()}")).pairs == ()


@given(
    st.lists(WORDS, min_size=1, max_size=8),
    st.lists(WORDS, min_size=1, max_size=8),
    st.sampled_from([0.3, 0.6, 1.0]),
)
def test_nothing_is_missed_and_nothing_is_made_up(train, test, least):
    data = parts(
        train=[[(w, "O") for w in row] for row in train], test=[[(w, "O") for w in row] for row in test]
    )
    found = {pair.where: pair.similarity for pair in find_near_duplicates(data, similar=least).pairs}
    expected = {}
    for number, row in enumerate(test, 1):
        best = max(similarity(row, other) for other in train)
        if row not in train and best >= least - 1e-9:
            expected[f"DatasetDict:test:{number}"] = best
    assert found == pytest.approx(expected)


def test_small_steps_find_the_same(monkeypatch):
    rows = [" ".join(words) for words in product("abc", repeat=4)]
    data = parts(train=" | ".join(rows[::2]), test=" | ".join(rows[1::2]))
    whole = find_near_duplicates(data, similar=0.3)
    monkeypatch.setattr(near_duplicates, "_STEP", 16)
    assert find_near_duplicates(data, similar=0.3) == whole
    assert whole.pairs


def test_what_is_too_frequent_is_left_out_and_counted(monkeypatch):
    train = " | ".join(f"the same words again and again {number}" for number in range(20))
    data = parts(train=train, test=train.replace("again and", "and"))
    monkeypatch.setattr(near_duplicates, "_MOST", 100)
    found = find_near_duplicates(data, similar=0.5)
    assert found.skipped > 0


def test_finds_all_that_minhash_finds():
    """An independent reference: `datasketch`, its candidates checked by the definition."""
    datasketch = pytest.importorskip("datasketch")
    import random

    draw = random.Random(3)
    train = [[draw.choice("abcdefghijklmnop") for _ in range(draw.randint(5, 20))] for _ in range(200)]
    test = []
    for row in train[:60]:
        changed = list(row)
        for _ in range(draw.randint(1, 3)):
            changed[draw.randrange(len(changed))] = draw.choice("abcdefghijklmnop")
        test.append(changed)
    index = datasketch.MinHashLSH(threshold=0.5, num_perm=64)

    def sketch(words):
        drawn = datasketch.MinHash(num_perm=64, seed=1)
        for pair in zip(["<", *words], [*words, ">"], strict=True):
            drawn.update(" ".join(pair).encode())
        return drawn

    for number, row in enumerate(train):
        index.insert(number, sketch(row))
    theirs = {
        number
        for number, row in enumerate(test, 1)
        if row not in train
        and any(similarity(row, train[other]) >= 0.6 for other in index.query(sketch(row)))
    }
    rows = [[[(word, "O") for word in row] for row in side] for side in (train, test)]
    ours = {
        int(pair.where.rpartition(":")[2])
        for pair in find_near_duplicates(parts(train=rows[0], test=rows[1])).pairs
    }
    assert len(theirs) > 10
    assert theirs <= ours
