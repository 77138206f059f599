"""JSON lines in, JSON lines out: many texts by one request, of any number, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.types import Receive, Send

from tagwright.serve.answers import dump, error_of, result_of
from tagwright.serve.ask import Answer, Ask
from tagwright.serve.bodies import LINES, GoneError, pieces
from tagwright.serve.exchange import Exchange
from tagwright.serve.refusal import RefusalError
from tagwright.serve.requests import ask_of, check_keys, invalid, parse_json
from tagwright.serve.security import ANSWER_HEADERS
from tagwright.serve.service import Service, failed

__all__ = ["Stream"]

WINDOW = 64
"""Lines that are worked on at once: enough to fill a batch, and what a caller who does not read can pile up."""

_CHUNK = 64 << 10
_KEYS = ("id", "text", "words")
_PAUSE = 0.02  # before a line is offered again to an engine whose queue is full


class Stream:
    """Answers one stream: each line by a line, in order, as they are ready.

    A bad line is answered by an error and the next ones go on. As many lines are worked on at once as `WINDOW`
    says and their bytes fit `settings.max_body`; further ones are not read meanwhile.

    Args:
        service: what answers.
        exchange: what the log is to know.
        options: of every line, as they stood in the query.

    Raises:
        RefusalError: the options are wrong, or the model is not ready: before anything was sent.
    """

    def __init__(self, service: Service, exchange: Exchange, options: Mapping[str, Any]) -> None:
        self._service = service
        self._settings = service.settings
        self._exchange = exchange
        self._options = options
        self._served = service.find(options.get("model"))
        exchange.model = self._served.name
        exchange.texts = exchange.words = exchange.bytes = 0
        ask_of({"text": ""}, options, self._served.bundle.types, self._settings)
        self._engine = self._served.engine
        self._works: asyncio.Queue[_Work | None] = asyncio.Queue(WINDOW)
        self._begun: set[asyncio.Task[bytes]] = set()
        self._held = 0
        self._room = asyncio.Event()

    async def answer(self, receive: Receive, send: Send) -> None:
        """Answer the stream.

        Raises:
            GoneError: the caller hung up; what it had sent is dropped.
        """
        headers = [(b"content-type", LINES.encode()), *ANSWER_HEADERS, (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        reader = asyncio.create_task(self._read(receive))
        writer = asyncio.create_task(self._write(send))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if not writer.done():
                reader.result()  # raises where the caller hung up
            await writer
        finally:
            await _ended([reader, writer])
            await _ended(self._begun)
        await send({"type": "http.response.body", "body": b""})

    async def _read(self, receive: Receive) -> None:
        """Begin the work of every line; then wait for the caller to hang up."""
        number = 0
        try:
            async for raw in self._lines(receive):
                number += 1
                if raw is not None and not raw.strip():
                    continue
                self._service.check_open()
                await self._wait_for_room(len(raw or b""))
                await self._begin(self._line(number, raw), len(raw or b""))
        except RefusalError as refusal:
            number += refusal.code == "body_timeout"  # in the midst of the next line
            await self._begin(_said(dump({"line": number, "error": error_of(refusal)}) + b"\n"))
            await self._works.put(None)
            return
        await self._works.put(None)
        while (await receive())["type"] != "http.disconnect":
            pass
        raise GoneError

    async def _wait_for_room(self, size: int) -> None:
        while self._held and self._held + size > self._settings.max_body:
            self._room.clear()
            await self._room.wait()

    async def _begin(self, work: Coroutine[Any, Any, bytes], size: int = 0) -> None:
        self._held += size
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        await self._works.put(_Work(task, size))

    async def _lines(self, receive: Receive) -> AsyncIterator[bytes | None]:
        """Give the lines of the body without their ends; None stands for one that is too long."""
        limit = self._settings.max_body
        rest = bytearray()
        skipping = False
        async for piece in pieces(receive, self._settings, least=1):
            self._exchange.bytes = (self._exchange.bytes or 0) + len(piece)
            *ended, tail = piece.split(b"\n")
            for part in ended:
                rest += part
                yield None if skipping or len(rest) > limit else bytes(rest)
                rest.clear()
                skipping = False
            rest += tail
            if len(rest) > limit:
                skipping = True
                rest.clear()
        if rest or skipping:
            yield None if skipping else bytes(rest)

    async def _line(self, number: int, raw: bytes | None) -> bytes:
        """Return the answer to a line."""
        head: dict[str, Any] = {"line": number}
        try:
            [answer] = await self._answered(self._ask(raw, head))
            said = dump({**head, **result_of(answer)})
        except RefusalError as refusal:
            return dump({**head, "error": _of_one(error_of(refusal))}) + b"\n"
        except Exception as error:
            self._service.tell_failure(error, self._exchange.request_id)
            return dump({**head, "error": error_of(failed())}) + b"\n"
        self._exchange.words = (self._exchange.words or 0) + answer.words
        return said + b"\n"

    def _ask(self, raw: bytes | None, head: dict[str, Any]) -> Ask:
        """Read a line; its `id` goes into the head of its answer."""
        if raw is None:
            what = f"The line is longer than {self._settings.max_body:,} bytes; split its text."
            raise RefusalError(413, "line_too_long", what)
        values = parse_json(raw)
        if (name := values.get("id")) is not None:
            if type(name) not in (str, int):
                raise invalid("The id is neither a string nor a whole number; give one of them.", "id")
            head["id"] = name
        check_keys(values, _KEYS, hint="; options stand in the query")
        words = values.get("words")
        content = {"text": values.get("text"), "words": None if words is None else [words]}
        ask = ask_of(content, self._options, self._served.bundle.types, self._settings)
        self._exchange.texts = (self._exchange.texts or 0) + 1
        if self._settings.log_texts:
            asked = {"asked": [values.get("text") if words is None else words], "bytes": len(raw)}
            self._service.log.write("info", "line", request_id=self._exchange.request_id, **head, **asked)
        return ask

    async def _answered(self, ask: Ask) -> list[Answer]:
        """Wait for the answer to a line; while the engine's queue is full, for a place in it."""
        seconds = self._settings.timeout
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._engine.answer(ask)
                    except RefusalError as refusal:
                        if refusal.code != "queue_full":
                            raise
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            what = f"The answer took longer than {seconds:g} seconds; send fewer lines at once, or try again later."
            raise RefusalError(504, "timeout", what) from None

    async def _write(self, send: Send) -> None:
        """Send the answers in the order of the lines; those that are ready together, together."""
        work = await self._works.get()
        while work is not None:
            chunk = bytearray(await work.task)
            self._held -= work.size
            later: _Work | None = None
            ended = False
            while not (ended or later) and len(chunk) < _CHUNK and not self._works.empty():
                following = self._works.get_nowait()
                if following is None:
                    ended = True
                elif following.task.done():
                    chunk += following.task.result()
                    self._held -= following.size
                else:
                    later = following
            self._room.set()
            await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
            work = None if ended else later or await self._works.get()


def _of_one(error: dict[str, Any]) -> dict[str, Any]:
    """Name a place in one text as the line names it."""
    return {
        key: value.replace("texts[0]", "text").replace("words[0]", "words") for key, value in error.items()
    }


async def _said(line: bytes) -> bytes:
    return line


class _Work(NamedTuple):
    """A line that is worked on, and how many bytes it has."""

    task: asyncio.Task[bytes]
    size: int


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
