"""What a data set holds: sizes, types, lengths, invalid tags, and how much of it training has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagwright.config import DataSettings
from tagwright.encode.align import PieceTable
from tagwright.tags import LabelMap, offsets_of

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["DataSummary", "Lengths", "Overlap", "SplitSummary", "inspect_data"]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Quantiles of the lengths of sentences; each is the length of a real sentence.

    Attributes:
        median: half of the sentences are no longer.
        p90: nor are 90% longer than this.
        p99: nor 99%.
        longest: the longest.
    """

    median: int
    p90: int
    p99: int
    longest: int

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> Lengths:
        """Take the quantiles of lengths, shape (sentences,); all 0 when there is none."""
        if not len(lengths):
            return cls(0, 0, 0, 0)
        return cls(*(int(q) for q in np.quantile(lengths, [0.5, 0.9, 0.99, 1], method="inverted_cdf")))


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """One split.

    Attributes:
        sentences: how many.
        words: how many.
        mentions: labelled spans, by the lenient reading of the tags.
        types: mentions of each type, most frequent first.
        examples: for each type its most frequent surface forms (words joined by blanks), with their counts.
        words_per_sentence: lengths in words.
        pieces_per_sentence: lengths in the encoder's pieces, special ones included; None without an encoder.
        over_limit: sentences longer than the encoder takes at once, which are cut into windows; None without
            an encoder.
    """

    sentences: int
    words: int
    mentions: int
    types: Mapping[str, int]
    examples: Mapping[str, Mapping[str, int]]
    words_per_sentence: Lengths
    pieces_per_sentence: Lengths | None = None
    over_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a split's mentions have a surface form that some mention of the training split has, too.

    Attributes:
        mentions: mentions of the split.
        in_train_exact: those with the same form in train, whatever its type there.
        in_train_casefold: the same when upper and lower case are not told apart.
    """

    mentions: int
    in_train_exact: int
    in_train_casefold: int


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What `inspect_data` found.

    Attributes:
        source: the data as it was named.
        sha256: of its content.
        licence: as far as it is known.
        scheme: the scheme of the tags.
        labels: every tag, in the order of the ids.
        splits: by name, in the order of the data.
        overlap: with train, for every other split; empty when there is no train.
        invalid_tags: tags that the scheme does not allow where they stand: `where` (file:line), `split`,
            `tag` and `context`.
        notices: what reading the data had to say: counted losses and facts.
        encoder: the encoder that pieces are counted for.
        max_pieces: how many it takes at once, special ones included.
    """

    source: str
    sha256: str
    licence: str | None
    scheme: str
    labels: tuple[str, ...]
    splits: Mapping[str, SplitSummary]
    overlap: Mapping[str, Overlap]
    invalid_tags: tuple[Mapping[str, str], ...]
    notices: tuple[str, ...]
    encoder: str | None = None
    max_pieces: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """An encoder's pieces and its limit."""

    table: PieceTable
    limit: int


def inspect_data(
    source: str | Path | DatasetDict,
    *,
    encoder: str | None = None,
    splitter: str = "english",
    settings: DataSettings | None = None,
    examples: int = 5,
) -> DataSummary:
    """Summarise a data set.

    Args:
        source: catalogue name, `hub:owner/name[@revision]`, folder, file, or data that are loaded already.
        encoder: also count the lengths in this encoder's pieces; `minilm`, a folder or a name on the Hub.
        splitter: how running text is cut into words, where the data have no words of their own.
        settings: how the data are read.
        examples: surface forms to keep for each type.

    Raises:
        InputError: the data cannot be read, or there is no such encoder or splitter.

    >>> inspect_data("sample").splits["train"].mentions > 0
    True
    """
    from tagwright.data.load import read_corpus
    from tagwright.encode.words import check_splitter, split_words

    check_splitter(splitter)
    split_text = partial(split_words, splitter=splitter)
    corpus = read_corpus(source, settings=settings or DataSettings(), split=split_text)
    pieces = _load_pieces(encoder) if encoder else None
    splits, forms = {}, {}
    for name, split in corpus.splits.items():
        splits[name], forms[name] = _summarise(split, corpus.labels, pieces, examples)
    known = forms.get("train")
    return DataSummary(
        source=corpus.source,
        sha256=corpus.sha256,
        licence=corpus.licence,
        scheme=corpus.labels.scheme.value,
        labels=corpus.labels.names,
        splits=splits,
        overlap={name: _overlap(forms[name], known) for name in splits if name != "train"} if known else {},
        invalid_tags=tuple(
            {"where": tag.where, "split": tag.split, "tag": tag.tag, "context": tag.context}
            for tag in corpus.invalid
        ),
        notices=tuple(corpus.notices),
        encoder=encoder,
        max_pieces=pieces.limit if pieces else None,
    )


def _load_pieces(encoder: str) -> _Pieces:
    from tagwright.model.network import load_tokenizer_of, pieces_limit_of

    return _Pieces(PieceTable(load_tokenizer_of(encoder)), pieces_limit_of(encoder))


def _summarise(
    split: Dataset, labels: LabelMap, pieces: _Pieces | None, examples: int
) -> tuple[SplitSummary, Counter[str]]:
    """Return a split's summary and the surface forms of its mentions."""
    columns = split.select_columns(["tokens", "ner_tags"]).with_format("arrow")[:]
    sentences = columns["tokens"].to_pylist()
    words = list(chain.from_iterable(sentences))
    ids = np.fromiter(chain.from_iterable(columns["ner_tags"].to_pylist()), dtype=np.int64, count=len(words))
    offsets = offsets_of(map(len, sentences))
    spans = labels.spans(ids, offsets)
    by_type: dict[str, Counter[str]] = {label: Counter() for label in labels.types}
    for start, end, label in zip(
        spans.starts.tolist(), spans.ends.tolist(), spans.types.tolist(), strict=True
    ):
        by_type[labels.types[label]][" ".join(words[start:end])] += 1
    by_type = dict(sorted(by_type.items(), key=lambda item: -item[1].total()))
    lengths = _piece_lengths(words, offsets, pieces.table) if pieces else None
    summary = SplitSummary(
        sentences=len(sentences),
        words=len(words),
        mentions=len(spans),
        types={label: forms.total() for label, forms in by_type.items()},
        examples={label: dict(_most_frequent(forms, examples)) for label, forms in by_type.items()},
        words_per_sentence=Lengths.of(np.diff(offsets)),
        pieces_per_sentence=None if lengths is None else Lengths.of(lengths),
        over_limit=None if lengths is None or pieces is None else int((lengths > pieces.limit).sum()),
    )
    return summary, sum(by_type.values(), Counter())


def _most_frequent(forms: Counter[str], count: int) -> Iterable[tuple[str, int]]:
    return sorted(forms.items(), key=lambda item: (-item[1], item[0]))[:count]


def _piece_lengths(words: list[str], offsets: NDArray[np.int64], table: PieceTable) -> NDArray[np.int64]:
    """Return the pieces of each sentence, special ones included: int64, shape (sentences,)."""
    _, counts = table.pieces(words)
    ends = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    lengths: NDArray[np.int64] = np.diff(ends[offsets]) + len(table.before) + len(table.after)
    return lengths


def _overlap(forms: Counter[str], known: Counter[str]) -> Overlap:
    folded = {form.casefold() for form in known}
    return Overlap(
        mentions=forms.total(),
        in_train_exact=sum(count for form, count in forms.items() if form in known),
        in_train_casefold=sum(count for form, count in forms.items() if form.casefold() in folded),
    )
