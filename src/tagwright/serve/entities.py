"""`POST /v1/entities`: texts in, entities out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from tagwright.serve.answers import dump_answers, send_json, send_parts
from tagwright.serve.bodies import JSON, GoneError, media_type, read_body
from tagwright.serve.budget import LONG, Share, weight_of
from tagwright.serve.exchange import Exchange, exchange_of
from tagwright.serve.refusal import RefusalError
from tagwright.serve.requests import CONTENTS, OPTIONS, ask_of, check_keys, parse_json, parse_query
from tagwright.serve.service import Service
from tagwright.serve.stream import Stream

__all__ = ["PATH", "Entities"]

PATH = "/v1/entities"
_KEYS = (*CONTENTS, *OPTIONS)
_T = TypeVar("_T")


class Entities:
    """Answers `POST /v1/entities`, in JSON or in JSON lines."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            RefusalError: with the status and the sentence of the answer.
            GoneError: the caller hung up.
        """
        exchange = exchange_of(scope)
        exchange.route = PATH
        service = self._service
        kind = media_type(scope)
        service.check_open()
        options = parse_query(scope["query_string"])
        if options:  # they have to be right, even where the body has the last word
            ask_of({"text": ""}, options, service.types, service.settings)
            service.find(options.get("model"))
        if kind != JSON:
            await Stream(service, exchange, options).answer(receive, send)
            return
        share = Share(service.budget)
        try:
            body = await read_body(scope, receive, service.settings, share)
            size = exchange.bytes = len(body)
            if size > LONG:
                work = self._in_turn([body], options, exchange)
            else:
                if (weight := weight_of(body)) > share.size:
                    share.take(weight - share.size)
                work = self._answer(body, options, exchange)
            del body
            parts = await _awaited(work, receive, service.settings.timeout)
            if len(parts) == 1:
                await send_json(send, parts[0])
            else:
                share.answer(sum(map(len, parts)))
                share.keep(0)
                await send_parts(send, parts, lambda size: share.answer(-size))
        except RefusalError as error:
            error.__traceback__ = error.__context__ = None  # they hold the body
            raise
        finally:
            share.free()

    async def _in_turn(self, body: list[bytes], options: dict[str, Any], exchange: Exchange) -> list[bytes]:
        """Return the answer to a long body, which is taken out of its list so that nothing holds it further."""
        async with self._service.budget.turn(len(body[0])):
            return await self._answer(body.pop(), options, exchange)

    async def _answer(self, body: bytes, options: dict[str, Any], exchange: Exchange) -> list[bytes]:
        service = self._service
        values = parse_json(body)
        del body
        check_keys(values, _KEYS)
        for key in OPTIONS:
            if values.get(key) is not None:  # the query speaks where the body does not
                options[key] = values[key]
        served = service.find(options.get("model"))
        exchange.model = served.name
        ask = ask_of(values, options, served.bundle.types, service.settings)
        several = "texts" in values
        del values
        exchange.texts = len(ask)
        if service.settings.log_texts:
            exchange.asked = ask.texts if ask.texts is not None else ask.words
        try:
            answers = await served.engine.answer(ask)
        except RefusalError as error:
            if error.place == "texts[0]" and not several:
                error.place = "text"
            raise
        del ask
        exchange.words = sum(answer.words for answer in answers)
        return await dump_answers(served.name, answers)


async def _awaited(work: Coroutine[Any, Any, _T], receive: Receive, seconds: float) -> _T:
    """Wait for work, which is cancelled when the time is over or the caller hangs up.

    Raises:
        RefusalError: 504, the time is over.
        GoneError: the caller hung up.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    def hung_up(watcher: asyncio.Task[Any]) -> None:
        nonlocal gone
        if not watcher.cancelled() and not watcher.exception():
            gone = True
            task.cancel()

    watcher = asyncio.ensure_future(_hang_up(receive))
    watcher.add_done_callback(hung_up)
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise RefusalError(
            504,
            "timeout",
            f"The answer took longer than {seconds:g} seconds; send less text at once, or try again later.",
            retry_after=1,
        ) from None
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise GoneError from None
    finally:
        watcher.remove_done_callback(hung_up)
        watcher.cancel()


async def _hang_up(receive: Receive) -> None:
    """Return once the caller has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
