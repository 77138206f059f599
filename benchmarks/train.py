"""Training side by side in one run: the guide's Trainer, the same with bf16 and length grouping, and Tagwright.

    python benchmarks/train.py ../shared/data/wnut17 [--epochs 3] [--rounds 1] [--encoder minilm] [--arms guide ...]
    python benchmarks/train.py ../shared/data/wnut17 --engine keras [--rounds 5 --keep runs/engines]

With `--engine keras` the arms are Tagwright's default recipe on PyTorch and on Keras, in bf16 and in fp32; `plain`
leaves out the fast step, which only PyTorch has. `--keep` keeps the bundles, for `tagwright compare --group`.

Each arm trains in a process of its own, one after another, so that peak memory is its own and nothing else runs.
Tokens are the encoder's pieces without padding; time runs from the first batch of an epoch to its last update,
data loading included, evaluation and checkpoints left out. F1 is lenient, on the test split, by each arm's own
decoding: argmax for the guide's arms, valid tags for Tagwright.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib import metadata
from pathlib import Path

# What each of Tagwright's arms adds to the default recipe.
RECIPES = {
    "tagwright": [],
    "torch-plain": ["train.fast_step=false"],
    "keras": ["train.engine=keras"],
    "torch-plain-fp32": ["train.fast_step=false", "train.precision=fp32"],
    "keras-fp32": ["train.engine=keras", "train.precision=fp32"],
}
ARMS = ("guide", "guide-bf16-grouped", *RECIPES)
OF_ENGINE = {"torch": ARMS[:3], "keras": tuple(RECIPES)}


def clock_callback():
    import transformers

    class Clock(transformers.TrainerCallback):
        seconds = 0.0

        def on_epoch_begin(self, args, state, control, **_):
            self.started = time.perf_counter()

        def on_epoch_end(self, args, state, control, **_):
            self.seconds += time.perf_counter() - self.started

    return Clock()


def run_guide(data: str, encoder: str, epochs: float, seed: int, *, faster: bool) -> dict:
    """The guide, as it is written; with `faster`, its own switches for speed."""
    import torch
    import transformers
    from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

    import tagwright as tw
    from tagwright.model.network import build_network
    from tagwright.score.counts import score
    from tagwright.tags import LabelMap, Scheme

    corpus = tw.load_data(data)
    names = corpus["train"].features["ner_tags"].feature.names
    transformers.set_seed(seed)
    network = build_network(encoder, LabelMap(names, Scheme.IOB2), seed=seed)
    model, tokenizer = network.model, network.tokenizer

    def tokenize_and_align_labels(examples):
        tokenized = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)
        labels = []
        for i, tags in enumerate(examples["ner_tags"]):
            previous, row = None, []
            for word in tokenized.word_ids(batch_index=i):
                row.append(-100 if word is None or word == previous else tags[word])
                previous = word
            labels.append(row)
        tokenized["labels"] = labels
        return tokenized

    encoded = corpus.map(tokenize_and_align_labels, batched=True, remove_columns=corpus["train"].column_names)
    clock = clock_callback()
    cuda = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                learning_rate=2e-5,
                per_device_train_batch_size=16,
                per_device_eval_batch_size=16,
                num_train_epochs=epochs,
                weight_decay=0.01,
                eval_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                seed=seed,
                use_cpu=not cuda,
                bf16=faster,
                train_sampling_strategy="group_by_length" if faster else "random",
            ),
            train_dataset=encoded["train"],
            processing_class=tokenizer,
            data_collator=DataCollatorForTokenClassification(tokenizer=tokenizer),
            callbacks=[clock],
        )
        trainer.train()
        steps = trainer.state.global_step
        # Predict in the data set's order, as the guide's evaluation does.
        trainer.args.train_sampling_strategy = "random"
        output = trainer.predict(encoded["test"])
    gold, pred = [], []
    for logits, labels in zip(output.predictions.argmax(-1), output.label_ids, strict=True):
        kept = labels != -100
        gold.append([names[i] for i in labels[kept]])
        pred.append([names[i] for i in logits[kept]])
    tokens = sum(map(len, encoded["train"]["input_ids"][:])) * epochs
    return {"tokens": tokens, "seconds": clock.seconds, "steps": steps, "f1": score(gold, pred).lenient.f1}


def run_tagwright(arm: str, data: str, encoder: str, epochs: float, seed: int, keep: Path | None) -> dict:
    import tagwright as tw

    clock = clock_callback()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run" if keep is None else keep / f"{arm}-{seed}"
        trained = tw.train(
            data=data,
            model=encoder,
            out=run,
            overwrite=True,
            settings=[f"train.epochs={epochs}", f"train.seed={seed}", *RECIPES[arm]],
            callbacks=[clock],
            report=False,
        )
        made = json.loads((run / "tagwright.json").read_text())["made"]
    return {
        "tokens": trained.pieces,
        "seconds": clock.seconds,
        "steps": made["steps"],
        "f1": trained.scores["test"]["lenient"]["f1"],
        "validation_f1": trained.scores["validation"]["lenient"]["f1"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--engine", choices=OF_ENGINE, default="torch")
    parser.add_argument("--arms", nargs="+", choices=ARMS)
    parser.add_argument("--keep", type=Path, help="a folder for the bundles")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.arm:
        if args.arm in RECIPES:
            result = run_tagwright(args.arm, args.data, args.encoder, args.epochs, args.seed, args.keep)
        else:
            faster = args.arm != "guide"
            result = run_guide(args.data, args.encoder, args.epochs, args.seed, faster=faster)
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return

    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("torch", "transformers", "keras", "tensorflow-cpu", "tagwright")
    )
    arms = args.arms or OF_ENGINE[args.engine]
    print(f"{date.today()}  {os.cpu_count()} CPUs ({platform.processor() or platform.machine()})  {versions}")
    results: dict[str, list[dict]] = {arm: [] for arm in arms}
    for seed in range(args.seed, args.seed + args.rounds):
        for arm in arms:
            call = [sys.executable, __file__, args.data, "--arm", arm, "--epochs", str(args.epochs)]
            call += ["--encoder", args.encoder, "--seed", str(seed)]
            call += ["--keep", str(args.keep)] if args.keep else []
            output = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout
            result = json.loads(output.strip().splitlines()[-1])
            results[arm].append(result)
            print(f"  seed {seed}  {arm:20s} {json.dumps(result)}", flush=True)
    first = arms[0]
    print(f"| arm | tokens/s | ratio to {first} | peak memory | test F1 (lenient) |\n|---|---|---|---|---|")
    speed = {
        arm: statistics.median(row["tokens"] / row["seconds"] for row in rows)
        for arm, rows in results.items()
    }
    for arm, rows in results.items():
        ratio = speed[arm] / speed[first]
        memory = statistics.median(row["peak_mb"] for row in rows)
        scores = [100 * row["f1"] for row in rows]
        spread = f" ± {statistics.stdev(scores):.2f}" if len(scores) > 1 else ""
        f1 = f"{statistics.mean(scores):.2f}{spread}"
        print(f"| {arm} | {speed[arm]:,.0f} | {ratio:.2f} | {memory:,.0f} MB | {f1} |")


if __name__ == "__main__":
    main()
