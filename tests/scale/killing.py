"""`tagwright annotate` on Ray as a process, whose workers and driver are killed at seeded moments."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Call", "kill_until_done", "ray_folder", "wait_for"]

BOUND = 240.0
"""Seconds after which a test gives up waiting."""
MARK = "TAGWRIGHT_TEST_CALL"
_AGENT = re.compile(r"ray::(Dashboard|RuntimeEnv)Agent|/(dashboard|runtime_env/agent)/(agent|main)\.py")
CALLS = 12
"""Calls after which a round is taken to have no end."""


def wait_for(what: Callable[[], object], seconds: float = BOUND) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it did not come.
    """
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s")
        time.sleep(0.05)


@contextmanager
def ray_folder() -> Iterator[Path]:
    """Make a folder for Ray's files with a name short enough for its sockets."""
    folder = Path(tempfile.mkdtemp(prefix="tw-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Call:
    """One call of the command, and every process that comes of it: all inherit a mark in their environment.

    Attributes:
        driver: the process of the command.
        log: what it writes to stderr.
    """

    def __init__(
        self, arguments: list[str], ray: Path, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self.log = ray / f"{value}.log"
        self.out = ray / f"{value}.out"
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(ray), name: value}
        variables.pop("RAY_ADDRESS", None)
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.driver = subprocess.Popen(
                [sys.executable, "-m", "tagwright", "annotate", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**variables, **(environment or {})},
                start_new_session=True,
            )

    def processes(self) -> dict[int, str]:
        """Return the command line of every process of the call, by its id."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with suppress(OSError):
                    if self._mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                        state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                        if state not in "ZX":
                            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                            found[int(folder.name)] = line.decode(errors="replace").strip()
        return found

    def workers(self) -> list[int]:
        """Return the ids of the actors that tag."""
        return sorted(process for process, line in self.processes().items() if "MapWorker" in line)

    def said(self) -> str:
        """Return what it wrote to stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, seconds: float = BOUND) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.driver.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"the command has not ended; it said: {self.said()}") from None

    def wait_gone(self) -> None:
        """Wait until no process of the call is left.

        Ray's agents, which tag nothing, look a minute long for a server that died while they began.
        """

        def left() -> dict[int, str]:
            killed = self.driver.returncode == -signal.SIGKILL
            return {
                process: line
                for process, line in self.processes().items()
                if not (killed and _AGENT.search(line))
            }

        try:
            wait_for(lambda: not left(), 60)
        except TimeoutError:
            raise AssertionError(f"left behind: {left()}") from None

    def end(self) -> None:
        """Kill whatever is left."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.driver.wait()


def kill_until_done(
    arguments: list[str], out: Path, seed: int, *, drivers: int = 1, workers: int = 1
) -> list[str]:
    """Give the same call until it is done, and kill on the way.

    Args:
        arguments: of the command.
        out: the folder that it writes.
        seed: of the moments and the victims.
        drivers: how often the driver is killed.
        workers: how often a worker is killed.

    Returns:
        What was killed, in order.
    """
    draw = random.Random(seed)
    victims = ["driver"] * drivers + ["worker"] * workers
    draw.shuffle(victims)
    killed: list[str] = []
    with ray_folder() as ray:
        for _ in range(CALLS):
            call = Call(arguments, ray)
            try:
                killed += _kill(call, victims, out, draw)
                code = call.wait()
                call.wait_gone()
                if code == 0 and not victims:
                    return killed
                assert code in (0, 1, -signal.SIGKILL), call.said()
                if code == 0:  # it was done before the next one could be killed
                    return killed
            finally:
                call.end()
    raise AssertionError(f"not done after {CALLS} calls")


def _kill(call: Call, victims: list[str], out: Path, draw: random.Random) -> list[str]:
    """Kill what is to be killed during a call, up to the driver."""
    killed = []
    before = _done(out)
    while victims and call.driver.poll() is None:
        moment = draw.choice(("workers", "fragment", "at once"))
        if victims[0] == "worker" or moment == "workers":
            wait_for(lambda: call.driver.poll() is not None or call.workers())
        elif moment == "fragment":
            wait_for(lambda: call.driver.poll() is not None or _done(out) != before)
        time.sleep(draw.uniform(0, 1.5))  # any moment will do: nothing is waited for here
        alive = call.workers()
        if call.driver.poll() is not None or (victims[0] == "worker" and not alive):
            continue
        victim = victims.pop(0)
        with suppress(ProcessLookupError):
            os.kill(call.driver.pid if victim == "driver" else draw.choice(alive), signal.SIGKILL)
            killed.append(victim)
        if victim == "driver":
            break
    return killed


def _done(out: Path) -> int:
    with suppress(OSError):
        return len(os.listdir(out / "_running" / "done"))
    return 0
