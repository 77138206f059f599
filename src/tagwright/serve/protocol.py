"""A connection: uvicorn's, with an end to whatever a caller can drag out."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tagwright.serve.security import ANSWER_HEADERS, BASE_HEADERS
from tagwright.serve.settings import Settings

__all__ = ["MAX_AHEAD", "MAX_HEAD", "protocol_for"]

MAX_HEAD = 64 << 10
"""Bytes of a request's head: its path and its headers."""

MAX_AHEAD = 64
"""Requests that may be sent on a connection ahead of their answers."""

# The rest of a refused body is read and thrown away for so many seconds and bytes, so that the refusal arrives.
_DRAIN = 2.0
_DRAIN_BYTES = 8 << 20


def protocol_for(settings: Settings, count: Callable[[int], None]) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with the limits of a service.

    - A request's head has to be complete within `settings.head_timeout`, and may have `MAX_HEAD` bytes;
      `MAX_AHEAD` requests may be sent ahead of their answers.
    - The rest of a body that was refused is read for a moment, and no longer.
    - An answer of which nothing is read in `settings.head_timeout` is given up, and its connection with it.

    Args:
        settings: the limits.
        count: told the status of each refusal that no app sees.
    """
    wait = settings.head_timeout

    class Connection(HttpToolsProtocol):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._open: deque[RequestResponseCycle] = deque()
            self._in_head = True
            self._heads = 0
            self._head_bytes = 0
            self._drained = -1  # bytes of a refused body that were thrown away; -1 where there is none
            self._head_timer: asyncio.TimerHandle | None = None
            self._drain_timer: asyncio.TimerHandle | None = None
            self._written = 0
            self._write_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(transport)
            self._answering = _Answering(self._write, transport.is_closing, self._close_gently)
            self._await_head()

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            for cycle in self._open:  # uvicorn tells the newest alone
                cycle.disconnected = not cycle.response_complete
                cycle.message_event.set()
            for timer in (self._head_timer, self._drain_timer, self._write_timer):
                if timer is not None:
                    timer.cancel()

        def data_received(self, data: bytes) -> None:
            if self._drained >= 0:
                self._drained += len(data)
                if self._drained > _DRAIN_BYTES:
                    self.transport.abort()
                    return
            in_head, heads = self._in_head, self._heads
            if in_head and b"pgrade" in data:
                data = _without_upgrade(data)
            super().data_received(data)
            if in_head and heads == self._heads:  # all of it is head
                if self._head_timer is None:
                    self._await_head()
                self._head_bytes += len(data)
                if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                    self._refuse(
                        431, "head_too_large", f"The request's head is longer than {MAX_HEAD:,} bytes."
                    )

        def on_headers_complete(self) -> None:
            if len(self._open) >= MAX_AHEAD:
                raise ValueError  # which the parser reports as a bad request
            self._in_head = False
            self._heads += 1
            self._head_bytes = 0
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
            super().on_headers_complete()
            self._open.append(self.cycle)
            self.cycle.transport = self._answering  # type: ignore[assignment]  # what a cycle needs of one

        def on_message_complete(self) -> None:
            self._in_head = True
            super().on_message_complete()
            if self._drained >= 0:
                self._drained = -1
                if self._drain_timer is not None:
                    self._drain_timer.cancel()
                if not self.cycle.keep_alive:
                    self.transport.close()

        def on_response_complete(self) -> None:
            self._open.popleft()
            super().on_response_complete()
            if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
                self._drain()
            self._watch_writing()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch_writing()

        def send_400_response(self, msg: str) -> None:
            self._refuse(400, "bad_request", "This is no HTTP request that can be read; correct it.")

        def _unsupported_upgrade_warning(self) -> None:
            """Answer as if nothing was offered, without a line in the log; the parser is of no use afterwards."""
            self.cycle.keep_alive = False

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(wait, self._head_is_late)

        def _head_is_late(self) -> None:
            self._head_timer = None
            if self.cycle is not None and not self.cycle.response_complete:
                self._await_head()  # the answer to the request before comes first
            else:
                self.transport.close()

        def _write(self, data: bytes) -> None:
            self._written += len(data)
            self.transport.write(data)

        def _close_gently(self) -> None:
            if self.cycle.more_body:
                self._drain()
            else:
                self.transport.close()

        def _drain(self) -> None:
            if self._drained < 0:
                self._drained = 0
                self.flow.resume_reading()
                self._drain_timer = self.loop.call_later(min(_DRAIN, wait), self.transport.close)

        def _watch_writing(self) -> None:
            """Look again and again at whether anything is read of what was written."""
            left = self.transport.get_write_buffer_size()
            if not left or self._write_timer is not None:
                return
            taken = self._written - left

            def look() -> None:
                self._write_timer = None
                left = self.transport.get_write_buffer_size()
                if left and self._written - left <= taken:
                    self.transport.abort()
                else:
                    self._watch_writing()

            self._write_timer = self.loop.call_later(wait, look)

        def _refuse(self, status: int, code: str, message: str) -> None:
            count(status)
            request_id = uuid4().hex
            body = json.dumps(
                {"error": {"code": code, "message": message}, "request_id": request_id}
            ).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *ANSWER_HEADERS,
                *BASE_HEADERS,
                (b"x-request-id", request_id.encode()),
                (b"connection", b"close"),
            ]
            head = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
            self.transport.close()

    return Connection


def _without_upgrade(data: bytes) -> bytes:
    """Take a head's offer to speak another protocol away, with which the parser would pass over the body."""
    head, end, body = data.partition(b"\r\n\r\n")
    return re.sub(rb"(?i)\r\nupgrade:", b"\r\nx-upgrade:", head) + end + body


class _Answering(NamedTuple):
    """What one answer needs of a transport; closing it waits until a refused body has been read for a moment."""

    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    close: Callable[[], None]
