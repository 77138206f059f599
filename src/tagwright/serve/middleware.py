"""What stands around every request: its id, its line in the log, its counts, its key, and the shape of a refusal."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tagwright.serve.answers import refuse
from tagwright.serve.bodies import GoneError
from tagwright.serve.exchange import Exchange, exchange_of
from tagwright.serve.refusal import RefusalError
from tagwright.serve.security import BASE_HEADERS, gate_of
from tagwright.serve.service import Service, failed

__all__ = ["Frame", "Gate"]

GONE = 499
"""The status that the log and the counters give a request whose caller went away; nobody sees it."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_CLOSE = ((b"connection", b"close"),)
_PROCESS = uuid4().hex[:12]
_numbers = itertools.count(1)


class Frame:
    """Gives each request an id, and tells of it in the log and the counters."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._active = 0
        service.metrics.watch_requests(lambda: self._active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.perf_counter()
        exchange = Exchange(_request_id(scope))
        exchange.put(scope)

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    *BASE_HEADERS,
                    (b"x-request-id", exchange.request_id.encode()),
                    *(_CLOSE if self._service.stopping else ()),
                ]
            await send(message)

        self._active += 1
        try:
            await self._app(scope, receive, send_framed)
        finally:
            self._active -= 1
            self._tell(scope, exchange, time.perf_counter() - begin)

    def _tell(self, scope: Scope, exchange: Exchange, seconds: float) -> None:
        status = exchange.status or GONE
        self._service.metrics.request(exchange.route, status, seconds)
        self._service.log.write(
            "info" if status < 500 else "warning" if status in (503, 504) else "error",
            "request",
            request_id=exchange.request_id,
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            seconds=round(seconds, 6),
            code=exchange.code,
            model=exchange.model,
            texts=exchange.texts,
            words=exchange.words,
            bytes=exchange.bytes,
            asked=exchange.asked,
        )


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_PROCESS}-{next(_numbers):x}"


class Gate:
    """Lets callers with a key pass, and turns whatever is raised into an answer."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._check = gate_of(service.settings.api_keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:  # a WebSocket, of which there is none
                await send({"type": "websocket.close", "code": 1000})
            return
        exchange = exchange_of(scope)
        try:
            self._check(scope)
            await self._app(scope, receive, send)
        except GoneError:
            exchange.status = GONE
        except RefusalError as error:
            await refuse(scope, send, error)
        except asyncio.CancelledError:
            if not self._service.stopping or exchange.status:
                raise
            await refuse(
                scope, send, RefusalError(503, "stopping", "The service is stopping; try again later.")
            )
        except Exception as error:
            self._service.tell_failure(error, exchange.request_id)
            if exchange.status:
                raise  # the answer has begun: the connection has to break
            await refuse(scope, send, failed())
