"""JSON lines in, JSON lines out: many texts by one request, of any number, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from typing import Any, NamedTuple

from starlette.types import Receive, Send

from tagwright.serve.answers import dump, dump_line, error_of
from tagwright.serve.ask import Ask
from tagwright.serve.bodies import LINES, GoneError, pieces
from tagwright.serve.budget import LONG, SMALL, Share, full, weight_of
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
    says, their bytes fit `settings.max_body` and the service's budget has room; further ones are not read meanwhile.
    One line may always be worked on, whatever others hold.

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
        self._budget = service.budget
        self._share = Share(service.budget)
        self._held = 0
        self._room = asyncio.Event()
        self._arrived = 0  # bytes of an unfinished long line that the budget counts

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
            self._share.free()
        await send({"type": "http.response.body", "body": b""})

    async def _read(self, receive: Receive) -> None:
        """Begin the work of every line; then wait for the caller to hang up."""
        number = 0
        try:
            async for raw in self._lines(receive):
                number += 1
                if isinstance(raw, bytes) and not raw.strip():
                    continue
                self._service.check_open()
                await self._take(number, raw)
        except RefusalError as refusal:
            number += refusal.code == "body_timeout"  # in the midst of the next line
            await self._begin(_said(dump({"line": number, "error": error_of(refusal)}) + b"\n"))
            await self._works.put(None)
            return
        await self._works.put(None)
        while (await receive())["type"] != "http.disconnect":
            pass
        raise GoneError

    async def _take(self, number: int, raw: bytes | RefusalError) -> None:
        """Begin the work of a line once there is room for it; a stream that has no other in work needs none."""
        if isinstance(raw, RefusalError):
            self._forget()
            await self._begin(_said(dump({"line": number, "error": error_of(raw)}) + b"\n"))
            return
        size, weight = len(raw), weight_of(raw)
        while self._held and self._held + size > self._settings.max_body:
            self._room.clear()
            await self._room.wait()
        while not (fits := self._budget.fits(weight - self._arrived, max(weight, SMALL))) and self._held:
            await self._budget.room()
        self._share.keep(self._share.size + weight - self._arrived)
        self._arrived = 0
        await self._begin(self._line(number, raw, in_turn=size > LONG or not fits), size, weight)

    async def _begin(self, work: Coroutine[Any, Any, bytes], size: int = 0, weight: int = 0) -> None:
        self._held += size
        task = asyncio.create_task(self._counted(work, weight))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        await self._works.put(_Work(task, size))

    async def _counted(self, work: Coroutine[Any, Any, bytes], weight: int) -> bytes:
        """Count the answer in place of the line."""
        said = await work
        self._share.answer(len(said))
        self._share.keep(self._share.size - weight)
        return said

    async def _lines(self, receive: Receive) -> AsyncIterator[bytes | RefusalError]:
        """Give the lines of the body without their ends; a refusal stands for one that cannot be taken."""
        rest = bytearray()
        refused: RefusalError | None = None
        async for piece in pieces(receive, self._settings, least=1):
            self._exchange.bytes = (self._exchange.bytes or 0) + len(piece)
            *ended, tail = piece.split(b"\n")
            for part in ended:
                rest += part
                refused = refused or self._too_long(rest)
                line = bytes(rest) if refused is None else b""
                rest.clear()
                yield refused or line
                refused = None
            rest += tail
            refused = refused or self._too_long(rest) or await self._arrive(len(rest))
            if refused is not None:
                rest.clear()
                self._forget()
        if rest or refused:
            yield refused or bytes(rest)

    def _too_long(self, line: bytearray) -> RefusalError | None:
        if len(line) <= self._settings.max_body:
            return None
        what = f"The line is longer than {self._settings.max_body:,} bytes; split its text."
        return RefusalError(413, "line_too_long", what)

    async def _arrive(self, size: int) -> RefusalError | None:
        """Count the bytes of an unfinished line, unless it is short; wait for room, but not for ever."""
        more = size - self._arrived
        if size < SMALL or not more:
            return None
        try:
            async with asyncio.timeout(self._settings.timeout):
                while not self._budget.fits(more, size):
                    await self._budget.room()
        except TimeoutError:
            return full("There was no room for so long a line; send it again later.")
        self._share.keep(self._share.size + more)
        self._arrived = size
        return None

    def _forget(self) -> None:
        self._share.keep(self._share.size - self._arrived)
        self._arrived = 0

    async def _line(self, number: int, raw: bytes, *, in_turn: bool) -> bytes:
        """Return the answer to a line."""
        head: dict[str, Any] = {"line": number}
        seconds = self._settings.timeout
        try:
            async with asyncio.timeout(seconds):
                if not in_turn:
                    return await self._answer(raw, head)
                async with self._budget.turn(len(raw), patient=True):
                    return await self._answer(raw, head)
        except RefusalError as refusal:
            return dump({**head, "error": _of_one(error_of(refusal))}) + b"\n"
        except TimeoutError:
            what = f"The answer took longer than {seconds:g} seconds; send fewer lines at once, or try again later."
            return dump({**head, "error": error_of(RefusalError(504, "timeout", what))}) + b"\n"
        except Exception as error:
            self._service.tell_failure(error, self._exchange.request_id)
            return dump({**head, "error": error_of(failed())}) + b"\n"

    async def _answer(self, raw: bytes, head: dict[str, Any]) -> bytes:
        ask = self._ask(raw, head)
        while True:
            try:
                [answer] = await self._engine.answer(ask)
                break
            except RefusalError as refusal:  # where the engine's queue is full, wait for a place in it
                if refusal.code != "queue_full":
                    raise
            await asyncio.sleep(_PAUSE)
        said = await dump_line(head, answer)
        self._exchange.words = (self._exchange.words or 0) + answer.words
        return said + b"\n"

    def _ask(self, raw: bytes, head: dict[str, Any]) -> Ask:
        """Read a line; its `id` goes into the head of its answer."""
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
            size = len(chunk)
            await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
            del chunk
            self._share.answer(-size)
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
