"""What the peers' scripts share: the commands and the data. No peer's library is named here.

A peer's script gives two functions, which import their library inside:

- `train(encoder, data, out, epochs) -> dict`: trains, writes a model to `out`, returns what to print beside the scores;
- `load(model) -> Answer`: a function from sentences, each a list of words, and a batch size to entities, in the order
  of the sentences; an entity is `(first word, word after the last, type)`.

How a peer is timed is in `../predicting.py`, as for all arms of `../predict.py`, which calls `load` itself. The
environment of a peer has no tagwright, so nothing here imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

Entity = tuple[int, int, str]
Answer = Callable[[list[list[str]], int], list[list[Entity]]]

FILES = {"train": "wnut17train.conll", "validation": "emerging.dev.conll"}


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


def tag(args: argparse.Namespace, load: Callable[[Path], Answer], names: Sequence[str]) -> None:
    """Tag and time; without a batch size, a process of its own finds the fastest, so that what it takes is not ours."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"):
        os.environ[name] = str(args.threads)  # before a library is imported
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from predicting import STARTED, measure

    os.environ[STARTED] = str(time.time())
    if args.batch is None and not args.search:
        call = [sys.executable, sys.argv[0], *sys.argv[1:], "--search"]
        subprocess.run(call, check=True)
        args.batch = json.loads(args.output.read_text(encoding="utf-8"))["best_batch"]
        os.environ[STARTED] = str(time.time())
    result = measure(
        lambda: load(args.model), args.input, batch=args.batch, calls=args.calls, search=args.search
    )
    result["versions"] = versions(names)
    args.output.write_text(json.dumps(result, ensure_ascii=False) + "\n", encoding="utf-8")
    print({key: value for key, value in result.items() if not isinstance(value, list)})


def main(
    doc: str,
    train: Callable[[Path, Path, Path, float], dict],
    load: Callable[[Path], Answer],
    *,
    names: Sequence[str],
    epochs: int,
) -> None:
    """Run a peer's script; `names` are the packages whose versions matter, `epochs` the default of training."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("train", help="train on WNUT 17 and print validation F1")
    command.add_argument("encoder", type=Path, help="a Hugging Face folder of all-MiniLM-L6-v2 as BERT")
    command.add_argument("data", type=Path, help="the folder with WNUT 17's CoNLL files")
    command.add_argument("model", type=Path, help="where to write the model")
    command.add_argument("--epochs", type=float, default=epochs)
    command.add_argument("--scored", type=int, help="validation sentences to score; left out, all")
    command = commands.add_parser("tag", help="tag and time")
    command.add_argument("model", type=Path)
    command.add_argument("input", type=Path, help='JSON lines {"words": [...]}')
    command.add_argument("output", type=Path)
    command.add_argument("--batch", type=int, help="sentences a batch; left out, the fastest is searched")
    command.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    command.add_argument("--calls", type=int, default=200, help="sentences that are tagged one at a time")
    command.add_argument("--search", action="store_true", help="look for the fastest batch size only")
    args = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if args.command != "train":
        tag(args, load, names)
        return
    started = time.perf_counter()
    args.model.mkdir(parents=True, exist_ok=True)
    told = train(args.encoder, args.data, args.model, args.epochs)
    told |= {"epochs": args.epochs, "train_seconds": time.perf_counter() - started, "scored": args.scored}
    answer = load(args.model)
    words, tags = (rows[: args.scored] for rows in read_split(args.data, "validation"))
    told["validation_f1"] = f1([spans(sentence) for sentence in tags], answer(words, 16))
    told["versions"] = versions(names)
    (args.model / "training.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(told))
