"""`POST /v1/entities`: texts in, entities out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from tagwright.serve.answers import dump_answers, send_json
from tagwright.serve.bodies import JSON, GoneError, media_type, read_body
from tagwright.serve.exchange import exchange_of
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
        body = await read_body(scope, receive, service.settings)
        exchange.bytes = len(body)
        values = parse_json(body)
        check_keys(values, _KEYS)
        for key in OPTIONS:
            if values.get(key) is not None:  # the query speaks where the body does not
                options[key] = values[key]
        served = service.find(options.get("model"))
        exchange.model = served.name
        ask = ask_of(values, options, served.bundle.types, service.settings)
        exchange.texts = len(ask)
        if service.settings.log_texts:
            exchange.asked = ask.texts if ask.texts is not None else ask.words
        try:
            answers = await _awaited(served.engine.answer(ask), receive, service.settings.timeout)
        except RefusalError as error:
            if error.place == "texts[0]" and "texts" not in values:
                error.place = "text"
            raise
        exchange.words = sum(answer.words for answer in answers)
        await send_json(send, await dump_answers(served.name, answers))


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
