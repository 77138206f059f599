"""Splits made by Tagwright: by document, seeded, and the same whatever the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tagwright.data.corpus import SPLITS, Corpus, make_dataset
from tagwright.data.units import draw_units, group_units
from tagwright.errors import InputError, require

__all__ = ["draw_documents", "hold_out"]


def hold_out(
    corpus: Corpus,
    share: float = 0.1,
    seed: int = 0,
    *,
    name: str = "validation",
    join_copies: bool | None = None,
    left: float = 1.0,
) -> Corpus:
    """Take a share of the train split's documents away as another split.

    A document is what the source marks as one (`-DOCSTART-`, `# newdoc`, a `document` column); where it marks
    none, each sentence is one, and sentences with the same words stay together. Which documents are drawn depends
    on their own words and the seed, not on the order of the rows.

    Args:
        corpus: a corpus with a train split and no split called `name`; it stays as it is.
        share: the share of the documents, above 0 and below 1; at least one is drawn and one left.
        seed: another seed draws others.
        name: what the new split is called.
        join_copies: keep sentences with the same words together, with the documents they stand in; None does so
            where no documents are marked.
        left: the share of all documents that earlier calls have left in train; `share` is of all.

    Returns:
        A corpus with the new split, and a notice that says what was held out. Its `sha256` is still that of the
        data as it was read.

    Raises:
        InputError: there is no train split, it has only one document, or the share is out of range.
    """
    train = corpus.require_split("train")
    if name not in SPLITS:
        raise InputError(f"a split cannot be called {name!r}", mend=f"call it {' or '.join(SPLITS[1:])}")
    if name in corpus.splits:
        raise InputError(f"the data has a {name} split already", where=corpus.source)
    marked = corpus.documents.get("train")
    tokens = train["tokens"][:]
    units = group_units(tokens, marked, join_copies=join_copies)
    held = draw_units(units, share / left, seed)
    if not held:
        raise _cannot_hold_out(corpus, name, units.sizes)
    drawn = set(held)
    kept = [row for row in range(len(tokens)) if row not in drawn]
    datasets = require("datasets", "train")
    splits = dict(corpus.splits) | {"train": _take(train, kept, "train"), name: _take(train, held, name)}
    splits = {split: splits[split] for split in sorted(splits, key=SPLITS.index)}
    documents = dict(corpus.documents)
    if marked:
        documents |= {"train": [marked[row] for row in kept], name: [marked[row] for row in held]}
    places = dict(corpus.places)
    if "train" in places:
        places |= {"train": places["train"].take(kept), name: places["train"].take(held)}
    kind = "document" if marked else "sentence"
    told = (
        f"no {name} split: {len(held):,} of {len(tokens):,} train sentences were held out by {kind}"
        f" (share {share:g}, seed {seed})"
    )
    return replace(
        corpus,
        splits=datasets.DatasetDict(splits),
        documents=documents,
        places=places,
        notices=[*corpus.notices, told],
    )


def _cannot_hold_out(corpus: Corpus, name: str, sizes: Sequence[int]) -> InputError:
    if sum(sizes) < 2:
        rows = len(corpus.splits["train"])
        kind = "document" if corpus.documents.get("train") else "sentence"
        copies = f", in {rows:,} copies" if kind == "sentence" and rows > 1 else ""
        return InputError(
            f"the train split has only one {kind}{copies}: none can be held out",
            where=corpus.source,
            mend=f"give a {name} split",
        )
    return InputError(
        f"no {name} split of that share: copies of sentences tie {max(sizes):,} of the {sum(sizes):,} documents"
        " together",
        where=corpus.source,
        mend="let copies fall into different splits with --split-copies",
    )


def draw_documents(
    sentences: Sequence[Sequence[str]], documents: Sequence[str] | None, share: float, seed: int
) -> list[int]:
    """Draw a share of the documents and return the rows of their sentences, ascending.

    Args:
        sentences: the words of each sentence.
        documents: the document of each sentence; None makes each distinct sentence one.
        share: the share of the documents, above 0 and below 1.
        seed: another seed draws others.

    Returns:
        The rows; none where there is only one document.
    """
    return draw_units(group_units(sentences, documents), share, seed)


def _take(dataset: Any, rows: Sequence[int], split: str) -> Any:
    """Copy rows into a dataset of its own: `select` would leave the others in reach of `.data`."""
    part = dataset.select(rows)[:]
    texts = part.get("text")
    return make_dataset(
        split,
        part["id"],
        [word for words in part["tokens"] for word in words],
        [tag for tags in part["ner_tags"] for tag in tags],
        [len(words) for words in part["tokens"]],
        dataset.features["ner_tags"].feature.names,
        texts=texts,
        starts=[start for starts in part["starts"] for start in starts] if texts is not None else (),
        ends=[end for ends in part["ends"] for end in ends] if texts is not None else (),
    )
