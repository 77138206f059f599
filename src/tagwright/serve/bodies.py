"""The body of a request: read piece by piece, with its limits in mind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope

from tagwright.serve.budget import Share
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings

__all__ = ["JSON", "LINES", "GoneError", "media_type", "pieces", "read_body", "too_large"]

JSON = "application/json"
LINES = "application/x-ndjson"
_LINES = (LINES, "application/jsonl")

_CREDIT = 1024  # bytes that restart the clock: a body of single bytes does not hold a connection for hours


class GoneError(Exception):
    """The caller has hung up: nobody waits for an answer."""


def media_type(scope: Scope) -> str:
    """Return `application/json` or `application/x-ndjson`, whichever a request is in.

    A page of a foreign site can send neither without asking first, which is refused.

    Raises:
        RefusalError: 415, it is in neither, is not UTF-8 or is packed.
    """
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"content-type":
            if found is not None:
                raise _unsupported("the request has two Content-Type headers")
            found = value
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise _unsupported("the body is packed (Content-Encoding); send it as it is")
    if found == b"application/json":
        return JSON
    if found is None:
        raise _unsupported("the request has no Content-Type")
    kind, *parameters = [part.strip().lower() for part in found.decode("latin-1").split(";")]
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            raise _unsupported("the body is not UTF-8")
    if kind == JSON:
        return JSON
    if kind in _LINES:
        return LINES
    raise _unsupported("the body is in another format")


def _unsupported(what: str) -> RefusalError:
    return RefusalError(
        415,
        "unsupported_media_type",
        f"{what[0].upper()}{what[1:]}; send JSON as application/json, or JSON lines as application/x-ndjson.",
    )


async def read_body(scope: Scope, receive: Receive, settings: Settings, share: Share) -> bytes:
    """Read a whole body.

    Args:
        scope: of the request.
        receive: of the request.
        settings: the limits.
        share: what holds its bytes: all of them at once where its length is known, or else as they come.

    Raises:
        RefusalError: 413, it is longer than `settings.max_body`; 503, it does not fit; 408, it does not arrive.
        GoneError: the caller hung up.
    """
    limit = settings.max_body
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18 or (length := int(value)) > limit:
                raise too_large(limit)
            share.take(length)
    read: list[bytes] = []
    size = 0
    async for piece in pieces(receive, settings):
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        if size > share.size:
            share.take(size - share.size)
        read.append(piece)
    return read[0] if len(read) == 1 else b"".join(read)


async def pieces(receive: Receive, settings: Settings, *, least: int = _CREDIT) -> AsyncIterator[bytes]:
    """Give the pieces of a body as they arrive.

    Args:
        receive: of the request.
        settings: say how long to wait.
        least: bytes that have to arrive in that time.

    Raises:
        RefusalError: 408, the next ones do not arrive.
        GoneError: the caller hung up.
    """
    loop = asyncio.get_running_loop()
    deadline, credit = 0.0, least
    while True:
        if credit >= least:
            deadline, credit = loop.time() + settings.head_timeout, 0
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise RefusalError(
                408,
                "body_timeout",
                f"The body stopped arriving for {settings.head_timeout:g} seconds; send it again, faster.",
            ) from None
        if message["type"] == "http.disconnect":
            raise GoneError
        piece = message.get("body", b"")
        if piece:
            yield piece
            credit += len(piece)
        if not message.get("more_body", False):
            return


def too_large(limit: int) -> RefusalError:
    """Return the refusal of a body of more than `limit` bytes."""
    return RefusalError(
        413,
        "body_too_large",
        f"The body is longer than {limit:,} bytes; send fewer texts at once, or JSON lines.",
    )
