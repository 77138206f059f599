"""Splits made by Tagwright: by document, seeded, and the same whatever the order of the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tagwright.data.conll import write_conll
from tagwright.data.corpus import SPLITS, Corpus, make_dataset
from tagwright.errors import InputError, require

__all__ = ["draw_documents", "hold_out", "split_files"]


def hold_out(corpus: Corpus, share: float = 0.1, seed: int = 0, *, name: str = "validation") -> Corpus:
    """Take a share of the train split's documents away as another split.

    A document is what the source marks as one (`-DOCSTART-`, `# newdoc`, a `document` column); where it marks
    none, each sentence is one, and sentences with the same words stay together. Which documents are drawn depends
    on their own words and the seed, not on the order of the rows.

    Args:
        corpus: a corpus with a train split and no split called `name`; it stays as it is.
        share: the share of the documents, above 0 and below 1; at least one is drawn and one left.
        seed: another seed draws others.
        name: what the new split is called.

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
    held = draw_documents(tokens, marked, share, seed)
    if not held or len(held) == len(tokens):
        raise InputError(
            "the train split has only one document: none can be held out",
            where=corpus.source,
            mend=f"give a {name} split",
        )
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
    if not 0 < share < 1:
        raise InputError(f"a share of {share:g} cannot be held out", mend="give one above 0 and below 1")
    rows: dict[str, list[int]] = {}
    prints: dict[str, int] = {}
    for row, words in enumerate(sentences):
        own = hashlib.sha256("\x00".join(words).encode()).digest()
        key = documents[row] if documents else own.hex()
        rows.setdefault(key, []).append(row)
        if documents or key not in prints:  # a sum does not depend on the order of a document's sentences
            prints[key] = prints.get(key, 0) + int.from_bytes(own)
    if len(rows) < 2:
        return []
    order = sorted(rows, key=lambda key: hashlib.sha256(f"{seed} {prints[key]}".encode()).digest())
    count = min(max(1, round(share * len(order))), len(order) - 1)
    return sorted(row for key in order[:count] for row in rows[key])


def split_files(
    corpus: Corpus, folder: str | Path, *, shares: Mapping[str, float] | None = None, seed: int = 0
) -> dict[str, Path]:
    """Write a corpus as one CoNLL file a split, making the splits it lacks.

    Args:
        corpus: what to write; its splits are kept, and missing ones are drawn from train.
        folder: where to; made where it is missing.
        shares: the share of all documents of train for each split to be made; None makes 10% validation.
        seed: another seed draws others.

    Returns:
        The file of each split.

    Raises:
        InputError: a file of that name is there already, or a split cannot be drawn.
    """
    shares = {"validation": 0.1} if shares is None else shares
    left = 1.0
    for name, share in shares.items():
        if name not in corpus.splits:
            corpus = hold_out(corpus, share / left, seed, name=name)
            left -= share
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.conll" for name in corpus.splits}
    if taken := [path for path in files.values() if path.exists()]:
        raise InputError("the file is there already", where=str(taken[0]), mend="name another folder")
    for name, path in files.items():
        rows = corpus.splits[name]
        tags = ([corpus.labels.names[tag] for tag in row] for row in rows["ner_tags"])
        write_conll(
            path,
            zip(rows["tokens"], tags, strict=True),
            ids=rows["id"],
            documents=corpus.documents.get(name),
        )
    return files


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
