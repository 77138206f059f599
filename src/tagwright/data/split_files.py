"""`tagwright split`: the splits that a data set lacks, written to files."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tagwright.data.conll_writer import format_conll
from tagwright.data.corpus import SPLITS, Corpus
from tagwright.data.split import hold_out
from tagwright.errors import InputError
from tagwright.tags.labels import offsets_of

__all__ = ["SplitFiles", "split_files"]

_ENDINGS = ("conll", "jsonl")
_DATA_ENDINGS = {
    "",
    ".conll",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".pq",
    ".tsv",
    ".txt",
    ".iob",
    ".iob2",
    ".bio",
}


@dataclass(frozen=True)
class SplitFiles:
    """What `split_files` wrote.

    Attributes:
        files: the file of each split.
        counts: of each split: `sentences`, `words`, `mentions`; `documents`, where the source marks them; and,
            but for train, `copies`: sentences with the words of one in train.
        made: the splits that were drawn, in the order in which they were.
        unit: what was drawn: `document` or `sentence`.
        seed: the seed of the draw.
        notices: counted losses and facts, in words.
    """

    files: dict[str, Path]
    counts: dict[str, dict[str, int]]
    made: list[str]
    unit: str
    seed: int
    notices: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of `tagwright split`."""
        splits = {name: {"file": str(path), **self.counts[name]} for name, path in self.files.items()}
        return {
            "splits": splits,
            "made": self.made,
            "unit": self.unit,
            "seed": self.seed,
            "notices": self.notices,
        }


def split_files(
    corpus: Corpus,
    folder: str | Path,
    *,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    join_copies: bool = True,
    overwrite: bool = False,
) -> SplitFiles:
    """Write a corpus as one file a split, making the splits it lacks.

    The files are CoNLL, or JSON Lines where the data has what CoNLL cannot keep, such as running text.

    Args:
        corpus: what to write; its splits are kept, and missing ones are drawn from train.
        folder: where to; made where it is missing.
        shares: the share of all documents of train for each split to be made, 0 for none; None makes 10%
            validation.
        seed: another seed draws others.
        join_copies: keep sentences with the same words on one side, with the documents they stand in: what a
            tagger was trained on is no test of it.
        overwrite: replace the files of an earlier call.

    Raises:
        InputError: the files are there already, no split is to be made, or one cannot be drawn.
    """
    shares = {"validation": 0.1} if shares is None else shares
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise InputError(
                f"a share of {share:g} for {name}", mend="give one from 0 up to, not including, 1"
            )
    corpus.require_split("train")
    made = [name for name, share in shares.items() if share and name not in corpus.splits]
    if not made:
        raise InputError(
            f"there is no split to make: the data has {' and '.join(corpus.splits)}",
            where=corpus.source,
            mend="ask for a split that it lacks, such as --test 0.1",
        )
    if sum(shares[name] for name in made) >= 1:
        raise InputError(f"the shares of {' and '.join(made)} leave nothing for train", mend="lower them")
    folder = Path(folder)
    stale = _check_folder(folder, corpus.source, overwrite=overwrite)
    left = 1.0
    for name in made:
        corpus = hold_out(corpus, shares[name], seed, name=name, join_copies=join_copies, left=left)
        left -= shares[name]
    ending = "conll" if _fits_conll(corpus) else "jsonl"
    files = {name: folder / f"{name}.{ending}" for name in corpus.splits}
    folder.mkdir(parents=True, exist_ok=True)
    begun = {name: path.with_name(f".{path.name}.part") for name, path in files.items()}
    try:
        for name, path in begun.items():
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(_lines(corpus, name, ending))
        for name, path in begun.items():
            path.replace(files[name])
    finally:
        for path in begun.values():
            path.unlink(missing_ok=True)
    for path in set(stale) - set(files.values()):
        path.unlink()
    unit = "document" if corpus.documents.get("train") else "sentence"
    return SplitFiles(files, _count(corpus), made, unit, seed, list(corpus.notices))


def _check_folder(folder: Path, source: str, *, overwrite: bool) -> list[Path]:
    """Return the files of an earlier call that are to be replaced; refuse to touch anything else."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise InputError("this is a file, not a folder", where=str(folder), mend="name another --out")
    ours = {folder / f"{name}.{ending}" for name in SPLITS for ending in _ENDINGS}
    stale = sorted(path for path in ours if path.exists())
    if any(path.resolve() == Path(source).resolve() for path in (folder, *stale)):
        raise InputError("the data itself lies there", where=str(folder), mend="name another --out")
    if stale and not overwrite:
        raise InputError(
            "the file is there already", where=str(stale[0]), mend="give --overwrite or another --out"
        )
    for path in sorted(folder.iterdir()):
        claims = any(word in path.name.lower() for word in ("train", "dev", "valid", "test"))
        if path not in ours and path.is_file() and path.suffix.lower() in _DATA_ENDINGS and claims:
            raise InputError("this file claims a split as well", where=str(path), mend="name another --out")
    return stale


def _fits_conll(corpus: Corpus) -> bool:
    """Tell whether CoNLL files would give the corpus back; they hold no text, and no gap between documents."""
    gaps = any("" in documents for documents in corpus.documents.values())
    if gaps or any("text" in rows.column_names for rows in corpus.splits.values()):
        return False
    try:
        for name in corpus.splits:
            deque(_lines(corpus, name, "conll"), maxlen=0)
    except InputError:
        return False
    return True


def _lines(corpus: Corpus, name: str, ending: str) -> Iterator[str]:
    """Yield what a split's file holds, a string a sentence."""
    rows, documents = corpus.splits[name], corpus.documents.get(name)
    tokens, ids = rows["tokens"][:], rows["id"][:]
    tags = [[corpus.labels.names[tag] for tag in sentence] for sentence in rows["ner_tags"][:]]
    if ending == "conll":
        yield from format_conll(zip(tokens, tags, strict=True), ids=ids, documents=documents)
        return
    placed = [rows[column][:] for column in ("text", "starts", "ends") if column in rows.column_names]
    for number, words in enumerate(tokens):
        record: dict[str, Any] = {"id": ids[number]}
        if documents and documents[number]:
            record["document"] = documents[number]
        record |= {"tokens": words, "tags": tags[number]}
        record |= dict(zip(("text", "starts", "ends"), (column[number] for column in placed), strict=False))
        yield json.dumps(record, ensure_ascii=False) + "\n"


def _count(corpus: Corpus) -> dict[str, dict[str, int]]:
    trained = {tuple(words) for words in corpus.splits["train"]["tokens"][:]}
    counts: dict[str, dict[str, int]] = {}
    for name, rows in corpus.splits.items():
        tokens = rows["tokens"][:]
        lengths = [len(words) for words in tokens]
        ids = np.array([tag for tags in rows["ner_tags"][:] for tag in tags], dtype=np.int64)
        counts[name] = {
            "sentences": len(tokens),
            "words": sum(lengths),
            "mentions": len(corpus.labels.spans(ids, offsets_of(lengths))),
        }
        if documents := corpus.documents.get(name):
            counts[name]["documents"] = len(set(documents))
        if name != "train":
            counts[name]["copies"] = sum(tuple(words) in trained for words in tokens)
    return counts
