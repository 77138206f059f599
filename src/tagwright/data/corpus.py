"""A labelled corpus, whatever it was read from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagwright.data.annotations.spans import Misfit
from tagwright.errors import InputError, require
from tagwright.tags.labels import LabelMap

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["SPLITS", "Corpus", "InvalidTag", "Places", "content_hash", "make_dataset"]

SPLITS = ("train", "validation", "test")
"""The splits, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class InvalidTag:
    """A tag that its scheme does not allow where it stands.

    Attributes:
        where: `file:line`.
        split: the split it is in.
        tag: the tag.
        context: the words around it with their tags; it is the one in brackets.
    """

    where: str
    split: str
    tag: str
    context: str

    def __str__(self) -> str:
        return f"{self.where}: {self.tag} in {self.context}"


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the sentences of a split stand in what it was read from.

    Attributes:
        source: the file or table.
        lines: int64, shape (sentences,): the line (or row) on which each begins, counted from 1.
        word_lines: whether each word stands on a line of its own.
    """

    source: str
    lines: NDArray[np.int64]
    word_lines: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def of(self, sentence: int, word: int = 0) -> str:
        """Return `file:line` of a word of a sentence, both counted from 0."""
        return f"{self.source}:{int(self.lines[sentence]) + word * self.word_lines}"

    def take(self, rows: Sequence[int]) -> Places:
        """Return the places of some of the sentences."""
        return Places(self.source, self.lines[np.asarray(rows, dtype=np.int64)], self.word_lines)


@dataclass(slots=True)
class Corpus:
    """Labelled words, split for training.

    Attributes:
        splits: a `datasets.DatasetDict` of `train`, `validation` and `test`, as far as the source has them,
            with columns `id`, `tokens`, `ner_tags` (class labels) and, where the source has running text,
            `text`, `starts` and `ends` (code points, half-open).
        labels: the tags of all splits: O first, then types in alphabetical order.
        source: what was read, as it was named.
        sha256: of the words and tags of all splits as they were read, before any conversion, repair or
            hold-out, and whatever the file format.
        licence: the data's licence, where known.
        notices: counted losses and facts, one line each.
        invalid: tags that break the scheme, as they stood in the source.
        misfits: character spans that did not fall on word borders.
        documents: for each split whose source marks documents, the document of each row.
        places: for each split that was read from lines or rows, where each of its sentences stands.
    """

    splits: DatasetDict
    labels: LabelMap
    source: str
    sha256: str
    licence: str | None = None
    notices: list[str] = field(default_factory=list)
    invalid: list[InvalidTag] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)
    documents: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, Places] = field(default_factory=dict)

    def require_split(self, name: str, *, entities: bool = False) -> Dataset:
        """Return a split that the work cannot do without.

        Args:
            name: the split.
            entities: whether it must hold at least one labelled word, as training does.

        Raises:
            InputError: there is no such split, or it holds no entity; the splits that are there are named.
        """
        if name not in self.splits:
            raise InputError(
                f"the data has no {name} split, only {', '.join(self.splits)}", where=self.source
            )
        split = self.splits[name]
        if entities and not self._has_entities(split):
            raise InputError(
                f"the {name} split holds no entity: every word is tagged O",
                where=self.source,
                mend="nothing can be learned from it; check the column of the tags",
            )
        return split

    def _has_entities(self, split: Any) -> bool:
        outside = self.labels.label2id.get("O", -1)
        return any(tag != outside for tags in split["ner_tags"] for tag in tags)


def make_dataset(
    split: str,
    ids: Sequence[str],
    words: Sequence[str],
    tags: Sequence[int],
    lengths: Sequence[int],
    names: Sequence[str],
    *,
    texts: Sequence[str] | None = None,
    starts: Sequence[int] = (),
    ends: Sequence[int] = (),
) -> Dataset:
    """Build one split out of flat lists, held in memory.

    Args:
        split: its name.
        ids: one a sentence.
        words: every word, one sentence after another.
        tags: the id of each word's tag.
        lengths: words in each sentence.
        names: the tags, in the order of their ids.
        texts: the running text of each sentence; None leaves out the columns `text`, `starts` and `ends`.
        starts: where each word begins in its text, in code points.
        ends: one past where each word ends.
    """
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, NamedSplit, Sequence, Value
    from datasets.table import InMemoryTable

    pa = require("pyarrow", "train")
    offsets = pa.array(np.concatenate(([0], np.cumsum(np.asarray(lengths, dtype=np.int64)))), pa.int32())

    def lists(values: Iterable[Any], kind: Any) -> Any:
        return pa.ListArray.from_arrays(offsets, pa.array(values, kind))

    features: dict[str, Any] = {
        "id": Value("string"),
        "tokens": Sequence(Value("string")),
        "ner_tags": Sequence(ClassLabel(names=list(names))),
    }
    columns = [pa.array(ids, pa.string()), lists(words, pa.string()), lists(tags, pa.int64())]
    if texts is not None:
        numbers = Sequence(Value("int64"))
        features |= {"text": Value("string"), "starts": numbers, "ends": numbers}
        columns += [pa.array(texts, pa.string()), lists(starts, pa.int64()), lists(ends, pa.int64())]
    table = pa.Table.from_arrays(columns, names=list(features))
    info = DatasetInfo(features=Features(features))
    return Dataset(InMemoryTable(table), info=info, split=NamedSplit(split))


def content_hash(parts: Iterable[tuple[str, Sequence[str], Sequence[str], Sequence[int]]]) -> str:
    """Return the SHA-256 of splits: of their names, words, tags and sentence lengths.

    Args:
        parts: for each split its name, its words and tags, flat over sentences, and the sentences' lengths.
    """
    digest = hashlib.sha256()
    for name, words, tags, lengths in parts:
        digest.update(f"{name}\n{len(lengths)}\n".encode())
        digest.update(np.asarray(lengths, dtype="<i8").tobytes())
        for column in (words, tags):
            sizes = np.fromiter(map(len, column), dtype="<i8", count=len(column))
            digest.update(sizes.tobytes())
            digest.update("".join(column).encode())
    return digest.hexdigest()
