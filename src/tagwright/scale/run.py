"""A run of `annotate`: what is left to do, doing it, and the manifest at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from tagwright.errors import InputError, RunError, TagwrightError
from tagwright.scale.call import Settings, check_call
from tagwright.scale.cluster import Cluster, fetch
from tagwright.scale.finished import plan_of
from tagwright.scale.fragment import Fragment, Job
from tagwright.scale.lock import Lock
from tagwright.scale.manifest import (
    VERSION,
    add_counts,
    check_complete,
    read_json,
    read_records,
    totals,
)
from tagwright.scale.output import Output, writing
from tagwright.scale.places import Place
from tagwright.scale.result import Annotated, Step
from tagwright.scale.shipping import pack
from tagwright.scale.workers import Loading, Task, unlike

__all__ = ["Run"]

SHOWN = 10
"""Fragments that an error names."""


class Run:
    """Tags what is left of a plan, and writes the manifest."""

    def __init__(
        self,
        output: Output,
        lock: Lock,
        settings: Settings,
        fingerprint: Mapping[str, str],
        watch: Callable[[Step], None],
        say: Callable[[str], None],
    ) -> None:
        """Take down what there is.

        Args:
            output: the folder.
            lock: what holds it.
            settings: how rows are tagged.
            fingerprint: of the bundle.
            watch: is told how far the run is.
            say: is told what takes a while.
        """
        self._output = output
        self._lock = lock
        self._settings = settings
        self._fingerprint = fingerprint
        self._watch = watch
        self._say = say
        self._records: dict[int, dict[str, Any]] = {}
        self._failed: dict[int, dict[str, Any]] = {}
        self._began = datetime.now(UTC).isoformat(timespec="seconds")
        self._done_before = 0
        self._words = 0

    def plan(self, job: Job, call: Mapping[str, Any], source: Place, cluster: Cluster) -> None:
        """Take up the plan of the call before, or make one.

        Raises:
            InputError: the call before was another, or the input has changed since, or cannot be read.
        """
        from tagwright.scale.plan import make_plan

        self._source = source
        self._call = dict(call)
        found = read_json(self._output.plan)
        if found is not None:
            check_call(found["call"], call, self._output.place)
            self._plan = plan_of(found, self._output.plan)
            self._plan.check_unchanged(source)
            self._began = found["began"]
        else:
            self._plan = make_plan(
                source,
                job,
                fragment_rows=call["--fragment-rows"],
                limit=call["--limit"],
                map_files=cluster.map,
            )
        self._job = replace(job, schema=self._plan.schema)
        self._output.open(self._lock.token)
        if found is None:
            written = {
                "version": VERSION,
                "began": self._began,
                "call": self._call,
                "plan": self._plan.to_dict(),
            }
            self._output.put_json(self._output.plan, written)
        else:
            self._records = read_records(self._output, self._plan.fragments)
            self._drop_unlike()
        self._done_before = len(self._records)

    def tag(self, cluster: Cluster) -> None:
        """Tag the fragments that are not done.

        Raises:
            InputError: no worker could begin.
            RunError: some failed, after the others were done.
            KeyboardInterrupt: it was stopped; the message says how far it came.
        """
        left = [fragment for fragment in self._plan.fragments if fragment.number not in self._records]
        if not left:
            return
        try:
            self._tag(cluster, left)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; {self._so_far()}; give the same call again to go on") from None
        if self._failed:
            raise self._failure()

    def finish(self, seconds: float) -> Annotated:
        """Check that all is there, write the manifest and take away what was on the way.

        Args:
            seconds: that the call took.

        Raises:
            RunError: a file is missing or one too many, or the folder was taken over.
        """
        check_complete(self._output, self._plan.fragments, self._records)
        self._lock.check()
        records = [self._records[number] for number in sorted(self._records)]
        counts = totals(records)
        manifest = {
            "version": VERSION,
            "call": self._call,
            "machine": self._machine or {},
            "counts": asdict(counts),
            "began": self._began,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "plan": self._plan.to_dict(),
            "fragments": [
                {
                    "number": fragment.number,
                    "input": fragment.path,
                    "first": fragment.first,
                    **{name: record[name] for name in ("counts", "file", "rejects")},
                }
                for fragment, record in zip(self._plan.fragments, records, strict=True)
            ],
        }
        self._output.put_json(self._output.manifest, manifest)
        self._lock.rest()
        self._output.close()
        return Annotated(
            path=str(self._output.place),
            fragments=len(records),
            counts=counts,
            machine=self._machine or {},
            done_before=self._done_before,
            words_now=self._words,
            seconds=seconds,
            notices=tuple(self._plan.notices),
        )

    @property
    def _machine(self) -> Mapping[str, Any] | None:
        return next((record["machine"] for record in self._records.values()), None)

    def _tag(self, cluster: Cluster, left: Sequence[Fragment]) -> None:
        settings = self._settings
        fit, gpu = cluster.room(settings.cores, gpu=_uses_gpu(settings))
        asked = settings.actors or fit
        if asked > fit:
            self._say(f"{asked} workers were asked for, and {fit} fit; what does not fit waits")
        workers = min(asked, fit if cluster.own else asked, len(left))
        shipment = pack(settings.bundle, cluster.keep, fetch) if cluster.several_machines() else None
        task = Task(
            Loading(
                settings.bundle.absolute(),
                self._fingerprint,
                settings.runtime,
                settings.precision,
                settings.thresholds,
                settings.min_score,
            ),
            self._job,
            self._source,
            self._output.place,
            self._output.form,
            self._lock.token,
            cores=settings.cores,
            machine=self._machine,
            shipment=shipment,
        )
        begin = time.monotonic()
        counts = totals(self._records.values())

        def step() -> None:
            done, now = len(self._records), len(self._records) - self._done_before
            seconds = time.monotonic() - begin
            self._watch(Step(len(self._plan.fragments), done, counts, self._words, now, seconds, workers))

        step()
        for result in cluster.tag(task, left, workers=workers, cores=settings.cores, gpu=gpu):
            self._lock.check()
            self._take(result, cluster)
            if "record" in result:
                add_counts(counts, result["record"])
                self._words += result["record"]["counts"]["words"]
            step()

    def _take(self, result: Mapping[str, Any], cluster: Cluster) -> None:
        number = result["number"]
        if "record" in result:
            record = result["record"]
            if self._machine is not None and (differs := unlike(self._machine, record["machine"])):
                self._forget(number)
                raise InputError(
                    f"the workers are not alike: {differs}",
                    where=str(self._output.place),
                    mend="make them alike with --runtime, --precision and --cores, and begin again with --overwrite",
                )
            self._records[number] = record
            return
        if result["fatal"]:
            raise _error(result["error"])
        self._failed[number] = result["error"]
        if result["deadly"]:
            fragment = self._plan.fragments[number]
            where = f"{fragment.path} from row {fragment.first + 1:,}"
            self._failed[number] |= {"where": where, "mend": cluster.why_died()}

    def _drop_unlike(self) -> None:
        """Do again what was computed otherwise than the first fragment; a run that was stopped may have left it."""
        machine = self._machine
        for number, record in list(self._records.items()):
            if machine is not None and unlike(machine, record["machine"]):
                self._forget(number)
                del self._records[number]

    def _forget(self, number: int) -> None:
        place = self._output.record(number)
        with writing(place), suppress(FileNotFoundError):
            place.fs.delete_file(place.path)

    def _so_far(self) -> str:
        return f"{len(self._records):,} of {len(self._plan.fragments):,} fragments are done"

    def _failure(self) -> RunError:
        count = len(self._failed)
        named = [str(number) for number in sorted(self._failed)]
        shown = ", ".join(named[:SHOWN]) + (f" and {count - SHOWN:,} more" if count > SHOWN else "")
        failed = (
            f"fragment {shown} failed" if count == 1 else f"{count:,} fragments failed ({shown}); the first"
        )
        first = _error(self._failed[min(self._failed)])
        error = RunError(
            f"{failed}: {first}",
            where=str(self._output.place),
            mend=f"{self._so_far()}; the same call again tries the others",
        )
        error.__cause__ = first
        return error


def _uses_gpu(settings: Settings) -> bool:
    """Tell whether the runtime of a bundle can use a GPU, where there is one."""
    from tagwright.model.bundle import held_for, read_meta

    runtime = settings.runtime
    if runtime == "auto":
        runtime = held_for(settings.bundle, read_meta(settings.bundle))
    if runtime == "onnx":
        return any(True for _ in metadata.distributions(name="onnxruntime-gpu"))
    return runtime == "torch"


def _error(told: Mapping[str, Any]) -> TagwrightError:
    kind = InputError if told["exit_code"] == 2 else RunError
    error = kind(told["what"], where=told["where"], mend=told["mend"])
    error.add_note(told["traceback"])  # which `--debug` shows
    return error
