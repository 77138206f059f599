"""Words to pieces with labels: the guide's function and Tagwright's, both through `Dataset.map(batched=True)`.

    python benchmarks/encode.py ../shared/data/wnut17 [--rounds 15] [--tokenizer FOLDER]

A round runs each arm once on all three splits, one after the other, each with a tokenizer of its own that has
encoded nothing yet, and without `map`'s cache of results; the first round is not counted. Times are wall-clock
medians; the ratio is the median over the rounds of guide / arm. `aligner` is `Aligner(tokenizer)`; `align_labels` is
`partial(align_labels, tokenizer=tokenizer)`, which makes `map` pickle the whole tokenizer for its fingerprint, as the
guide's function does. `encode_words` is what training, scoring and prediction use: no `map`, no labels.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from copy import deepcopy
from datetime import date
from functools import partial
from importlib import metadata

import datasets
import transformers

import tagwright as tw
from tagwright.encode.align import Aligner, PieceTable, align_labels
from tagwright.encode.windows import encode_words

tokenizer = None  # the guide's function reads it from here, as it does in the guide


def tokenize_and_align_labels(examples):
    """The guide's function, as the guide has it."""
    tokenized_inputs = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)

    labels = []
    for i, label in enumerate(examples["ner_tags"]):
        word_ids = tokenized_inputs.word_ids(batch_index=i)
        previous_word_idx = None
        label_ids = []
        for word_idx in word_ids:
            if word_idx is None:
                label_ids.append(-100)
            elif word_idx != previous_word_idx:
                label_ids.append(label[word_idx])
            else:
                label_ids.append(-100)
            previous_word_idx = word_idx
        labels.append(label_ids)

    tokenized_inputs["labels"] = labels
    return tokenized_inputs


def load_tokenizer(folder: str | None):
    if folder is not None:
        return transformers.AutoTokenizer.from_pretrained(folder)
    from tagwright.model.minilm import minilm_files

    return transformers.DistilBertTokenizerFast.from_pretrained(minilm_files(), model_max_length=512)


def run_arm(arm: str, data: datasets.DatasetDict, fresh):
    """Return the seconds one arm takes, and what it made."""
    global tokenizer
    tokenizer = fresh
    sentences = [words for split in data.values() for words in split["tokens"][:]]
    started = time.perf_counter()
    if arm == "encode_words":
        made = encode_words(PieceTable(fresh), sentences, limit=512)
    else:
        function = tokenize_and_align_labels
        if arm != "guide":
            function = Aligner(fresh) if arm == "aligner" else partial(align_labels, tokenizer=fresh)
        made = data.map(function, batched=True, load_from_cache_file=False)
    return time.perf_counter() - started, made


def compare(ours: datasets.DatasetDict, guides: datasets.DatasetDict) -> tuple[int, int]:
    """Count the sentences, and those in which the guide lost the label of a word that has no piece."""
    sentences = lost = 0
    for name, split in ours.items():
        assert split.features == guides[name].features
        for mine, its in zip(split, guides[name], strict=True):
            sentences += 1
            if mine != its:
                lost += 1
                kept = sum(label != -100 for label in its["labels"])
                assert kept < len(its["tokens"]) == sum(label != -100 for label in mine["labels"])
    return sentences, lost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tokenizer", help="folder of a fast tokenizer; by default that of `minilm`")
    args = parser.parse_args()
    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    arms = ("guide", "aligner", "align_labels", "encode_words")
    data = tw.load_data(args.data)
    source = load_tokenizer(args.tokenizer)

    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    made = {}
    for _ in range(args.rounds + 1):
        for arm in arms:
            taken, made[arm] = run_arm(arm, data, deepcopy(source))
            seconds[arm].append(taken)
    sentences, lost = compare(made["aligner"], made["guide"])
    compare(made["align_labels"], made["guide"])

    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("tokenizers", "datasets", "transformers", "tagwright")
    )
    print(f"{date.today()}  {os.cpu_count()} CPUs ({platform.processor() or platform.machine()})  {versions}")
    print(
        f"{sentences} sentences, {type(source).__name__} with {len(source):,} pieces, {args.rounds} rounds; the "
        f"same pieces and labels in all but {lost} sentences, where the guide drops words that have no piece"
    )
    print("| arm | seconds | ratio to the guide |\n|---|---|---|")
    for arm in arms:
        ratios = [guide / own for guide, own in zip(seconds["guide"][1:], seconds[arm][1:], strict=True)]
        print(f"| {arm} | {statistics.median(seconds[arm][1:]):.3f} | {statistics.median(ratios):.2f} |")


if __name__ == "__main__":
    main()
