"""Ray, which carries the work: where it runs, what it has, and what it says when something dies."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext, redirect_stdout, suppress
from dataclasses import asdict
from functools import partial
from typing import Any, Self

from tagwright.errors import InputError, RunError, TagwrightError, require
from tagwright.scale.fragment import Fragment
from tagwright.scale.quiet import Heard, kept_signals, quiet_data, quiet_environment, silenced
from tagwright.scale.workers import Task, Worker

__all__ = ["Cluster", "fetch"]

ANSWER = 10.0
"""Seconds in which a cluster must take a connection."""
PATIENCE = 300.0
"""Seconds to wait for a cluster that has no room for one worker to grow: one that scales itself may."""
STORE = 100 << 20
"""Bytes of shared memory that a cluster of our own takes: fragments pass through files, not through Ray."""


class Cluster:
    """A connection to Ray for the length of a run; made when it is first needed.

    Attributes:
        own: whether it was started for the run, and ends with it.
        logs: where Ray writes what happens; None before it was started.
    """

    def __init__(self, address: str | None = None, *, say: Callable[[str], None] = lambda line: None) -> None:
        """Take down where it is to be.

        Args:
            address: as of `ray.init`; None takes `RAY_ADDRESS`, or else starts a cluster of this machine.
            say: is told what takes a while.
        """
        self._given = "RAY_ADDRESS" if address is None and os.environ.get("RAY_ADDRESS") else "--address"
        self._address = address or os.environ.get("RAY_ADDRESS") or "local"
        self._say = say
        self._ray: Any = None
        self._stack = ExitStack()
        self._heard = Heard()
        self.own = self._address == "local"
        self.logs: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._ray = None

    def check(self) -> None:
        """Refuse an address at which nobody listens, before anything is begun; Ray would try for ever.

        Raises:
            InputError: it is one, or one of Ray's client.
        """
        if self._address.startswith("ray://"):
            raise InputError(
                "Ray's client does not carry Ray Data",
                where=f"{self._given} {self._address}",
                mend="run the command on a machine of the cluster: ray job submit -- tagwright annotate …",
            )
        host, _, port = self._address.rpartition(":")
        if host and port.isdecimal():  # others, such as `auto`, Ray looks up itself
            try:
                with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER):
                    pass
            except (OSError, OverflowError) as error:
                raise self._unreachable(error) from error

    def map(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Call a function of one argument on every item, in tasks of Ray where there are several; in their order."""
        every = list(items)
        if len(every) < 2:
            return map(function, every)
        ray = self._started()
        task = ray.remote(num_cpus=1, max_retries=2)(_apply).remote
        kept = ray.put(function)
        window = max(2, 2 * int(ray.cluster_resources().get("CPU", 1)))
        return self._windowed(ray, partial(task, kept), every, window)

    def _windowed(
        self, ray: Any, task: Callable[[Any], Any], items: Sequence[Any], window: int
    ) -> Iterator[Any]:
        waiting: deque[Any] = deque()
        for item in items:
            if len(waiting) >= window:
                yield self._get(ray, waiting.popleft())
            waiting.append(task(item))
        while waiting:
            yield self._get(ray, waiting.popleft())

    def _get(self, ray: Any, ref: Any) -> Any:
        try:
            return ray.get(ref)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TagwrightError):
                raise error.cause from None
            raise RunError(f"a worker failed: {_last_line(error)}", mend=self._see_logs()) from error
        except ray.exceptions.RayError as error:
            raise RunError(f"a worker died: {_last_line(error)}", mend=self._see_logs()) from error

    def room(self, cores: int, *, gpu: bool) -> tuple[int, bool]:
        """Return how many workers fit into the cluster, and whether each has a GPU.

        Args:
            cores: of a worker.
            gpu: whether a worker can use one; it gets one where the cluster has any.

        Raises:
            InputError: there is no room for one.
        """
        ray = self._started()
        begin = time.monotonic()
        while True:
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            with_gpu = gpu and any(node.get("GPU", 0) >= 1 for node in nodes)
            fit = sum(_fit(node, cores, gpu=with_gpu) for node in nodes)
            if fit:
                return fit, with_gpu
            most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
            if self.own or time.monotonic() - begin > PATIENCE:
                where = "this machine" if self.own else "the largest machine of the cluster"
                raise InputError(
                    f"a worker of {cores} cores has no room: {where} has {most}",
                    mend=f"give --cores {most} or fewer"
                    if most
                    else "add machines that have cores to the cluster",
                )
            if time.monotonic() - begin < 1:
                self._say(f"no machine of the cluster has {cores} cores yet; waiting up to {PATIENCE:.0f} s")
            time.sleep(1)

    def several_machines(self) -> bool:
        """Tell whether workers may run on machines that do not have this one's folders."""
        return not self.own

    def keep(self, data: bytes) -> Any:
        """Hand bytes to the cluster and return what stands for them."""
        return self._started().put(data)

    def tag(
        self, task: Task, fragments: Sequence[Fragment], *, workers: int, cores: int, gpu: bool
    ) -> Iterator[Mapping[str, Any]]:
        """Tag fragments and give back what `Worker.run` says of each, as it comes.

        A worker that dies is started again, and its fragment done again; `Worker.run` sees to it that there is an end
        to that. (Ray Data does so by itself, without limit.)

        Args:
            task: what is to be done.
            fragments: what it is to be done to.
            workers: how many.
            cores: of each.
            gpu: whether each has a GPU.
        """
        self._started()
        data: Any = require("ray.data", "scale")
        with quiet_data(data, self._heard):
            items = [{"fragment": json.dumps(asdict(fragment))} for fragment in fragments]
            results = data.from_items(items, override_num_blocks=len(items)).map_batches(
                Worker,
                fn_constructor_args=[task],
                batch_size=1,
                compute=data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
                num_cpus=cores,
                num_gpus=1 if gpu else None,
            )
            rows = results.iter_rows()
            try:
                for row in rows:
                    yield json.loads(row["result"])
            except self._ray.exceptions.RayError as error:
                raise RunError(f"Ray failed: {_last_line(error)}", mend=self._see_logs()) from error
            finally:
                if hasattr(rows, "close"):
                    rows.close()

    def why_died(self) -> str:
        """Say why workers died, as far as Ray has said so, and what to do."""
        if self._heard.said("OutOfMemory", "running low on memory", "memory pressure"):
            return "the machine ran out of memory, and Ray killed it; run fewer workers (--actors)"
        return self._see_logs() or "Ray's logs say why"

    def _started(self) -> Any:
        if self._ray is None:
            self._ray = self._start()
        return self._ray

    def _start(self) -> Any:
        with quiet_environment(own=self.own):
            ray: Any = require("ray", "scale")
            if ray.is_initialized():
                self.own = False
                self._stack.enter_context(redirect_stdout(self._heard))
                return ray
            logging.getLogger("ray").setLevel(logging.ERROR)
            options: dict[str, Any] = {"address": self._address}
            if self.own:
                from tagwright.predict.runtimes.cores import machine_cores

                options |= {
                    "num_cpus": machine_cores(),
                    "object_store_memory": STORE,
                    "include_dashboard": False,
                }
            with kept_signals(), ExitStack() as failing:
                failing.callback(ray.shutdown)
                try:
                    with silenced() if self.own else nullcontext():
                        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
                except (ConnectionError, ValueError, RuntimeError, OSError) as error:
                    raise self._unreachable(error) from error
                failing.pop_all()
        self._stack.callback(_shut_down, ray)
        self._stack.enter_context(redirect_stdout(self._heard))  # Ray prints there what dies
        with suppress(Exception):  # its place has no public name
            self.logs = os.path.join(ray._private.worker.global_worker.node.get_session_dir_path(), "logs")
        return ray

    def _unreachable(self, error: Exception) -> TagwrightError:
        if self.own:
            return RunError(
                f"Ray does not start: {_last_line(error)}", mend="see /tmp/ray/session_latest/logs"
            )
        return InputError(
            f"no Ray cluster answers: {getattr(error, 'strerror', None) or _last_line(error)}",
            where=f"{self._given} {self._address}",
            mend="start one with `ray start --head` (one that asks for tokens wants RAY_AUTH_MODE=token), or leave "
            "the address out to use this machine",
        )

    def _see_logs(self) -> str | None:
        return f"see {self.logs}" if self.logs else None


def _apply(function: Callable[[Any], Any], item: Any) -> Any:
    return function(item)


def fetch(kept: Any) -> bytes:
    """Return the bytes that something stands for which `Cluster.keep` returned, on any machine of the cluster."""
    import ray

    return bytes(ray.get(kept))


def _fit(node: Mapping[str, float], cores: int, *, gpu: bool) -> int:
    fit = int(node.get("CPU", 0) // cores)
    return min(fit, int(node.get("GPU", 0))) if gpu else fit


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _shut_down(ray: Any) -> None:
    with redirect_stdout(sys.stderr):
        ray.shutdown()
