"""Where a study is kept: opening a storage, and what to do while it does not answer."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import optuna
import sqlalchemy.exc
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from tagwright.errors import InputError, RunError

__all__ = ["GRACE", "Heart", "StorageError", "is_gone", "open_storage", "own_name", "patiently", "quiet"]

BEAT = 30  # seconds between two signs of life of a trial
GRACE = 180  # seconds without one after which it is taken to be dead
LOCKED = 30  # seconds that one attempt waits for a locked SQLite file
TRIES = 4
PAUSE = 0.5  # seconds before the second one
_TROUBLE = (StorageInternalError, sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError)
_T = TypeVar("_T")


class StorageError(RunError):
    """The storage does not answer, which is no trial's fault."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's own lines and warnings of experimental parts to itself."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="optuna|tagwright.tune")
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def open_storage(url: str, shown: str) -> RDBStorage:
    """Connect to a storage, and make its tables where they are not there.

    Args:
        url: SQLAlchemy's kind of address.
        shown: what the user knows it by.

    Raises:
        InputError: there is no such storage, or it cannot be reached.
    """
    local = url.startswith("sqlite")
    engine = {"connect_args": {"timeout": LOCKED}} if local else {"pool_pre_ping": True}
    mend = "give --storage sqlite:///FILE.db, or the address of a database that is up, such as postgresql://HOST/NAME"
    if url in ("", "sqlite://") or ":memory:" in url:
        raise InputError(
            "a storage in memory is lost with the process", where=shown or "--storage", mend=mend
        )
    for attempt in range(TRIES):
        try:
            with quiet():
                return RDBStorage(url, engine_kwargs=engine, heartbeat_interval=BEAT, grace_period=GRACE)
        except ImportError as error:
            raise InputError(
                "the package that talks to this database is not installed",
                where=shown,
                mend="install it, such as psycopg2-binary for postgresql:// or pymysql for mysql+pymysql://",
            ) from error
        except (sqlalchemy.exc.SQLAlchemyError, RuntimeError, ValueError) as error:
            # Two processes that come at once both make the tables; the second finds them when it looks again.
            if attempt + 1 < TRIES and "already exists" in str(error):
                time.sleep(0.2 * (attempt + 1))
                continue
            reason = _reason(error)
            if "locked" in reason:
                mend = "another program holds it: wait until it is done, or stop it"
            elif "not a database" in reason or "malformed" in reason:
                mend = "it is damaged or something else; give --overwrite or another file"
            raise InputError(f"this storage cannot be used: {reason}", where=shown, mend=mend) from error
    raise AssertionError("unreachable")


def _reason(error: BaseException) -> str:
    """Say what a library says, in one line without its own advice."""
    cause: Any = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
    while getattr(cause, "orig", None) is not None:  # of SQLAlchemy's errors
        cause = cause.orig
    return " ".join(str(cause).split("\n(Background")[0].split()) or type(cause).__name__


def patiently(call: Callable[[], _T], shown: str) -> _T:
    """Ask the storage for something, again when it does not answer.

    Raises:
        StorageError: it does not answer.
    """
    for attempt in range(TRIES):
        try:
            with quiet():
                return call()
        except _TROUBLE as error:
            if attempt + 1 < TRIES and "readonly" not in str(error):
                time.sleep(PAUSE * 2**attempt)
                continue
            raise StorageError(
                f"the storage of the study does not answer: {_reason(error)}",
                where=shown,
                mend="go on with the same call and --resume when it does",
            ) from error
    raise AssertionError("unreachable")


class Heart:
    """Gives a sign of life for a trial while the block runs.

    Args:
        storage: where the trial is.
        trial: its id there.
    """

    def __init__(self, storage: RDBStorage, trial: int) -> None:
        self._storage = storage
        self._trial = trial
        self._stop = Event()
        self._thread = Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while True:
            with suppress(
                Exception
            ):  # a storage that is away for a moment; the trial itself will notice more
                self._storage.record_heartbeat(self._trial)
            if self._stop.wait(BEAT):
                return


def own_name() -> str:
    """Name this process so that others on the machine can tell whether it still runs."""
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}"


def is_gone(owner: str | None) -> bool:
    """Say whether a process of this machine has ended; one of another machine is never said to have."""
    machine, _, process = (owner or "").rpartition(":")[0].rpartition(":")
    if machine != _machine() or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return owner is not None and owner.rpartition(":")[2] != _started(int(process))


def _machine() -> str:
    """Name the machine, its start, and what tells process numbers of containers apart."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return f"{socket.gethostname()}/{boot.read_text().strip() if boot.exists() else ''}/{space}"


def _started(process: int) -> str:
    """Return when a process was started, which tells it from a later one of the same number; empty if unknown."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
