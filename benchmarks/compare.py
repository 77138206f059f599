"""What resampling and comparing cost, and what scoring large files needs.

    python benchmarks/compare.py DATA [--words 10000000]

DATA is read as `tagwright evaluate` reads it; its test split is gold, and a system's predictions are gold without
the entities of every second, third, … sentence. Times are seconds of the clock; memory is the peak of a process of
its own, which runs `tagwright score` on two files that repeat the test split.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tagwright as tw
from tagwright.data.conll_writer import write_conll

# VmHWM is the peak of the program itself; getrusage would count its parent's before exec.
SCORE = """
import re, sys
from tagwright.cli.main import run
code = run(["score", *sys.argv[1:], "--json"])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(code)
"""


def measure(what: str, call: Callable[[], Any]) -> Any:
    begin = time.perf_counter()
    result = call()
    print(f"{what:60}{time.perf_counter() - begin:10.3f} s")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--words", type=int, default=10_000_000)
    options = parser.parse_args()

    split = tw.load_data(options.data)["test"]
    names = split.features["ner_tags"].feature.names
    words = split["tokens"][:]
    gold = [[names[tag] for tag in tags] for tags in split["ner_tags"][:]]
    systems = [
        [["O"] * len(tags) if number % every == 0 else tags for number, tags in enumerate(gold)]
        for every in (2, 3, 4, 5)
    ]
    scores = tw.score(gold, systems[0])
    measure("1,000 resamples, lenient and strict, all types, first call", scores.to_dict)
    scores = tw.score(gold, systems[1])
    measure("the same, another system", scores.to_dict)
    measure("compare 2 systems, 10,000 rounds, all types", lambda: tw.compare(gold, *systems[:2]))
    measure("compare 4 systems", lambda: tw.compare(gold, *systems))
    times = -(-100_000 // len(gold))
    many = [part * times for part in (gold, *systems[:2])]
    measure(f"compare 2 systems on {len(many[0]):,} sentences", lambda: tw.compare(*many))

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("gold.conll", "pred.conll")]
        copies = -(-options.words // sum(map(len, words)))
        for path, tags in zip(paths, (gold, systems[0]), strict=True):
            write_conll(path, list(zip(words, tags, strict=True)) * copies)
        count = copies * sum(map(len, words))
        done = measure(
            f"tagwright score, two files of {count:,} words",
            lambda: subprocess.run(
                [sys.executable, "-c", SCORE, *map(str, paths)], check=True, capture_output=True, text=True
            ),
        )
        print(f"{'its peak memory':60}{int(done.stderr.split()[-1]) / 1024:10.0f} MiB")


if __name__ == "__main__":
    main()
