"""Tag a corpus into a folder: fragment by fragment, on Ray, each once and only once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tagwright.errors import require
from tagwright.scale.call import Settings, call_of, check_places, check_settings
from tagwright.scale.cluster import Cluster
from tagwright.scale.finished import finished
from tagwright.scale.fragment import Job
from tagwright.scale.hub import hub_address
from tagwright.scale.lock import take_lock
from tagwright.scale.manifest import read_json
from tagwright.scale.output import Output
from tagwright.scale.places import Place
from tagwright.scale.result import Annotated, Step
from tagwright.scale.run import Run

__all__ = ["CORES", "FRAGMENT_ROWS", "Annotated", "Step", "annotate"]

FRAGMENT_ROWS = 16384
"""Rows of a fragment."""
CORES = 1
"""Cores of a worker."""

_log = logging.getLogger(__name__)


def annotate(
    bundle: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    to: str = "parquet",
    field: str = "text",
    columns: Sequence[str] | None = None,
    where: str | None = None,
    limit: int | None = None,
    into: str = "entities",
    fragment_rows: int = FRAGMENT_ROWS,
    actors: int | None = None,
    cores: int = CORES,
    runtime: str = "auto",
    precision: str = "auto",
    min_score: float = 0.0,
    thresholds: bool = True,
    address: str | None = None,
    overwrite: bool = False,
    watch: Callable[[Step], None] = lambda step: None,
    say: Callable[[str], None] = lambda line: _log.info("%s", line),
) -> Annotated:
    """Tag a corpus into a folder; the same call again goes on where one was stopped.

    >>> tw.annotate("runs/wnut17", "corpus", "annotated").counts.entities  # doctest: +SKIP
    1079

    Args:
        bundle: the bundle's folder.
        source: a file or a folder of text, JSON lines or Parquet, a folder that `datasets` saved, an address of
            either (`s3://…`, `gs://…`), or `hub:owner/name[@revision]`.
        out: the folder to write, a path or an address.
        to: `parquet` or `jsonl`.
        field: the column of the text; where there is none of that name, `tokens` or `words` is read.
        columns: the columns of the input to keep; None for all.
        where: a condition in SQL over the input's columns; rows that do not fulfil it are left out.
        limit: at most so many rows; None for all.
        into: the column that the entities are written to.
        fragment_rows: rows that are tagged, written and done again together; a multiple of 1,024.
        actors: how many workers tag at once; None for as many as there is room for.
        cores: cores of each worker, which computes with as many threads.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        min_score: see `Tagger.load`.
        thresholds: see `Tagger.load`.
        address: of a Ray cluster; None takes `RAY_ADDRESS`, or else starts one of this machine for the run.
        overwrite: throw away what an earlier call wrote.
        watch: is told how far the run is, after each fragment.
        say: is told what takes a while.

    Raises:
        InputError: the call is wrong, or differs from the one that the folder was begun with.
        RunError: fragments failed, after the others were done; or the folder cannot be written to, or another run
            writes it.
        MissingExtraError: Ray or another part of the extra `scale` is not installed.
        KeyboardInterrupt: it was stopped; the message says how far it came.
    """
    for module in ("pyarrow", "ray"):
        require(module, "scale")
    begin = time.monotonic()
    settings = Settings(Path(bundle), runtime, precision, thresholds, min_score, actors, cores)
    fingerprint = check_settings(settings, to, fragment_rows, limit)
    read = Place.of(hub_address(str(source)) if str(source).startswith("hub:") else source)
    written = Place.of(out)
    check_places(read, written)
    job = Job(
        str(source), field, None if columns is None else tuple(columns), where=where, into=into, form=to
    )
    call = call_of(settings, fingerprint, job, read.path, fragment_rows=fragment_rows, limit=limit)
    output = Output(written, to)
    output.check_own()
    if not overwrite and (manifest := read_json(output.manifest)) is not None:
        return finished(output, manifest, call, read, say, seconds=lambda: time.monotonic() - begin)
    lock = take_lock(output, say)
    try:
        run = Run(output, lock, settings, fingerprint, watch, say)
        with Cluster(address, say=say) as cluster:
            cluster.check()
            if overwrite:
                output.clear()
            run.plan(job, call, read, cluster)
            run.tag(cluster)
        return run.finish(time.monotonic() - begin)
    finally:
        lock.release()
