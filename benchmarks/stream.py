"""A big file through `tagwright predict`: memory while it runs, and the same bytes after kills and resumes.

    python benchmarks/stream.py tiny ../shared/data/wnut17 --megabytes 1000
    python benchmarks/stream.py BUNDLE ../shared/data/wnut17 --megabytes 20 --kills 5

The file repeats the data's sentences, all splits, until it is so large; each line ends in its own number, so that what
is kept of words seen would show (`--same`: without). One run goes through unbroken while its resident memory is
sampled; another is ended by SIGKILL at moments drawn by `--seed` and continued by `--resume`, and both files are
compared by SHA-256. `tiny` is a model of two layers, 32 wide, with random weights, made on the spot: everything but the
encoder is what it is for a real one, so it tells of memory and resume on a file for which a real encoder needs hours.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import count
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAUSE = 0.1
"""Seconds between two looks at a process."""


OUTSIDE = 4.0
"""Added to the logit of O of the tiny model."""


class Sample(NamedTuple):
    """What a run was at, in bytes of its output, and its resident memory in MB of 2**20 bytes."""

    written: int
    resident: float


def tiny_bundle(folder: Path) -> Path:
    """A tiny model whose random weights find an entity in every tenth word or so, not in every second."""
    sys.path.insert(0, str(ROOT))
    from tests.models import LABELS, tiny_model, tiny_tokenizer

    from tagwright.model.bundle import BundleMeta, save_bundle

    model = tiny_model()
    model.classifier.bias.data[0] += OUTSIDE
    meta = BundleMeta(labels=LABELS, scheme="iob2", max_pieces=64, overlap=16)
    save_bundle(folder, model, tiny_tokenizer(), meta)
    return folder


def write_text(path: Path, data: str, megabytes: float, *, same: bool) -> tuple[int, int, int]:
    """Write the file; return its bytes, lines and words as blanks part them."""
    import tagwright as tw

    splits = tw.load_data(data).values()
    sentences = [" ".join(words) for split in splits for words in split["tokens"][:]]
    words = [sentence.count(" ") + 1 for sentence in sentences]
    size = lines = total = 0
    with path.open("wb") as file:
        for number in count(1):
            at = (number - 1) % len(sentences)
            line = f"{sentences[at]}\n" if same else f"{sentences[at]} {number}\n"
            size += file.write(line.encode())
            lines += 1
            total += words[at] + (not same)
            if size >= megabytes * 1e6:
                return size, lines, total
    raise AssertionError("unreachable")


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at most so far, 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0.0
    found = dict(re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status))
    return int(found.get("VmRSS", 0)) / 1024, int(found.get("VmHWM", 0)) / 1024


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Job:
    """One call of `tagwright predict`."""

    def __init__(self, args: argparse.Namespace, bundle: Path, source: Path, out: Path, *more: str) -> None:
        command = [sys.executable, "-m", "tagwright", "predict", str(bundle), str(source), "-o", str(out)]
        self.part = out.with_name(out.name + ".part")
        self.errors = out.with_name(out.name + ".err")
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen([*command, *more, *args.options], stderr=errors)
        self.samples: list[Sample] = []
        self.peak = 0.0

    def look(self) -> bool:
        """Take a sample; return whether it still runs."""
        time.sleep(PAUSE)
        running = self.process.poll() is None
        now, peak = resident_mb(self.process.pid)
        if now:
            self.samples.append(Sample(size_of(self.part), now))
            self.peak = max(self.peak, peak)
        return running

    def finish(self) -> None:
        while self.look():
            pass
        if self.process.returncode:
            sys.exit(f"it failed: {self.errors.read_text()[-2000:]}")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def memory_at(samples: list[Sample], size: int, share: float) -> float:
    """The largest resident memory in the tenth of the output that ends at a share of it."""
    inside = [s.resident for s in samples if (share - 0.1) * size <= s.written <= share * size]
    return max(inside, default=float("nan"))


def kill_often(args: argparse.Namespace, bundle: Path, source: Path, out: Path, size: float) -> int:
    """Run it with kills in between, each at a share of the whole output drawn beforehand, then to the end."""
    draw = random.Random(args.seed)
    shares = sorted(draw.random() for _ in range(args.kills))
    kills = 0
    for share in shares:
        job = Job(args, bundle, source, out, *(["--resume"] if job_left(out) else []))
        begin = size_of(job.part)
        # A chunk may reach over several shares: then it is killed once it has begun to write, or soon after.
        while job.process.poll() is None and size_of(job.part) < max(share * size, begin + 1):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.2))
        if job.process.poll() is None:
            job.process.send_signal(signal.SIGKILL)
            kills += 1
        job.process.wait()
        at = size_of(job.part) / size
        print(f"  kill {kills}, drawn for {100 * share:.1f}%: {100 * at:.1f}% written", flush=True)
        if out.exists():
            return kills
    Job(args, bundle, source, out, *(["--resume"] if job_left(out) else [])).finish()
    return kills


def job_left(out: Path) -> bool:
    return out.with_name(out.name + ".part").exists()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", help="a bundle, or `tiny`")
    parser.add_argument("data")
    parser.add_argument("--megabytes", type=float, default=1000, help="size of the text, in 10**6 bytes")
    parser.add_argument("--same", action="store_true", help="repeat the lines without numbers")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--together",
        type=float,
        metavar="X",
        help="run both at once; kills are drawn as if the output were X times as large as the text",
    )
    parser.add_argument("--work", type=Path, default=Path("runs/stream"), help="about four times the text")
    parser.add_argument("--keep", action="store_true", help="keep the text and the answers")
    args, args.options = parser.parse_known_args()  # the others go to `tagwright predict`
    args.work.mkdir(parents=True, exist_ok=True)
    os.environ["HF_HUB_OFFLINE"] = "1"
    source, whole, broken = (args.work / name for name in ("text.txt", "whole.jsonl", "broken.jsonl"))
    for out in (whole, broken):
        for left in args.work.glob(f"{out.name}*"):
            left.unlink()
    tiny = args.bundle == "tiny"
    bundle = tiny_bundle(args.work / "tiny") if tiny else Path(args.bundle)
    size, lines, words = write_text(source, args.data, args.megabytes, same=args.same)
    print(f"{date.today()}  {os.cpu_count()} CPUs  `{shlex.join(['python', *sys.argv])}`")
    print(f"model: {'tiny, random weights: its words/s are no real model’s' if tiny else args.bundle}")
    print(f"text: {size:,} bytes, {lines:,} lines, {words:,} words", flush=True)

    begin = time.perf_counter()
    job = Job(args, bundle, source, whole)
    with ThreadPoolExecutor(1) as beside:
        kills = 0
        if args.together:
            killed = beside.submit(kill_often, args, bundle, source, broken, args.together * size)
        job.finish()
        seconds = time.perf_counter() - begin
        if args.together:
            kills = killed.result()
    written = size_of(whole)
    tenth, end = (memory_at(job.samples, written, share) for share in (0.1, 1.0))
    print(
        f"unbroken: {seconds:,.0f} s, {words / seconds:,.0f} words/s, start-up included; {written:,} bytes written"
    )
    print(
        f"resident memory: {tenth:,.0f} MB in the first tenth, {end:,.0f} MB in the last, {job.peak:,.0f} MB at most"
    )
    if not args.together:
        kills = kill_often(args, bundle, source, broken, written)
    same = sha256(whole) == sha256(broken)
    left = [path.name for path in args.work.glob("*.part*")]
    print(
        f"killed {kills} times, resumed: {'the same bytes' if same else 'OTHER BYTES'}, SHA-256 {sha256(whole)}"
    )
    if left:
        print(f"left behind: {left}")
    if not args.keep:
        for path in (source, whole, broken):
            path.unlink()
        shutil.rmtree(args.work / "tiny", ignore_errors=True)
    if not same or left:
        sys.exit(1)


if __name__ == "__main__":
    main()
