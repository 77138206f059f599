"""Prediction side by side in one run: transformers.pipeline, a plain loop, Tagwright on each runtime, and peers.

    python benchmarks/predict.py BUNDLE ../shared/data/wnut17 --export-dir runs/exports --json predict.json
    python benchmarks/predict.py BUNDLE ../shared/data/wnut17 --export-dir runs/exports --resume \\
        --peer spacy=ENV/bin/python:MODEL_DIR

Each arm runs in a process of its own, one after another, nothing beside it, with the same number of threads; a round
runs every arm once, so that a drift of the machine hits all alike. Tagged are the sentences of the test split, and
documents of 1 to 3,000 words made of them (predict_data.py). Exports that are not in --export-dir are made there.
Every result lies in --work as a file; --resume keeps what lies there. How an arm is measured: predicting.py; the arms:
predict_arms.py; the floor: predict_floor.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from predict_table import last_line, tables
from predicting import STARTED

HERE = Path(__file__).parent
SETS = ("sentences", "documents")
VERSIONS = ("torch", "transformers", "tokenizers", "onnxruntime", "openvino", "nncf", "numpy", "tagwright")
LONGER = 5
"""Documents are longer than sentences: so many times fewer are tagged one at a time."""
LIMIT = 900
"""Seconds after which an arm is given up."""

EXPORTS = {
    "onnx-fp32": ["--to", "onnx"],
    "onnx-int8": ["--to", "onnx", "--int8"],
    "openvino-fp32": ["--to", "openvino"],
    "openvino-int8": ["--to", "openvino", "--int8"],
    "openvino-int8-static": ["--to", "openvino", "--int8", "--static"],
}


class Arm(NamedTuple):
    """A row of the table.

    Attributes:
        name: what the table calls it.
        kind: what predict_arms.py calls it; a peer's script.
        model: the folder that it loads.
        given: `text` or `words`.
        python: what runs it.
        searched: the best batch size is looked for first.
        same_model: its entities are compared with the reference's.
    """

    name: str
    kind: str
    model: str
    given: str
    python: str = sys.executable
    searched: bool = False
    same_model: bool = True

    @property
    def key(self) -> str:
        return self.name.replace(" ", "-").replace(",", "").replace(".", "-")


REFERENCE = "Tagwright torch fp32"
REFERENCE_WORDS = "Tagwright torch fp32, words"


def arms_of(args: argparse.Namespace) -> list[Arm]:
    bundle = str(args.bundle)
    arms = [
        Arm("pipeline, batch 1", "pipeline-fp32", bundle, "text"),
        Arm("pipeline, best batch", "pipeline-fp32", bundle, "text", searched=True),
        Arm("pipeline bf16, best batch", "pipeline-bf16", bundle, "text", searched=True),
        Arm("plain loop fp32", "plain-fp32", bundle, "words", searched=True),
        Arm("plain loop bf16", "plain-bf16", bundle, "words", searched=True),
        Arm(REFERENCE, "torch-fp32", bundle, "text"),
        Arm(REFERENCE_WORDS, "words-fp32", bundle, "words"),
        Arm("Tagwright torch bf16", "torch-bf16", bundle, "text"),
    ]
    if args.device == "cpu" and args.export_dir:
        for kind, folder in (
            ("onnx-fp32", "onnx-fp32"),
            ("onnx-int8", "onnx-int8"),
            ("openvino-fp32", "openvino-fp32"),
            ("openvino-bf16", "openvino-fp32"),
            ("openvino-int8", "openvino-int8"),
            ("openvino-int8-static", "openvino-int8-static"),
        ):
            name = "Tagwright " + kind.replace("-", " ")
            arms.append(Arm(name, kind, str(args.export_dir / folder), "text"))
    for peer in args.peer:
        name, _, rest = peer.partition("=")
        python, _, model = rest.rpartition(":")
        scripts = sorted((HERE / "peers").glob(f"{name}*.py"))
        if not python or not model or not scripts:
            sys.exit(f"--peer {peer}: give NAME=PYTHON:MODEL_DIR, where benchmarks/peers/NAME*.py is there")
        arms.append(Arm(name, str(scripts[0]), model, "words", python, searched=True, same_model=False))
    if args.arms:
        unknown = set(args.arms) - {arm.name for arm in arms}
        if unknown:
            sys.exit(f"there is no arm {sorted(unknown)}; there are {[arm.name for arm in arms]}")
        arms = [arm for arm in arms if arm.name in args.arms]
    return arms


def call(command: list[str], out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Run a command that writes `out`, unless that lies there; what failed is kept as `error`, and tried again."""
    if args.resume and out.exists():
        made: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        if "error" not in made:
            return made
    out.unlink(missing_ok=True)
    threads = str(args.threads)
    environment = os.environ | {
        "OMP_NUM_THREADS": threads,
        "RAYON_NUM_THREADS": threads,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    begin = time.time()
    try:
        done = subprocess.run(
            command,
            env=environment | {STARTED: repr(begin)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LIMIT,
        )
        error = None if out.exists() and not done.returncode else done.stdout.strip()[-8000:]
    except subprocess.TimeoutExpired:
        error = f"took longer than {LIMIT} s"
    except OSError as failed:
        error = str(failed)
    if error is not None:
        out.write_text(json.dumps({"error": error or "it wrote nothing"}), encoding="utf-8")
    made = json.loads(out.read_text(encoding="utf-8"))
    said = f"failed: {last_line(error)}" if error is not None else made.get("words_per_second")
    if isinstance(said, float):
        said = f"{said:,.0f} words/s"
    elif said is None:
        said = json.dumps({key: made[key] for key in ("best_batch", "gflops") if key in made})
    print(f"  {out.stem:60s} {time.time() - begin:6.1f} s  {said}", file=sys.stderr, flush=True)
    return made


def make_exports(args: argparse.Namespace) -> None:
    args.export_dir.mkdir(parents=True, exist_ok=True)
    for name, options in EXPORTS.items():
        folder = args.export_dir / name
        if (folder / "tagwright.json").exists():
            continue
        command = [sys.executable, "-m", "tagwright", "export", str(args.bundle), *options]
        command += ["--data", args.data, "-o", str(folder)]
        print(f"  $ tagwright {' '.join(command[3:])}", file=sys.stderr, flush=True)
        if subprocess.run(command, stdout=sys.stderr).returncode:
            print(f"  no export {name}: its arms will fail", file=sys.stderr)


def tag(arm: Arm, name: str, out: Path, args: argparse.Namespace, *options: str) -> dict[str, Any]:
    command = [arm.python, str(HERE / "predict_arms.py"), "tag", arm.model]
    command += [str(args.work / f"{name}.jsonl"), str(out), "--arm", arm.kind]
    long = name == "documents"
    calls = args.calls // LONGER if long else args.calls
    command += ["--threads", str(args.threads), "--device", args.device, "--calls", str(calls), *options]
    return call(command + (["--long"] if long else []), out, args)


def rounds(arms: list[Arm], args: argparse.Namespace) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the set of texts, the arm's name and the result, of every arm and round; and of the floor."""
    batches: dict[tuple[str, str], list[str]] = {}
    for name in SETS:
        for arm in arms:
            if arm.searched:
                found = tag(arm, name, args.work / f"{name}.{arm.key}.search.json", args, "--search")
                if "best_batch" in found:
                    batches[name, arm.name] = ["--batch", str(found["best_batch"])]
    for number in range(args.rounds):
        out = args.work / f"floor.{number}.json"
        command = [sys.executable, str(HERE / "predict_floor.py"), str(args.bundle), str(args.work), str(out)]
        yield (
            "",
            "floor",
            call([*command, "--threads", str(args.threads), "--device", args.device], out, args),
        )
        for name in SETS:
            for arm in arms:
                out = args.work / f"{name}.{arm.key}.{number}.json"
                yield name, arm.name, tag(arm, name, out, args, *batches.get((name, arm.name), []))


def head(args: argparse.Namespace) -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    cpu = models[0].partition(":")[2].strip() if models else cpu
    versions = []
    for name in VERSIONS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    waiting = os.environ.get("OMP_WAIT_POLICY", "not set")
    return (
        f"{date.today()}. {os.cpu_count()} CPUs ({cpu}), {args.threads} threads, device {args.device}, "
        f"OMP_WAIT_POLICY {waiting}. Python {platform.python_version()}, {', '.join(versions)}. "
        f"`{shlex.join(['python', *sys.argv])}`"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data")
    parser.add_argument("--export-dir", type=Path, help="exports of the bundle; what is not there is made")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON:MODEL_DIR")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="only these, by the table's names")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=100, help="texts tagged one at a time, each round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", help="cuda: the arms on PyTorch, there")
    parser.add_argument("--limit", type=int, help="only so many sentences, to try it")
    parser.add_argument("--work", type=Path, default=Path("runs/predict"), help="a folder for each result")
    parser.add_argument("--resume", action="store_true", help="keep the results that lie in --work")
    parser.add_argument("--json", type=Path, help="write all results here")
    args = parser.parse_args()
    # Fewer threads than CPUs: libraries that count CPUs see as many as the others have threads.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    args.work.mkdir(parents=True, exist_ok=True)
    arms = arms_of(args)
    if args.export_dir and args.device == "cpu":
        make_exports(args)
    command = [sys.executable, str(HERE / "predict_data.py"), args.data, str(args.work)]
    subprocess.run([*command, *(["--limit", str(args.limit)] if args.limit else [])], check=True)

    results: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in ("", *SETS)}
    for name, arm, made in rounds(arms, args):
        results[name].setdefault(arm, []).append(made)
    if args.json:
        args.json.write_text(json.dumps(results), encoding="utf-8")
    print(head(args) + "\n")
    print(tables(arms, results, args.work))


if __name__ == "__main__":
    main()
