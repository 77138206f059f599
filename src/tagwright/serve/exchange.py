"""What is known of one request while it is answered, for the log and the counters."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

__all__ = ["Exchange", "exchange_of"]

_KEY = "tagwright.exchange"


class Exchange:
    """One request and its answer.

    Attributes:
        request_id: the caller's, or one made here.
        route: the template of its path; `other` where no route matched.
        status: of the answer; 499 where the caller went away first; 0 until there is one.
        model: which was asked.
        texts: how many were given.
        words: how many were tagged.
        bytes: of the body, as far as it was read.
        asked: the texts themselves, where the service may log them.
        code: of the refusal, if it was one.
    """

    __slots__ = ("asked", "bytes", "code", "model", "request_id", "route", "status", "texts", "words")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.route = "other"
        self.status = 0
        self.model: str | None = None
        self.texts: int | None = None
        self.words: int | None = None
        self.bytes: int | None = None
        self.asked: Any = None
        self.code: str | None = None

    def put(self, scope: MutableMapping[str, Any]) -> None:
        """Make it known to whoever answers the request."""
        scope[_KEY] = self


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """Return what is known of a request."""
    exchange: Exchange = scope[_KEY]
    return exchange
