"""What an asker is told of an error, and what the log says of it: never the text."""

from __future__ import annotations

import logging
from traceback import format_tb

from tagwright.errors import RunError
from tagwright.serve.refusal import RefusalError

__all__ = ["log_fault", "refusal_of"]

_log = logging.getLogger("tagwright.serve")


def refusal_of(error: BaseException) -> RefusalError:
    """Return the refusal of an ask that ended in an error; one that must not happen is logged."""
    if isinstance(error, RefusalError):
        return error
    if isinstance(error, MemoryError) or (isinstance(error, RunError) and "out of memory" in error.what):
        _log.warning("memory did not suffice for a request, which was refused")
        return RefusalError(
            503,
            "out_of_memory",
            "memory does not suffice for the text; split it, or try again",
            retry_after=5,
        )
    log_fault("a request failed", error)
    return RefusalError(500, "failed", "the model failed on this request; the service's log says why")


def log_fault(what: str, error: BaseException) -> None:
    """Log an error by its class and where it was raised.

    Its message is left out unless it is one of our own about the model: others quote the word that they stumbled over.
    """
    said = f": {error}" if isinstance(error, RunError) else ""
    _log.error(
        "%s: %s%s\n%s", what, type(error).__name__, said, "".join(format_tb(error.__traceback__)).rstrip()
    )
