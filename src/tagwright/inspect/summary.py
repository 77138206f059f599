"""What a data set holds and what is wrong with it: every check, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tagwright.config import DataSettings
from tagwright.data.corpus import Corpus
from tagwright.encode.align import PieceTable
from tagwright.errors import require
from tagwright.inspect.borders import UnbalancedSpan, find_unbalanced
from tagwright.inspect.characters import OddWord, find_odd_words
from tagwright.inspect.coverage import Overlap, TypeCount, find_rare_types, overlap_of, type_counts
from tagwright.inspect.duplicates import DuplicateCounts, DuplicateGroup, SharedSentences, find_duplicates
from tagwright.inspect.findings import Finding, list_findings
from tagwright.inspect.inconsistency import Inconsistency, find_inconsistencies
from tagwright.inspect.near_duplicates import NearDuplicate, find_near_duplicates
from tagwright.inspect.part import parts_of
from tagwright.inspect.pieces import LongSentence, UnseenWord, find_long, find_unseen, piece_lengths
from tagwright.inspect.sizes import Lengths, SplitSummary, summarise
from tagwright.tags import LabelMap

if TYPE_CHECKING:
    from datasets import DatasetDict

    from tagwright.predict.tagger import Tagger

__all__ = ["DataSummary", "Lengths", "Overlap", "Probabilities", "SplitSummary", "inspect_data"]

Probabilities: TypeAlias = Mapping[str, tuple[NDArray[np.float32], LabelMap]]
"""For each split, each word's probabilities, float32, shape (words, labels), and the labels of the columns."""


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What `inspect_data` found. Whatever has a place carries `split` and `where` (file:line).

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
        duplicates: sentences that occur more than once, counted for each split.
        duplicates_across: sentences that two splits have in common.
        duplicate_groups: those sentences, the ones with different tags first.
        near_duplicates: sentences that are nearly those of an earlier split.
        inconsistent_forms: surface forms that are labelled in several ways, the oddest first.
        odd_words: words with characters that nobody sees or that pass for others.
        unbalanced_spans: labelled spans that hold one half of a pair of quotes or brackets.
        rare_types: types with fewer than 20 mentions in a split.
        missing_types: types that a split lacks.
        unseen_words: words of which the encoder sees nothing; empty without one.
        long_sentences: sentences longer than the encoder takes at once; empty without one.
        label_errors: for each split that was looked at, spans that are probably labelled wrongly; see
            `tagwright.inspect.label_errors`.
        findings: all of it in short, what matters most first.
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
    duplicates: Mapping[str, DuplicateCounts]
    duplicates_across: tuple[SharedSentences, ...]
    duplicate_groups: tuple[DuplicateGroup, ...]
    near_duplicates: tuple[NearDuplicate, ...]
    inconsistent_forms: tuple[Inconsistency, ...]
    odd_words: tuple[OddWord, ...]
    unbalanced_spans: tuple[UnbalancedSpan, ...]
    rare_types: tuple[TypeCount, ...]
    missing_types: tuple[TypeCount, ...]
    notices: tuple[str, ...]
    unseen_words: tuple[UnseenWord, ...] = ()
    long_sentences: tuple[LongSentence, ...] = ()
    label_errors: Mapping[str, Mapping[str, Any]] | None = None
    findings: tuple[Finding, ...] = ()
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
    source: str | Path | DatasetDict | Corpus,
    *,
    encoder: str | None = None,
    splitter: str = "english",
    settings: DataSettings | None = None,
    examples: int = 5,
    bundle: str | Path | Tagger | None = None,
    bundle_splits: Sequence[str] | None = None,
    probabilities: Callable[[Corpus], Probabilities] | None = None,
    top: int = 100,
) -> DataSummary:
    """Look at a data set: what it holds, and what is wrong with it.

    Args:
        source: catalogue name, `hub:owner/name[@revision]`, folder, file, or data that are loaded already.
        encoder: also count the lengths in this encoder's pieces, and look for words that it does not see;
            `minilm`, a folder or a name on the Hub.
        splitter: how running text is cut into words, where the data have no words of their own.
        settings: how the data are read.
        examples: surface forms to keep for each type.
        bundle: also look for label errors with this tagger.
        bundle_splits: in which splits; None takes all but train, or train where there is no other.
        probabilities: look for label errors with what this returns instead, given the corpus: each word's
            probabilities in some splits, such as `tagwright.train.folds.cross_probabilities` gives.
        top: likely label errors to keep for each split.

    Raises:
        InputError: the data cannot be read, or there is no such encoder, splitter or bundle.
        MissingExtraError: label errors are asked for, and cleanlab is not installed.

    >>> inspect_data("sample").splits["train"].mentions > 0
    True
    """
    if bundle is not None or probabilities is not None:
        require("cleanlab", "inspect")  # or the lack of it would show after an hour's work
    tagger = _load_tagger(bundle) if bundle is not None else None
    if tagger is not None:
        splitter = tagger.meta.splitter
    corpus = source if isinstance(source, Corpus) else _read(source, splitter, settings)
    parts = parts_of(corpus)
    pieces = _load_pieces(encoder) if encoder else None
    counts = {part.name: type_counts(part) for part in parts}
    duplicates, near = find_duplicates(parts), find_near_duplicates(parts)
    rare, missing = find_rare_types(counts)
    train = next((part for part in parts if part.name == "train"), None)
    notices = list(corpus.notices)
    if near.skipped:
        notices.append(
            f"near-duplicates: {near.skipped:,} pairs of words stand in too many sentences and were not followed"
        )
    if tagger is not None:
        from tagwright.inspect.probabilities import bundle_probabilities, splits_to_judge, trained_on

        judged = bundle_splits or splits_to_judge(corpus)
        probabilities = partial(bundle_probabilities, bundle=tagger, splits=judged)
        if "train" in judged and trained_on(tagger, corpus):
            notices.append(
                "label errors: the tagger was trained on the train split of this data, and has learned errors there;"
                " --folds looks with taggers that have not"
            )
    splits, long = {}, []
    for part in parts:
        lengths = piece_lengths(part, pieces.table) if pieces else None
        splits[part.name] = summarise(part, counts[part.name], examples, lengths)
        if lengths is not None and pieces is not None:
            over = find_long(part, lengths, pieces.limit)
            splits[part.name] = replace(splits[part.name], over_limit=len(over))
            long += over
    summary = DataSummary(
        source=corpus.source,
        sha256=corpus.sha256,
        licence=corpus.licence,
        scheme=corpus.labels.scheme.value,
        labels=corpus.labels.names,
        splits=splits,
        overlap={part.name: overlap_of(part, train) for part in parts if part is not train} if train else {},
        invalid_tags=tuple(
            {"where": tag.where, "split": tag.split, "tag": tag.tag, "context": tag.context}
            for tag in corpus.invalid
        ),
        duplicates=duplicates.within,
        duplicates_across=duplicates.across,
        duplicate_groups=duplicates.groups,
        near_duplicates=near.pairs,
        inconsistent_forms=find_inconsistencies(parts),
        odd_words=find_odd_words(parts),
        unbalanced_spans=find_unbalanced(parts),
        rare_types=rare,
        missing_types=missing,
        notices=tuple(notices),
        unseen_words=find_unseen(parts, pieces.table) if pieces else (),
        long_sentences=tuple(long),
        label_errors=_label_errors(corpus, probabilities, top) if probabilities else None,
        encoder=encoder,
        max_pieces=pieces.limit if pieces else None,
    )
    return replace(summary, findings=list_findings(summary.to_dict()))


def _read(source: str | Path | DatasetDict, splitter: str, settings: DataSettings | None) -> Corpus:
    from tagwright.data.load import read_corpus
    from tagwright.encode.words import check_splitter, split_words

    check_splitter(splitter)
    split_text = partial(split_words, splitter=splitter)
    return read_corpus(source, settings=settings or DataSettings(), split=split_text)


def _load_tagger(bundle: str | Path | Tagger) -> Tagger:
    from tagwright.predict.tagger import Tagger

    return bundle if isinstance(bundle, Tagger) else Tagger.load(bundle)


def _load_pieces(encoder: str) -> _Pieces:
    from tagwright.model.network import load_tokenizer_of, pieces_limit_of

    return _Pieces(PieceTable(load_tokenizer_of(encoder)), pieces_limit_of(encoder))


def _label_errors(
    corpus: Corpus, probabilities: Callable[[Corpus], Probabilities], top: int
) -> dict[str, dict[str, Any]]:
    from tagwright.inspect.label_errors import likely_label_errors

    return {
        split: likely_label_errors(corpus, split, *found, top=top).to_dict()
        for split, found in probabilities(corpus).items()
    }
