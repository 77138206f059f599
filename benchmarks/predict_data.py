"""What predict.py tags: the sentences of a data set's test split, and documents of 1 to 3,000 words made of them.

    python benchmarks/predict_data.py ../shared/data/wnut17 FOLDER [--limit N]

Documents are the first 12,000 words, joined and cut again at lengths that are drawn (seeded, evenly on a logarithmic
scale, the first two 1 and 3,000) and end late where an entity would be cut. It writes FOLDER/NAME.jsonl with `words`
and FOLDER/NAME.gold.json with the entities of each, `[start_word, end_word, type]`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import tagwright as tw
from tagwright.tags import LabelMap, Scheme

Document = tuple[list[str], list[tuple[int, int, str]]]
LONGEST = 3000
WORDS = 12_000


def read_sentences(data: str, limit: int | None) -> list[Document]:
    split = tw.load_data(data)["test"]
    if limit:
        split = split.select(range(min(limit, len(split))))
    names = split.features["ner_tags"].feature.names
    labels = LabelMap(names, Scheme.IOB2)
    sentences = []
    for words, ids in zip(split["tokens"][:], split["ner_tags"][:], strict=True):
        spans = labels.spans(ids, [0, len(ids)])
        kinds = [labels.types[kind] for kind in spans.types]
        sentences.append((words, list(zip(spans.starts.tolist(), spans.ends.tolist(), kinds, strict=True))))
    return sentences


def lengths(seed: int) -> Iterator[int]:
    yield 1
    yield LONGEST
    draw = random.Random(seed)
    while True:
        yield round(math.exp(draw.uniform(0, math.log(LONGEST))))


def as_documents(sentences: list[Document], seed: int = 1) -> list[Document]:
    words = [word for tokens, _ in sentences for word in tokens]
    entities = []
    done = 0
    for tokens, spans in sentences:
        entities += [(done + start, done + end, kind) for start, end, kind in spans]
        done += len(tokens)
    documents: list[Document] = []
    begin, stop = 0, min(WORDS, len(words))
    for length in lengths(seed):
        end = min(begin + length, stop)
        end = max([end, *(last for first, last, _ in entities if first < end < last)])
        inside = [(s - begin, e - begin, kind) for s, e, kind in entities if begin <= s < end]
        documents.append((words[begin:end], inside))
        begin = end
        if begin >= stop:
            return documents
    raise AssertionError("unreachable")


def write(folder: Path, name: str, documents: list[Document]) -> None:
    lines = [json.dumps({"words": words}, ensure_ascii=False) + "\n" for words, _ in documents]
    (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    gold = json.dumps([entities for _, entities in documents], ensure_ascii=False)
    (folder / f"{name}.gold.json").write_text(gold, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="only so many sentences")
    args = parser.parse_args()
    sentences = read_sentences(args.data, args.limit)
    write(args.folder, "sentences", sentences)
    write(args.folder, "documents", as_documents(sentences))


if __name__ == "__main__":
    main()
