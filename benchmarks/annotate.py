"""`tagwright annotate` on Ray beside `tagwright predict` in one process, and a model of how it grows.

    python benchmarks/annotate.py BUNDLE ../shared/data/wnut17
    python benchmarks/annotate.py BUNDLE ../shared/data/wnut17 --measure whole --sentences 1000000

Sentences are the data's, all splits, repeated, as Parquet with `id` and `text`. Every arm is a whole command; its rate
is the marginal one: the words of the large input over the seconds that it took more than on 1,024 sentences, so that
start-up is told apart. Arms alternate, round by round. `--whole` tags all sentences once by the best arm and
samples memory. The parts of the model: what a fragment costs with nothing to tag (`--where false`), what one core does
around a model that costs next to nothing (`tiny`: two layers, 32 wide), and the words/s of the bundle.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from serving import heading
from stream import tiny_bundle

SMALL = 1024
PAUSE = 5.0
"""Seconds between two looks at the memory; each costs some tenths of a second of a core."""
ENVIRONMENT = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}


class Arm(NamedTuple):
    """A way to tag: its name in the table, its options, and the cores that it computes on."""

    name: str
    options: tuple[str, ...]
    cores: int
    command: str = "annotate"


class Took(NamedTuple):
    """One call: its seconds, and what all its processes held over time, in MB of 2**20 bytes, shared parts once."""

    seconds: float
    held_mb: list[float]
    told: dict[str, Any]


def write_input(path: Path, data: str, count: int) -> int:
    """Write sentences; return their words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    import tagwright as tw

    sentences = [words for split in tw.load_data(data).values() for words in split["tokens"][:]]
    texts = [" ".join(words) for words in sentences]
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for begin in range(0, count, 65_536):
            ids = range(begin, min(begin + 65_536, count))
            rows = [texts[number % len(texts)] for number in ids]
            writer.write_table(pa.table({"id": list(ids), "text": rows}, schema))
    return sum(len(sentences[number % len(sentences)]) for number in range(count))


def memory_mb(process: subprocess.Popen[Any]) -> float:
    """Proportional memory of a process and all that it began, Ray's own included."""
    import psutil

    total = 0
    try:
        found = [psutil.Process(process.pid)]
        found += found[0].children(recursive=True)
    except psutil.NoSuchProcess:
        return 0.0
    for one in found:
        try:
            total += one.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20


def call(command: Sequence[str], *, watch: bool = False) -> Took:
    """Run a command to its end; it is an error if it fails."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=errors, text=True)
        done = threading.Event()
        seen: list[float] = []

        def look() -> None:
            while not done.wait(PAUSE):
                seen.append(memory_mb(process))

        thread = threading.Thread(target=look, daemon=True)
        if watch:
            thread.start()
        out, _ = process.communicate()
        seconds = time.perf_counter() - begin
        done.set()
        if watch:
            thread.join()
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{shlex.join(command)} failed:\n{errors.read()[-3000:]}")
    return Took(seconds, seen, json.loads(out) if out.startswith("{") else {})


class Bench:
    """The commands over one bundle and one folder of inputs."""

    def __init__(self, bundle: Path, folder: Path, extra: Sequence[str]) -> None:
        self.bundle = bundle
        self.folder = folder
        self.extra = list(extra)

    def run(self, arm: Arm, source: Path, *, watch: bool = False, bundle: Path | None = None) -> Took:
        out = self.folder / "out"
        words = [sys.executable, "-m", "tagwright", arm.command, str(bundle or self.bundle), str(source)]
        words += [*self.extra, *arm.options]
        if arm.command == "predict":
            words += ["-o", str(out / "predicted.jsonl"), "--overwrite"]
            out.mkdir(exist_ok=True)
        else:
            words += [str(out), "--json"]
        try:
            return call(words, watch=watch)
        finally:
            shutil.rmtree(out, ignore_errors=True)

    def rates(
        self,
        arms: Sequence[Arm],
        small: Path,
        large: Path,
        words: int,
        rounds: int,
        bundle: Path | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Return each arm's words/s, start-up apart, and its start-up in seconds: medians over rounds."""
        seconds: dict[str, list[tuple[float, float]]] = {arm.name: [] for arm in arms}
        for number in range(rounds):
            for arm in arms if number % 2 == 0 else reversed(arms):
                first = self.run(arm, small, bundle=bundle).seconds
                whole = self.run(arm, large, bundle=bundle).seconds
                seconds[arm.name].append((first, whole))
                print(f"{arm.name}: {first:.1f} s, {whole:.1f} s", file=sys.stderr)
        return {
            name: (
                statistics.median(words / (whole - first) for first, whole in pairs),
                statistics.median(first for first, _ in pairs),
            )
            for name, pairs in seconds.items()
        }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def grow(parts: dict[str, float], *, sentences: float, machines: int, rows: int, words: float) -> str:
    """Say how long many sentences take on many machines, of which each has one worker, by the measured parts."""
    fragments = sentences / rows
    found = {
        "one core a machine around the model (reading, splitting, pieces, decoding, writing)": sentences
        * words
        / (machines * parts["host_words"]),
        "opening and committing fragments": fragments * parts["fragment_seconds"] / machines,
        "the driver, which hands out fragments one by one": fragments * parts["driver_seconds"],
        "planning": sentences * parts["plan_seconds_per_row"],
    }
    first = max(found, key=found.__getitem__)
    lines = [
        f"{sentences:.0e} sentences, {machines} machines, fragments of {rows:,} rows ({fragments:,.0f}):"
    ]
    lines += [f"- {name}: {seconds:,.0f} s" for name, seconds in found.items()]
    return "\n".join([*lines, f"First bottleneck, if the model itself is faster: {first}."])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data")
    parser.add_argument("--sentences", type=int, default=1_000_000, help="of `whole`")
    parser.add_argument("--part", type=int, default=65_536, help="sentences of the other measurements")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fragment-rows", type=int, nargs="*", default=[1024, 4096, 16_384])
    parser.add_argument(
        "--measure",
        nargs="+",
        choices=["arms", "sizes", "parts", "whole"],
        default=["arms", "sizes", "parts", "whole"],
        help="workers and cores; rows in a fragment; the parts of the model; all sentences, with memory",
    )
    parser.add_argument("options", nargs="*", help="more options of both commands, after --")
    args = parser.parse_args()
    print(heading("ray", "pyarrow", "duckdb"))
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        bench = Bench(args.bundle, folder, args.options)
        small, large = folder / "small.parquet", folder / "large.parquet"
        write_input(small, args.data, SMALL)
        words = write_input(large, args.data, args.part)
        more = words - words * SMALL / args.part
        if "arms" in args.measure:
            measure_arms(bench, small, large, words, more, args)
        if "sizes" in args.measure:
            sizes = [
                Arm(f"{rows:,}", (*each_core(), "--fragment-rows", str(rows)), cores())
                for rows in args.fragment_rows
            ]
            by_size = bench.rates(sizes, small, large, more, 1)
            print("A worker a core, by rows in a fragment, one round\n")
            print(
                table(["rows", "words/s"], [[arm.name, f"{by_size[arm.name][0]:,.0f}"] for arm in sizes]),
                "\n",
            )
        if "parts" in args.measure:
            measure_parts(bench, args, folder, small, words / args.part)
        if "whole" in args.measure:
            source = folder / "whole.parquet"
            total = write_input(source, args.data, args.sentences)
            took = bench.run(Arm("", each_core(), cores()), source, watch=True)
            print(
                f"A worker a core: {args.sentences:,} sentences, {total:,} words in {took.seconds:,.0f} s "
                f"({total / took.seconds:,.0f} words/s with start-up); all processes, Ray's own included, held "
                f"{tenth(took.held_mb, 2):,.0f} MB in the second tenth, {tenth(took.held_mb, 10):,.0f} in the last"
            )


def tenth(values: Sequence[float], number: int) -> float:
    """Return the largest value of one tenth of a run, from 1."""
    return max(values[(number - 1) * len(values) // 10 : number * len(values) // 10], default=0.0)


def cores() -> int:
    return len(os.sched_getaffinity(0))


def each_core() -> tuple[str, ...]:
    return ("--actors", str(cores()), "--cores", "1")


def measure_arms(
    bench: Bench, small: Path, large: Path, words: int, more: float, args: argparse.Namespace
) -> None:
    """Compare workers and cores with one process of `predict`, which takes all cores."""
    alone = Arm("`predict`, one process", (), cores(), "predict")
    split = [
        Arm(
            f"`annotate`, {count} × {each} cores",
            ("--actors", str(count), "--cores", str(each)),
            count * each,
        )
        for count, each in ((1, 1), (1, cores()), (cores(), 1))
    ]
    rates = bench.rates([alone, *split], small, large, more, args.rounds)
    base = rates[alone.name][0] / cores()
    rows = []
    for arm in [alone, *split]:
        rate, start = rates[arm.name]
        rows.append(
            [
                arm.name,
                f"{rate:,.0f}",
                f"{rate / arm.cores:,.0f}",
                f"{rate / arm.cores / base:.2f}",
                f"{start:.1f}",
            ]
        )
    print(f"{args.part:,} sentences, {words:,} words, medians of {args.rounds} rounds\n")
    print(table(["arm", "words/s", "a core", "to `predict`, a core", "start-up, s"], rows), "\n")


DRIVER = """
import json, sys, time, tagwright as tw
bundle, source, out, rows = sys.argv[1:]
begin = time.process_time()
done = tw.annotate(bundle, source, out, where="false", fragment_rows=int(rows), actors=1)
print(json.dumps({"seconds": time.process_time() - begin}))
"""


def measure_parts(bench: Bench, args: argparse.Namespace, folder: Path, small: Path, words: float) -> None:
    """Measure what the model of growth is made of, and say what follows."""
    one = ("--actors", "1", "--cores", "1")
    tiny = tiny_bundle(folder / "tiny")
    count = 200 * SMALL
    source = folder / "parts.parquet"
    total = write_input(source, args.data, count)
    fine, coarse = [
        bench.run(
            Arm("", (*one, "--where", "false", "--fragment-rows", rows), 1), source, bundle=tiny
        ).seconds
        for rows in ("1024", "204800")
    ]
    cpu = [driver_seconds(tiny, source, folder / "out", rows) for rows in ("1024", "204800")]
    host = bench.rates(
        [Arm("a tiny model, one core", one, 1)], small, source, total - SMALL * words, 1, bundle=tiny
    )
    begin = time.perf_counter()
    plan(tiny, source)
    parts = {
        "host_words": host["a tiny model, one core"][0],
        "fragment_seconds": (fine - coarse) / 199,
        "driver_seconds": (cpu[0] - cpu[1]) / 199,
        "plan_seconds_per_row": (time.perf_counter() - begin) / count,
    }
    print(
        f"Measured parts: a fragment with nothing to tag takes {1000 * parts['fragment_seconds']:.0f} ms of a worker, "
        f"{1000 * parts['driver_seconds']:.1f} ms of the driver's processor; planning Parquet "
        f"{1e9 * parts['plan_seconds_per_row']:.0f} ns a row; around a tiny model one core does "
        f"{parts['host_words']:,.0f} words/s\n"
    )
    print(grow(parts, sentences=1e9, machines=64, rows=16_384, words=words), "\n")


def driver_seconds(bundle: Path, source: Path, out: Path, rows: str) -> float:
    """Processor seconds of the driver's own process, all its threads."""
    command = [sys.executable, "-c", DRIVER, str(bundle), str(source), str(out), rows]
    try:
        return float(call(command).told["seconds"])
    finally:
        shutil.rmtree(out, ignore_errors=True)


def plan(bundle: Path, source: Path) -> None:
    from tagwright.scale.fragment import Job
    from tagwright.scale.places import Place
    from tagwright.scale.plan import make_plan

    make_plan(Place.of(source), Job(str(source)), fragment_rows=16_384, limit=None)


if __name__ == "__main__":
    main()
