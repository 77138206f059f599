"""The arms of predict.py, one a process: transformers' pipeline, a plain loop in PyTorch, Tagwright, and peers.

    python benchmarks/predict_arms.py tag BUNDLE INPUT.jsonl OUTPUT.json --threads 2 --arm pipeline-fp32 [--batch 8]

The pipeline and Tagwright are given text (the words joined by blanks) and answer in characters of it; the loop and
peers are given words and answer in words. Libraries are imported inside, so that start-up is each arm's own. A peer
is a script in `peers` whose `load(model)` gives an answer as `predicting` has it; it runs in an environment of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from predicting import Answer, Entities, measure


def overlap_of(bundle: str) -> int:
    """Pieces that windows share: as many in every arm."""
    meta = json.loads(Path(bundle, "tagwright.json").read_text(encoding="utf-8"))
    overlap: int = meta["overlap"]
    return overlap


def open_pipeline(model: str, *, precision: str, device: str, long: bool) -> Answer:
    """`transformers.pipeline`; long documents by its own windows, as else it cuts them."""
    import torch
    from transformers import pipeline

    options: dict[str, Any] = {"stride": overlap_of(model)} if long else {}
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    pipe = pipeline(
        "token-classification",
        model=model,
        device=device,
        dtype=dtype,
        aggregation_strategy="first",
        **options,
    )

    def answer(documents: Sequence[list[str]], batch: int | None) -> list[Entities]:
        texts = [" ".join(words) for words in documents]
        found = pipe(texts, batch_size=batch or 1)
        return [[(e["start"], e["end"], e["entity_group"]) for e in entities] for entities in found]

    return answer


def open_plain(model: str, *, precision: str, device: str) -> Answer:
    """What one writes with `AutoModelForTokenClassification`: windows sorted by length, padded batches, argmax."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    network = AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32).to(device).eval()
    names = network.config.id2label
    stride = overlap_of(model)

    def answer(documents: Sequence[list[str]], batch: int | None) -> list[Entities]:
        encoded = tokenizer(
            list(documents),
            is_split_into_words=True,
            truncation=True,
            stride=stride,
            return_overflowing_tokens=True,
        )
        pieces, owners = encoded["input_ids"], encoded["overflow_to_sample_mapping"]
        order = sorted(range(len(pieces)), key=lambda row: len(pieces[row]))
        found: list[list[int]] = [[] for _ in pieces]
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            for first in range(0, len(order), batch or 32):
                rows = order[first : first + (batch or 32)]
                padded = tokenizer.pad({"input_ids": [pieces[row] for row in rows]}, return_tensors="pt")
                best = network(**padded.to(device)).logits.argmax(-1).tolist()
                for row, ids in zip(rows, best, strict=True):
                    found[row] = ids
        tags: list[list[str | None]] = [[None] * len(words) for words in documents]
        for row, ids in enumerate(found):
            before = None
            for position, word in enumerate(encoded.word_ids(row)):
                if word is not None and word != before and tags[owners[row]][word] is None:
                    tags[owners[row]][word] = names[ids[position]]
                before = word
        return [list(spans_of(row)) for row in tags]

    return answer


def spans_of(tags: Sequence[str | None]) -> Iterator[tuple[int, int, str]]:
    """Spans of B- and I- tags; an I- that continues nothing begins one."""
    start, kind = 0, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, label = (tag or "O").partition("-")
        if kind and (prefix != "I" or label != kind):
            yield start, place, kind
            kind = ""
        if label and not kind:
            start, kind = place, label


def open_tagwright(bundle: str, *, runtime: str, precision: str, device: str, words: bool = False) -> Answer:
    """Tagwright, given text; with `words`, given words."""
    from tagwright.predict.tagger import Tagger

    tagger = Tagger.load(bundle, runtime, precision, device=device if runtime == "torch" else None)

    def answer(documents: Sequence[list[str]], batch: int | None) -> list[Entities]:
        if words:
            predictions = tagger.predict_words(documents)
            return [[(e.word_start, e.word_end, e.label) for e in found.entities] for found in predictions]
        texts = [" ".join(words) for words in documents]
        return [[(e.start, e.end, e.label) for e in found] for found in tagger(texts)]

    return answer


def open_peer(script: str, model: str) -> Answer:
    """A peer, by the file that opens it."""
    path = Path(script)
    sys.path.insert(0, str(path.parent))
    answer: Answer = importlib.import_module(path.stem).load(Path(model))
    return answer


def open_arm(arm: str, model: str, *, device: str, long: bool) -> Answer:
    """Open an arm by its name: `pipeline`, `plain`, `torch`, `words`, `onnx` or `openvino`, and the precision.

    Any other name is the file of a peer's script.
    """
    if arm.endswith(".py"):
        return open_peer(arm, model)
    kind, _, precision = arm.partition("-")
    if kind == "pipeline":
        return open_pipeline(model, precision=precision, device=device, long=long)
    if kind == "plain":
        return open_plain(model, precision=precision, device=device)
    runtime = "torch" if kind == "words" else kind
    return open_tagwright(
        model, runtime=runtime, precision=precision.partition("-")[0], device=device, words=kind == "words"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["tag"])
    parser.add_argument("model")
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--arm", required=True)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--long", action="store_true", help="documents may be longer than the encoder takes")
    args = parser.parse_args()

    def load() -> Answer:
        kind = args.arm.partition("-")[0]
        if kind not in ("onnx", "openvino"):  # those two must not pay for importing it
            import torch

            torch.set_num_threads(args.threads)
        return open_arm(args.arm, args.model, device=args.device, long=args.long)

    made = measure(load, args.source, batch=args.batch, calls=args.calls, search=args.search)
    args.out.write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main()
