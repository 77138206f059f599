from __future__ import annotations

from collections import Counter

import pytest

from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.tags import spans_of

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")


@pytest.fixture(scope="module")
def sample() -> Corpus:
    return read_corpus("sample")


def mentions(corpus: Corpus, split: str) -> list[tuple[str, str]]:
    found = []
    for row in corpus.splits[split]:
        tags = [corpus.labels.names[tag] for tag in row["ner_tags"]]
        found += [(label, " ".join(row["tokens"][start:end])) for label, start, end in spans_of(tags)]
    return found


def test_size_and_splits(sample: Corpus) -> None:
    assert {split: len(rows) for split, rows in sample.splits.items()} == {
        "train": 366,
        "validation": 120,
        "test": 123,
    }
    assert not sample.invalid
    assert sample.labels.types == TYPES
    assert sample.licence == "CC0 1.0"
    assert "not a benchmark" in sample.notices[0]


def test_mentions_are_many_and_mostly_new_in_test(sample: Corpus) -> None:
    found = {split: mentions(sample, split) for split in sample.splits}
    assert {split: len(rows) for split, rows in found.items()} == {
        "train": 672,
        "validation": 224,
        "test": 224,
    }
    assert len({form for rows in found.values() for _, form in rows}) == 860
    known = {form for _, form in found["train"]}
    unseen = {
        split: sum(form not in known for _, form in found[split]) / len(found[split])
        for split in ("validation", "test")
    }
    assert unseen == pytest.approx({"validation": 134 / 224, "test": 123 / 224})
    assert all(min(Counter(label for label, _ in rows).values()) >= 24 for rows in found.values())


def test_no_sentence_stands_twice(sample: Corpus) -> None:
    sentences = [" ".join(tokens).lower() for rows in sample.splits.values() for tokens in rows["tokens"]]
    assert len(set(sentences)) == len(sentences) == 609
