"""Nested, seeded parts of a train split: what the points of a learning curve are trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, pairwise

import numpy as np
from datasets import Dataset, DatasetDict

from tagwright.data.corpus import Corpus
from tagwright.data.units import draw_order, group_units
from tagwright.errors import InputError
from tagwright.tags.labels import offsets_of

__all__ = ["check_shares", "nested_rows", "size_of", "take_part"]


def check_shares(shares: Iterable[float]) -> tuple[float, ...]:
    """Return shares in growing order.

    Raises:
        InputError: there is none, one stands twice, or one is not above 0 and at most 1.
    """
    checked = tuple(sorted(shares))
    if not checked:
        raise InputError("no share is named", mend="give some, such as --shares 0.1 0.25 0.5 1")
    for share in checked:
        if not 0 < share <= 1:
            raise InputError(f"a share of {share:g} of the data", mend="give shares above 0 and up to 1")
    if len(set(checked)) < len(checked):
        double = next(share for share in checked if checked.count(share) > 1)
        raise InputError(f"the share {double:g} is named twice")
    return checked


def nested_rows(
    corpus: Corpus, shares: Sequence[float], seeds: Sequence[int]
) -> dict[tuple[float, int], list[int]]:
    """Draw, for each share and seed, rows of the train split.

    Documents are put in the order of the seed (sentences, where the source marks none), and a share takes the
    first ones that together hold at least that share of the sentences. So for one seed a smaller share lies
    inside every larger one.

    Args:
        corpus: the data.
        shares: in growing order, above 0 and up to 1.
        seeds: one draw each.

    Returns:
        The rows of each (share, seed), ascending.

    Raises:
        InputError: a share is too small to hold an entity, or holds the same sentences as another.
    """
    train = corpus.require_split("train", entities=True)
    units = group_units(train["tokens"][:], corpus.documents.get("train"), join_copies=False)
    labelled = _labelled(corpus)
    found: dict[tuple[float, int], list[int]] = {}
    smallest = 0.0
    for seed in seeds:
        order = [units.rows[unit] for unit in draw_order(units, seed)]
        ends = list(accumulate(map(len, order)))
        first = next(number for number, rows in enumerate(order) if any(labelled[row] for row in rows))
        smallest = max(smallest, (ends[first] - len(order[first]) + 1) / ends[-1])
        for share in shares:
            count = np.searchsorted(ends, share * ends[-1] - 1e-9) + 1
            found[share, seed] = sorted(chain.from_iterable(order[:count]))
    if shares[0] < smallest:
        for share, seed in found:
            if not any(labelled[row] for row in found[share, seed]):
                raise InputError(
                    f"the share {share:g} of the train split ({_count(found[share, seed])}, seed {seed}) holds no"
                    " entity",
                    where=corpus.source,
                    mend=f"the smallest share that does for every seed is {math.ceil(smallest * 1e4) / 1e4:g}",
                )
    for small, large in pairwise(shares):
        for seed in seeds:
            if len(found[small, seed]) == len(found[large, seed]):
                raise InputError(
                    f"the shares {small:g} and {large:g} hold the same {_count(found[small, seed])} (seed {seed})",
                    where=corpus.source,
                    mend="leave one of them out",
                )
    return found


def take_part(corpus: Corpus, rows: Sequence[int], others: Iterable[str]) -> DatasetDict:
    """Return rows of the train split with other splits, which are whole."""
    parts = {"train": corpus.splits["train"].select(rows)}
    return DatasetDict(parts | {name: corpus.splits[name] for name in others})


def size_of(corpus: Corpus, rows: Dataset) -> tuple[int, int]:
    """Return the words and the gold spans of rows of a corpus."""
    tags = rows["ner_tags"][:]
    ids = np.fromiter(chain.from_iterable(tags), dtype=np.int64)
    return len(ids), len(corpus.labels.spans(ids, offsets_of(map(len, tags))))


def _labelled(corpus: Corpus) -> list[bool]:
    """Tell which rows of train hold an entity."""
    tags = corpus.splits["train"]["ner_tags"][:]
    offsets = offsets_of(map(len, tags))
    spans = corpus.labels.spans(np.fromiter(chain.from_iterable(tags), dtype=np.int64), offsets)
    held = np.searchsorted(spans.starts, offsets)
    return (np.diff(held) > 0).tolist()  # type: ignore[no-any-return]  # a list of bool


def _count(rows: Sequence[int]) -> str:
    return "1 sentence" if len(rows) == 1 else f"{len(rows):,} sentences"
