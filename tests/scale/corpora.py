"""A corpus whose rows are known by their ids, what tags it without Ray, and what its output holds."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tagwright.scale.fragment import Fragment
from tagwright.scale.workers import Task, Worker

__all__ = ["Here", "check_output", "files_of", "write_corpus"]

WORDS = "Empire State Building ESB is the tallest in New York said Jeff Bezos who bought the Post .".split()  # noqa: SIM905
BAD = 17
"""Every so many-th row of the corpus cannot be tagged."""


class Here:
    """What a cluster is to `annotate`, in this process and in order."""

    own = True

    def __init__(self, address: str | None = None, *, say: Callable[[str], None] = print) -> None:
        self.begun = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self) -> None:
        pass

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        return map(function, items)

    def room(self, cores: int, *, gpu: bool) -> tuple[int, bool]:
        return 2, False

    def several_machines(self) -> bool:
        return False

    def why_died(self) -> str:
        return "see the logs"

    def tag(
        self, task: Task, fragments: Sequence[Fragment], *, workers: int, cores: int, gpu: bool
    ) -> Iterator[Mapping[str, Any]]:
        worker = Worker(task)
        for fragment in fragments:
            yield json.loads(json.dumps(worker.run(fragment)))


def write_corpus(folder: Path, rows: int = 3000, files: int = 2) -> Path:
    """Write JSON lines, of which one in `BAD` is none."""
    folder.mkdir(parents=True)
    draw = random.Random(0)
    for number in range(files):
        with (folder / f"{number}.jsonl").open("w", encoding="utf-8") as file:
            for row in range(number * rows, (number + 1) * rows):
                text = " ".join(draw.choices(WORDS, k=draw.randint(3, 20)))
                file.write(
                    f"{{{row}\n" if row % BAD == BAD - 1 else json.dumps({"id": row, "text": text}) + "\n"
                )
    return folder


def files_of(out: Path) -> dict[str, bytes]:
    """Return the bytes of every file of an output but the manifest."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    found.pop("_manifest.json")
    return found


def check_output(out: Path, rows: int) -> dict[str, Any]:
    """Check that each row is there once, and that the manifest is true; return the manifest."""
    import pyarrow.parquet as parquet

    manifest: dict[str, Any] = json.loads((out / "_manifest.json").read_bytes())
    assert not (out / "_running").exists()
    tables = [parquet.read_table(path) for path in sorted(out.glob("part-*.parquet"))]
    ids = [row for table in tables for row in table["id"].to_pylist()]
    assert ids == [row for row in range(rows) if row % BAD != BAD - 1]
    rejects = [
        json.loads(line)
        for path in sorted((out / "_rejects").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [int(one["input"].lstrip("{")) for one in rejects] == [
        row for row in range(rows) if row % BAD == BAD - 1
    ]
    entities = sum(len(found) for table in tables for found in table["entities"].to_pylist())
    counts = manifest["counts"]
    assert (counts["rows"], counts["written"], counts["rejected"]) == (rows, len(ids), len(rejects))
    assert counts["entities"] == entities > 0
    named = set()
    for entry in manifest["fragments"]:
        for kept, folder in ((entry["file"], out), (entry["rejects"], out / "_rejects")):
            if kept is not None:
                data = (folder / kept["name"]).read_bytes()
                assert (len(data), hashlib.sha256(data).hexdigest()) == (kept["bytes"], kept["sha256"])
                named.add(str((folder / kept["name"]).relative_to(out)))
    assert named == set(files_of(out))
    return manifest
