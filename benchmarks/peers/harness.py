"""What the peers' scripts share: the commands, the data, the clock. No peer's library is named here.

A peer's script gives two functions, which import their library inside:

- `train(encoder, data, out, epochs) -> dict`: trains, writes a model to `out`, returns what to print beside the scores;
- `load(model) -> Answer`: a function from sentences, each a list of words, and a batch size to entities, in the order
  of the sentences; an entity is `(first word, word after the last, type)`.

The environment of a peer has no tagwright, so nothing here imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

Entity = tuple[int, int, str]
Answer = Callable[[list[list[str]], int], list[list[Entity]]]

FILES = {
    "train": "wnut17train.conll",
    "validation": "emerging.dev.conll",
    "test": "emerging.test.annotated",
}
BATCHES = (1, 4, 8, 16, 32, 64, 128, 256)
SEARCH_SECONDS = 4.0  # about how long one batch size is tried
SEARCH_WORDS = (600, 12_000)  # the least and the most words to try it on
LATENCIES = 200


def read_split(data: Path, split: str) -> tuple[list[list[str]], list[list[str]]]:
    """The words and the tags of each sentence of WNUT 17; lines of blanks end a sentence."""
    words: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for line in (data / FILES[split]).read_text(encoding="utf-8").split("\n"):
        if line.strip(" \t\r"):
            word, tag = line.rstrip("\r").split("\t")[:2]
            words[-1].append(word)
            tags[-1].append(tag.strip())
        elif words[-1]:
            words.append([])
            tags.append([])
    kept = [i for i, sentence in enumerate(words) if sentence]
    return [words[i] for i in kept], [tags[i] for i in kept]


def spans(tags: Sequence[str]) -> list[Entity]:
    """The entities of IOB2 tags; an I- that continues nothing begins one."""
    found: list[Entity] = []
    for k, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        if prefix == "O":
            continue
        if prefix == "I" and found and found[-1][1] == k and found[-1][2] == kind:
            found[-1] = (found[-1][0], k + 1, kind)
        else:
            found.append((k, k + 1, kind))
    return found


def f1(gold: list[list[Entity]], answers: list[list[Entity]]) -> float:
    """Micro F1 of whole entities."""
    right = sum(len(set(a) & set(b)) for a, b in zip(gold, answers, strict=True))
    total = sum(map(len, gold)) + sum(map(len, answers))
    return 2 * right / total if total else 0.0


def versions(names: Sequence[str]) -> dict[str, str]:
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in names}}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def set_threads(threads: int) -> None:
    """Must come before the libraries are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false" if threads == 1 else "true")


def timed(answer: Answer, sentences: list[list[str]], batch: int) -> tuple[float, list[list[Entity]]]:
    started = time.perf_counter()
    entities = answer(sentences, batch)
    return time.perf_counter() - started, entities


def sample(sentences: list[list[str]], words: float) -> list[list[str]]:
    """About so many words in sentences taken evenly from all."""
    return sentences[:: max(1, int(sum(map(len, sentences)) / words))]


def search(answer: Answer, sentences: list[list[str]]) -> int:
    """The fastest batch size; how much each is tried on depends on how fast the peer is."""
    answer(sentences[:1], 1)
    least, most = SEARCH_WORDS
    few = sample(sentences, least)
    rate = sum(map(len, few)) / timed(answer, few, 16)[0]
    tried = sample(sentences, min(max(least, rate * SEARCH_SECONDS), most))
    words = sum(map(len, tried))
    rates = {}
    for batch in BATCHES:
        if batch // 2 < len(tried):
            rates[batch] = words / timed(answer, tried, batch)[0]
            print(f"batch {batch}: {rates[batch]:,.0f} words/s", file=sys.stderr)
    return max(rates, key=lambda size: rates[size])


def tag(args: argparse.Namespace, load: Callable[[Path], Answer], names: Sequence[str]) -> None:
    with args.input.open(encoding="utf-8") as lines:
        sentences = [json.loads(line)["words"] for line in lines if line.strip()]
    batch = args.batch
    if batch is None and args.command == "tag":
        # In a process of its own, so that batches that were only tried do not count as memory of the run.
        call = [sys.executable, sys.argv[0], "search", str(args.model), str(args.input)]
        found = subprocess.run(
            [*call, "--threads", str(args.threads)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        batch = int(found.strip().splitlines()[-1])
    set_threads(args.threads)
    started = time.perf_counter()
    answer = load(args.model)
    load_seconds = time.perf_counter() - started
    import torch

    torch.set_num_threads(args.threads)
    if args.command == "search":
        print(search(answer, sentences))
        return

    first = sentences[:: max(1, len(sentences) // LATENCIES)][:LATENCIES]
    for sentence in first[:10]:
        answer([sentence], 1)
    first_answer_ms = [1000 * timed(answer, [sentence], 1)[0] for sentence in first]
    rounds = []
    for _ in range(args.rounds):
        seconds, entities = timed(answer, sentences, batch)
        rounds.append(seconds)
    words = sum(map(len, sentences))
    result = {
        "words_per_second": words / statistics.median(rounds),
        "best_batch": batch,
        "rounds": rounds,
        "load_seconds": load_seconds,
        "first_answer_ms": first_answer_ms,
        "peak_mb": peak_mb(),
        "entities": entities,
        "versions": versions(names),
    }
    args.output.write_text(json.dumps(result, ensure_ascii=False) + "\n", encoding="utf-8")


def main(
    doc: str,
    train: Callable[[Path, Path, Path, int], dict],
    load: Callable[[Path], Answer],
    *,
    names: Sequence[str],
    epochs: int,
) -> None:
    """Run a peer's script; `names` are the packages whose versions matter, `epochs` the default of training."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train on WNUT 17 and print F1 on validation and test")
    command.add_argument("encoder", type=Path, help="a Hugging Face folder of all-MiniLM-L6-v2 as BERT")
    command.add_argument("data", type=Path, help="the folder with WNUT 17's CoNLL files")
    command.add_argument("model", type=Path, help="where to write the model")
    command.add_argument("--epochs", type=int, default=epochs)
    for name, text in (("tag", "tag and time"), ("search", "print the fastest batch size")):
        command = commands.add_parser(name, help=text)
        command.add_argument("model", type=Path)
        command.add_argument("input", type=Path, help='JSON lines {"words": [...]}')
        if name == "tag":
            command.add_argument("output", type=Path)
            command.add_argument("--rounds", type=int, default=3)
        command.add_argument("--batch", type=int, help="sentences a batch; left out, the fastest is searched")
        command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if args.command != "train":
        tag(args, load, names)
        return
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    started = time.perf_counter()
    args.model.mkdir(parents=True, exist_ok=True)
    told = train(args.encoder, args.data, args.model, args.epochs)
    told |= {"epochs": args.epochs, "train_seconds": time.perf_counter() - started}
    answer = load(args.model)
    for split in ("validation", "test"):
        words, tags = read_split(args.data, split)
        told[f"{split}_f1"] = f1([spans(sentence) for sentence in tags], answer(words, 32))
    told["versions"] = versions(names)
    (args.model / "training.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(told))
