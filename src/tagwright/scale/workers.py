"""What tags fragments: in an actor of Ray, or in any process that has a bundle."""

from __future__ import annotations

import gc
import json
import os
import socket
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tagwright
from tagwright.errors import InputError, MissingExtraError, RunError, TagwrightError
from tagwright.scale.commit import commit
from tagwright.scale.fragment import Fragment, Job
from tagwright.scale.lease import lease_token
from tagwright.scale.manifest import from_json
from tagwright.scale.output import Output, OutputError
from tagwright.scale.places import Place
from tagwright.scale.shipping import Shipment, local_bundle
from tagwright.scale.tries import DEATHS, Tries

if TYPE_CHECKING:
    from tagwright.predict.tagger import Tagger

__all__ = ["Loading", "Task", "Worker", "unlike"]

ASK = 10.0
"""Seconds between two looks at a store whether the run still writes the folder."""


@dataclass(frozen=True)
class Loading:
    """How a bundle is loaded.

    Attributes:
        bundle: the folder.
        fingerprint: what `tagwright.predict.origin.fingerprint` says of it.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        thresholds: see `Tagger.load`.
        min_score: see `Tagger.load`.
    """

    bundle: Path
    fingerprint: Mapping[str, str]
    runtime: str = "auto"
    precision: str = "auto"
    thresholds: bool = True
    min_score: float = 0.0


@dataclass(frozen=True)
class Task:
    """What a worker is to do.

    Attributes:
        loading: the bundle.
        job: what is done with every fragment.
        source: the input.
        output: the folder that is written.
        form: `parquet` or `jsonl`.
        token: names the run; see `Output.stage`.
        cores: how many threads compute; None leaves that to the environment.
        machine: what the fragments that are done were computed by; None for the first run.
        shipment: the bundle's files, for machines that lack them; None where there is one machine.
        version: of Tagwright.
    """

    loading: Loading
    job: Job
    source: Place
    output: Place
    form: str
    token: str
    cores: int | None = None
    machine: Mapping[str, Any] | None = None
    shipment: Shipment | None = None
    version: str = tagwright.__version__


class Worker:
    """Tags one fragment after another and commits each.

    >>> worker = Worker(task)  # doctest: +SKIP
    >>> worker.run(fragment)  # doctest: +SKIP
    {'number': 0, 'record': {...}}
    """

    def __init__(self, task: Task) -> None:
        """Take down what is to be done; the model is loaded for the first fragment.

        Args:
            task: what is to be done.
        """
        self._task = task
        self._output = Output(task.output, task.form)
        self._tries = Tries(self._output, task.token)
        self._tagger: Tagger | None = None
        self._machine: dict[str, Any] = {}
        self._budget = 0
        self._asked = -ASK
        self._alone = False

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Tag the fragments of a batch of Ray Data, which come and go as JSON; the process does nothing else."""
        self._alone = True
        return {"result": [json.dumps(self.run(from_json(json.loads(one)))) for one in batch["fragment"]]}

    def run(self, fragment: Fragment) -> dict[str, Any]:
        """Tag and commit a fragment.

        Returns:
            `number`, and either its `record`, or an `error` (`what`, `where`, `mend`, `exit_code`, `traceback`), and
            whether it is `fatal` for the whole run or `deadly` for workers.
        """
        result: dict[str, Any] = {"number": fragment.number}
        try:
            self._still(now=True)
            if self._tries.begin(fragment.number) >= DEATHS:
                raise _DeadlyError
            result["record"] = self._run(fragment)
        except (
            KeyboardInterrupt,
            SystemExit,
        ):  # the worker is ended, and this is no death of the fragment's making
            raise
        except BaseException as error:
            result |= _told(error)
        with suppress(TagwrightError):
            self._tries.end(fragment.number)
        return result

    def _run(self, fragment: Fragment) -> dict[str, Any]:
        from tagwright.scale.tagging import tag_fragment

        tagger = self._loaded()
        tagger.batch_pieces = self._budget  # bytes must not depend on the fragments before
        return commit(
            self._output,
            self._task.token,
            fragment,
            lambda rows, rejects: tag_fragment(
                tagger, fragment, self._task.job, self._task.source, rows, rejects, alive=self._still
            ),
            {"machine": self._machine},
            lambda: self._still(now=True),
        )

    def _loaded(self) -> Tagger:
        if self._tagger is None:
            task = self._task
            if task.version != tagwright.__version__:
                raise _FatalError(
                    f"Tagwright is {tagwright.__version__} there, and {task.version} where the run was begun",
                    where=f"worker on {socket.gethostname()}",
                    mend="install the same version on every machine",
                )
            if task.cores is not None:  # read by the libraries when they are loaded
                os.environ["OMP_NUM_THREADS"] = str(task.cores)
            from tagwright.predict.origin import computed_by
            from tagwright.predict.tagger import Tagger

            loading = task.loading
            try:
                folder = local_bundle(loading.bundle, loading.fingerprint, task.shipment)
                tagger = Tagger.load(
                    folder,
                    loading.runtime,
                    loading.precision,
                    thresholds=loading.thresholds,
                    min_score=loading.min_score,
                )
            except TagwrightError as error:
                raise _FatalError.of(error) from error
            self._machine = computed_by(tagger)
            if self._machine["the device"] == "cpu":
                from tagwright.predict.runtimes.cores import usable_cores

                self._machine["the threads of a worker"] = usable_cores()
            self._machine = json.loads(json.dumps(self._machine))
            if task.machine is not None and (differs := unlike(task.machine, self._machine)):
                raise _FatalError(
                    differs,
                    where=f"worker on {socket.gethostname()}",
                    mend="make the workers alike (name --runtime, --precision and --cores), or begin again "
                    "with --overwrite",
                )
            self._budget = tagger.batch_pieces
            self._tagger = tagger
            if self._alone:  # full collections would walk all that the libraries hold, again and again
                gc.collect()
                gc.freeze()
        return self._tagger

    def _still(self, *, now: bool = False) -> None:
        """Raise when the run that the worker belongs to writes the folder no more."""
        output, token = self._output, self._task.token
        if output.place.is_local and os.name == "posix":
            if not output.stage(token).local.is_dir():
                if output.place.local.is_dir():
                    raise _FatalError("the run has ended", where=str(output.place))
                raise _FatalError(
                    f"the machine {socket.gethostname()} does not have the folder",
                    where=str(output.place),
                    mend="name one that every machine of the cluster has at this path, or an address such as s3://",
                )
        elif now or time.monotonic() - self._asked > ASK:
            if lease_token(output) != token:
                raise _FatalError("another run has taken the folder over", where=str(output.place))
            self._asked = time.monotonic()


def unlike(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Say how what computed two fragments differs; None where it does not."""
    from tagwright.predict.origin import difference

    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            return difference(name, before.get(name), now.get(name))
    return None


class _FatalError(InputError):
    """What no fragment would get over."""

    @classmethod
    def of(cls, error: TagwrightError) -> _FatalError:
        made = cls(error.what, where=error.where, mend=error.mend)
        made.exit_code = error.exit_code
        return made


class _DeadlyError(RunError):
    """Too many workers died on a fragment."""

    def __init__(self) -> None:
        super().__init__(f"its worker died {DEATHS} times")


def _told(error: BaseException) -> dict[str, Any]:
    shown: dict[str, Any]
    if isinstance(error, TagwrightError):
        shown = {"what": error.what, "where": error.where, "mend": error.mend, "exit_code": error.exit_code}
    elif isinstance(error, MemoryError):
        shown = {
            "what": "out of memory",
            "where": f"worker on {socket.gethostname()}",
            "mend": "run fewer workers on a machine (--actors), or give them shorter texts",
            "exit_code": 1,
        }
    else:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        what = f"internal error: {type(error).__name__}: {line}"
        shown = {"what": what, "where": None, "mend": None, "exit_code": 1}
    fatal = isinstance(error, _FatalError | OutputError | MissingExtraError)
    deadly = isinstance(error, _DeadlyError)
    shown["traceback"] = "".join(traceback.format_exception(error))
    return {"error": shown, "fatal": fatal, "deadly": deadly}
