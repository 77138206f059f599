"""F1 of recipes on the test split, mean and standard deviation over seeds.

    python benchmarks/f1.py ../shared/data/wnut17 [--recipes default guide] [--seeds 1 2 3 4 5] [--set k=v ...]

Prints validation and test, lenient and strict. Choose on validation; the test column is for the report.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import tagwright as tw


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--recipes", nargs="+", default=["default", "guide"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument(
        "--test", action=argparse.BooleanOptionalAction, default=True, help="print the test scores"
    )
    args = parser.parse_args()
    splits = ("validation", "test") if args.test else ("validation",)
    for recipe in args.recipes:
        scores: dict[tuple[str, str], list[float]] = {}
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as folder:
                trained = tw.train(
                    recipe,
                    data=args.data,
                    model=args.encoder,
                    out=Path(folder) / "run",
                    settings=[*args.settings, f"train.seed={seed}"],
                )
            for split in splits:
                for reading in ("lenient", "strict"):
                    scores.setdefault((split, reading), []).append(100 * trained.scores[split][reading]["f1"])
        for (split, reading), values in scores.items():
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            rounded = json.dumps([round(value, 2) for value in values])
            print(
                f"{recipe:10s} {' '.join(args.settings)} {split:10s} {reading:8s} mean {statistics.mean(values):.2f}  "
                f"sd {spread:.2f}  {rounded}",
                flush=True,
            )


if __name__ == "__main__":
    main()
