"""Tagwright's scores beside seqeval's, both from lists of lists of tags.

    python benchmarks/score.py [--sentences 100000] [--repeats 3]

Times are processor seconds of this process (both sides use one thread), so that other work on the machine
disturbs them little; the least of the repeats counts. Tagwright's time holds five readings (all but surface,
which needs words), what the intervals are drawn from, the conversion of strings to ids and the search for the
scheme; seqeval's calls give one reading each. The intervals themselves are timed apart.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

from seqeval.metrics import classification_report, f1_score
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from seqeval.scheme import IOB2

import tagwright as tw

TYPES = ["corporation", "creative-work", "group", "location", "person", "product"]


def make_tags(sentences: int, seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Gold and predicted IOB2 tags, about 18 words and one mention a sentence; some predictions are invalid."""
    rng = random.Random(seed)
    gold, pred = [], []
    for _ in range(sentences):
        tags: list[str] = []
        length = rng.randint(4, 32)
        while len(tags) < length:
            if rng.random() < 0.06:
                label = rng.choice(TYPES)
                tags += [f"B-{label}"] + [f"I-{label}"] * rng.choice((0, 0, 1, 1, 2))
            else:
                tags.append("O")
        gold.append(tags)
        pred.append(
            [rng.choice(("O", "B-person", "I-person")) if rng.random() < 0.02 else tag for tag in tags]
        )
    return gold, pred


def measure(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Return the least processor time of several calls, and the last result."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        result = call()
        times.append(time.process_time() - begin)
    return min(times), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    gold, pred = make_tags(options.sentences, seed=0)
    print(f"{len(gold):,} sentences, {sum(map(len, gold)):,} words, IOB2, {len(TYPES)} types\n")

    ours, scores = measure(lambda: tw.score(gold, pred), options.repeats)
    strict: dict[str, Any] = {"mode": "strict", "scheme": IOB2}
    calls: list[tuple[str, Callable[[], Any], float]] = [
        ("f1_score, lenient", lambda: f1_score(gold, pred), scores.lenient.f1),
        ("f1_score, strict", lambda: f1_score(gold, pred, **strict), scores.strict.f1),
        (
            "classification_report, lenient",
            lambda: classification_report(gold, pred, output_dict=True),
            scores.lenient.f1,
        ),
        (
            "classification_report, strict",
            lambda: classification_report(gold, pred, output_dict=True, **strict),
            scores.strict.f1,
        ),
    ]
    print(f"{'':<42}{'seconds':>9}{'ratio':>8}")
    print(f"{'tagwright, five readings, every ratio':<42}{ours:>9.2f}{1:>8.1f}")
    drawn, _ = measure(scores.to_dict, options.repeats)
    print(f"{'tagwright, 1,000 resamples, both readings':<42}{drawn:>9.2f}{drawn / ours:>8.1f}")
    for name, call, expected in calls:
        seconds, result = measure(call, options.repeats)
        f1 = result["micro avg"]["f1-score"] if isinstance(result, dict) else result
        if abs(f1 - expected) > 1e-12:
            raise SystemExit(f"{name}: {f1} is not {expected}")
        print(f"{'seqeval, ' + name:<42}{seconds:>9.2f}{seconds / ours:>8.1f}")

    per_type = precision_recall_fscore_support(gold, pred, average=None)
    for (name, tally), *row in zip(scores.lenient.per_type.items(), *per_type, strict=True):
        if any(
            abs(a - b) > 1e-12
            for a, b in zip(row, (tally.precision, tally.recall, tally.f1, tally.support), strict=True)
        ):
            raise SystemExit(f"{name}: {row} is not {tally}")
    print("\nall figures equal")


if __name__ == "__main__":
    main()
