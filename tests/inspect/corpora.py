"""Small corpora, written as text: `word/tag` by blanks, sentences by `|`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import datasets

from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.inspect.part import Part, parts_of

Sentence = Sequence[tuple[str, str]]


def sentences(text: str) -> list[Sentence]:
    """Read sentences; a word without a tag is outside."""
    rows = [[word.rpartition("/") for word in row.split(" ") if word] for row in text.split("|")]
    return [[(word, tag) if slash else (tag, "O") for word, slash, tag in row] for row in rows]


def corpus(**splits: str | Sequence[Sentence]) -> Corpus:
    """Build a corpus of splits, in memory."""
    columns: Mapping[str, datasets.Dataset] = {
        name: datasets.Dataset.from_dict(
            {
                "tokens": [[word for word, _ in row] for row in rows],
                "tags": [[tag for _, tag in row] for row in rows],
            }
        )
        for name, rows in (
            (name, sentences(rows) if isinstance(rows, str) else rows) for name, rows in splits.items()
        )
    }
    return read_corpus(datasets.DatasetDict(columns))


def parts(**splits: str | Sequence[Sentence]) -> list[Part]:
    """Build the parts of such a corpus."""
    return parts_of(corpus(**splits))
