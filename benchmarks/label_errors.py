"""How many of the labels that Tagwright finds likely to be wrong are among those that were made wrong on purpose.

    python benchmarks/label_errors.py ../shared/data/wnut17 [--seed 0] [--folds 5] [--epochs 3] [--limit SENTENCES]

The train split is copied with 5% of its entities labelled wrongly (scripts/corrupt_labels.py: a third each with
another type, deleted, with a border moved by a word). Taggers of the default recipe tag each fold without having seen
it, and the labels are ranked. A finding is a hit when its words and those of a planted error overlap; each error
counts once. Everything else counts as a false alarm, although the original labels hold errors of their own, which make
up a good part of what is found: `--show` prints the first of these, to be judged by eye.

*chance* is the precision of a random order of all candidates: every gold entity, and every stretch of words without
a label that the taggers read as an entity. *chance, disagreeing* is that of a random order of those that the taggers
read otherwise than gold. *words as they are* is cleanlab's own list: words ranked by self-confidence over the tags
(`cleanlab.token_classification.filter.find_label_issues`), an entity taken at its first word.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

from tagwright.config import Recipe
from tagwright.data.corpus import Corpus
from tagwright.data.load import read_corpus
from tagwright.inspect.label_errors import LabelErrors, likely_label_errors
from tagwright.inspect.label_quality import Judged
from tagwright.inspect.part import parts_of
from tagwright.tags import LabelMap
from tagwright.train.folds import cross_probabilities

SCRIPT = Path(__file__).parents[1] / "scripts" / "corrupt_labels.py"
DEPTHS = (50, 100, 200)

Words = tuple[int, int, int]  # sentence, first word, one past the last


def corrupt(data: str, folder: Path, *, share: float, seed: int, limit: int | None) -> list[dict]:
    """Write a corrupted copy of a train split, and the validation split as it is, and return the list of errors."""
    corpus = read_corpus(data)
    train = corpus.places["train"]
    lines = Path(train.source).read_text(encoding="utf-8").splitlines(keepends=True)
    if limit is not None and limit < len(train):
        lines = lines[: int(train.lines[limit]) - 1]
    whole, listed = folder / "whole.txt", folder / "errors.json"
    whole.write_text("".join(lines), encoding="utf-8")
    call = [sys.executable, str(SCRIPT), str(whole), str(folder / "train.conll"), str(listed)]
    subprocess.run([*call, "--share", str(share), "--seed", str(seed)], check=True)
    shutil.copy(corpus.places["validation"].source, folder / "validation.conll")
    return json.loads(listed.read_text(encoding="utf-8"))


def hits(found: Iterable[Words], errors: Sequence[dict]) -> list[str | None]:
    """Return, for each finding in order, the kind of the planted error that it is the first to meet."""
    planted: dict[int, list[dict]] = {}
    for error in errors:
        planted.setdefault(error["sentence"], []).append(error)
    kinds: list[str | None] = []
    for sentence, start, end in found:
        left = planted.get(sentence, [])
        met = next((error for error in left if error["start"] < end and start < error["end"]), None)
        kinds.append(met and met["kind"])
        if met:
            left.remove(met)
    return kinds


def words_as_they_are(judged: Judged, probabilities: np.ndarray, labels: LabelMap) -> list[tuple[int, int]]:
    """Return cleanlab's own ranking of words, each widened to the candidate that it belongs to."""
    from cleanlab.token_classification.filter import find_label_issues

    offsets = judged.part.offsets
    tags = labels.ids(judged.part.labels.names[tag] for tag in judged.part.tags.tolist())
    rows = [slice(start, end) for start, end in judged.part.sentences()]
    issues = find_label_issues(
        [tags[row].tolist() for row in rows], [probabilities[row] for row in rows], n_jobs=1
    )
    home = {at: (start, end) for start, end, _ in judged.candidates() for at in range(start, end)}
    places = (int(offsets[sentence]) + word for sentence, word in issues)
    return list(dict.fromkeys(home.get(at, (at, at + 1)) for at in places))


def print_table(rows: dict[str, list[str | None]], errors: Sequence[dict], chances: dict[str, float]) -> None:
    kinds = sorted({error["kind"] for error in errors})
    heads = [*(f"precision at {depth}" for depth in DEPTHS), "recall at 100"]
    heads += [f"{kind} in 100 (of {sum(error['kind'] == kind for error in errors)})" for kind in kinds]
    print("| order | " + " | ".join(heads) + " |\n" + "|---" * (len(heads) + 1) + "|")
    for name, met in rows.items():
        cells = [f"{sum(kind is not None for kind in met[:depth]) / depth:.3f}" for depth in DEPTHS]
        cells.append(f"{sum(kind is not None for kind in met[:100]) / len(errors):.3f}")
        cells += [str(met[:100].count(kind)) for kind in kinds]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, chance in chances.items():
        cells = [f"{chance:.3f}"] * len(DEPTHS) + [f"{100 * chance / len(errors):.3f}"]
        print(f"| {name} | " + " | ".join([*cells, *[""] * len(kinds)]) + " |")


def show(found: LabelErrors, met: Sequence[str | None], count: int) -> None:
    own = [item for item, kind in zip(found.items, met, strict=True) if kind is None][:count]
    print(f"\nThe first {len(own)} findings that nobody planted:\n")
    for item in own:
        line = item.where.rpartition(":")[2]
        print(f"{item.rank:4d}  {item.score:.4f}  line {line}: {item.context}\n      {item.suggestion}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0, help="of the corruption")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--limit", type=int, help="only so many sentences, from the beginning")
    parser.add_argument("--show", type=int, default=20, help="findings to print that were not planted")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        errors = corrupt(args.data, Path(folder), share=args.share, seed=args.seed, limit=args.limit)
        corpus: Corpus = read_corpus(folder)
        recipe = Recipe.load(settings={"model.encoder": args.encoder, "train.epochs": args.epochs})
        started = time.perf_counter()
        probabilities, labels = cross_probabilities(corpus, recipe, folds=args.folds)["train"]
        trained = time.perf_counter() - started
        found = likely_label_errors(corpus, "train", probabilities, labels, top=None)
        taken = time.perf_counter() - started - trained
    judged = Judged.of(next(part for part in parts_of(corpus) if part.name == "train"), probabilities, labels)

    def place(start: int, end: int) -> Words:
        sentence = int(np.searchsorted(judged.part.offsets, start, side="right")) - 1
        begin = int(judged.part.offsets[sentence])
        return sentence, start - begin, end - begin

    numbers = {identifier: number for number, identifier in enumerate(judged.part.ids)}
    ours = hits([(numbers[item.sentence], item.start, item.end) for item in found.items], errors)
    plain = hits([place(*pair) for pair in words_as_they_are(judged, probabilities, labels)], errors)
    every = hits([place(start, end) for start, end, _ in judged.candidates()], errors)

    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("cleanlab", "torch", "tagwright"))
    print(
        f"\n{date.today()}  {os.cpu_count()} CPUs ({platform.processor() or platform.machine()})  {versions}"
    )
    print(
        f"{len(judged.part):,} sentences, {found.entities:,} entities, {len(errors)} of them wrong on purpose; "
        f"{found.candidates:,} candidates, {found.found:,} read otherwise than gold; "
        f"{args.folds} folds of {args.epochs:g} epochs in {trained:.0f} s, ranking {taken:.1f} s\n"
    )
    print_table(
        {"Tagwright": ours, "words as they are": plain},
        errors,
        {
            "chance": sum(kind is not None for kind in every) / len(every),
            "chance, disagreeing": sum(kind is not None for kind in ours) / len(ours),
        },
    )
    show(found, ours, args.show)


if __name__ == "__main__":
    main()
