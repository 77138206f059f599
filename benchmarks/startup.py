"""Start-up: from the start of a process to its first answer, or to its end where it answers nothing.

    python benchmarks/startup.py BUNDLE --export-dir runs/exports [--rounds 20]

Rounds run everything once, one after another, each time in another order; the first is not counted, as it compiles
Python's files and brings libraries into the file cache. What takes seconds runs in every fourth round. Exports are
those that predict.py makes, `onnx-fp32` and `openvino-fp32`; without them their rows are left out.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from datetime import date
from importlib import metadata
from pathlib import Path

TEXT = "Jeff Bezos bought the Washington Post in New York ."
TAGGER = """
import sys
from tagwright import Tagger
tagger = Tagger.load(sys.argv[1], sys.argv[2], sys.argv[3])
print(len(tagger(sys.argv[4])), flush=True)
"""
PIPELINE = """
import sys
from transformers import pipeline
pipe = pipeline("token-classification", model=sys.argv[1], aggregation_strategy="first")
print(len(pipe(sys.argv[2])), flush=True)
"""
SLOW = 4


def seconds_of(command: list[str], *, answers: bool) -> float:
    """Seconds until a process prints a line, or ends."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        line = process.stdout.readline() if answers else ""
        answered = time.perf_counter() - begin
        said, errors = process.communicate()
        seconds = answered if answers else time.perf_counter() - begin
    if process.returncode or (answers and not line):
        raise SystemExit(f"{command[:3]} failed: {(errors or said).strip()[-1000:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle")
    parser.add_argument("--export-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    python = sys.executable
    script = Path(python).with_name("tagwright")
    command = [str(script)] if script.exists() else [python, "-m", "tagwright"]
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    # name -> command, whether it answers, whether it takes seconds
    arms: dict[str, tuple[list[str], bool, bool]] = {
        "`python -c pass`": ([python, "-c", "pass"], False, False),
        "`import tagwright`": ([python, "-c", "import tagwright"], False, False),
        "`tagwright --help`": ([*command, "--help"], False, False),
    }
    for runtime, precision in (("onnx", "fp32"), ("openvino", "auto")):
        folder = args.export_dir and args.export_dir / f"{runtime}-fp32"
        if folder and (folder / "tagwright.json").exists():
            call = [python, "-c", TAGGER, str(folder), runtime, precision, TEXT]
            arms[f"`Tagger.load` of {runtime}, first answer"] = (call, True, False)
    call = [python, "-c", TAGGER, args.bundle, "torch", "auto", TEXT]
    arms["`Tagger.load` of torch, first answer"] = (call, True, True)
    call = [python, "-c", PIPELINE, args.bundle, TEXT]
    arms["`transformers.pipeline`, first answer"] = (call, True, True)

    seconds: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for number in range(args.rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            command, answers, slow = arms[name]
            if slow and number and number % SLOW != 1:
                continue
            taken = seconds_of(command, answers=answers)
            if number:
                seconds[name].append(taken)

    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("torch", "transformers", "onnxruntime", "openvino", "tagwright")
    )
    print(f"{date.today()}  {os.cpu_count()} CPUs  Python {sys.version.split()[0]}, {versions}")
    print(f"`{shlex.join(['python', *sys.argv])}`\n")
    print("| | seconds, median | least to most | times `python -c pass` | runs |\n|---|---|---|---|---|")
    base = statistics.median(seconds[names[0]])
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        spread = f"{min(taken):.3f} to {max(taken):.3f}"
        print(f"| {name} | {middle:.3f} | {spread} | {middle / base:.1f} | {len(taken)} |")


if __name__ == "__main__":
    main()
