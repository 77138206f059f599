"""Answers and refusals as JSON, and how they are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from starlette.types import Scope, Send

from tagwright.records import SCORE_DIGITS, Entity
from tagwright.serve.ask import Answer
from tagwright.serve.exchange import exchange_of
from tagwright.serve.refusal import RefusalError
from tagwright.serve.security import ANSWER_HEADERS

__all__ = [
    "dump",
    "dump_answers",
    "dump_line",
    "error_of",
    "refuse",
    "result_of",
    "send_body",
    "send_json",
    "send_parts",
]

_SLICE = 64 << 10
_BREATH = 512  # entities and words that are written between two looks at other requests

_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode
_encode_ascii = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def dump(value: Any) -> bytes:
    """Write JSON; half a surrogate pair, which has no UTF-8, leaves as the escape that it came as."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()


def result_of(answer: Answer) -> dict[str, Any]:
    """Return what is said of one text, as plain values; scores with four decimals."""
    result: dict[str, Any] = {"entities": _plain(answer.entities), "words": answer.words}
    if answer.lost_words:
        result["lost_words"] = answer.lost_words
    if answer.tokens is not None:
        result["tokens"] = answer.tokens
        result["tags"] = answer.tags
    return result


def _plain(entities: Sequence[Entity]) -> list[dict[str, Any]]:
    return [entity.to_dict(SCORE_DIGITS) for entity in entities]


async def dump_answers(model: str, answers: list[Answer]) -> list[bytes]:
    """Write the answer to a request, in parts; a long one lets other requests have their turn in between.

    Args:
        model: its name.
        answers: one a text; they are taken out as they are written.
    """
    if sum(map(_length, answers)) <= _BREATH:
        return [dump({"model": model, "results": [result_of(answer) for answer in answers]})]
    parts: list[bytes] = []
    chunk = bytearray(b'{"model":' + dump(model) + b',"results":[')
    answers.reverse()
    while answers:
        for piece in _pieces(answers.pop()):
            chunk += piece
            if len(chunk) >= _SLICE:
                parts.append(bytes(chunk))
                chunk.clear()
                await asyncio.sleep(0)
        if answers:
            chunk += b","
    parts.append(bytes(chunk + b"]}"))
    return parts


async def dump_line(head: Mapping[str, Any], answer: Answer) -> bytes:
    """Write what is said of one text behind what is said of its line; see `dump_answers`."""
    if _length(answer) <= _BREATH:
        return dump({**head, **result_of(answer)})
    line = bytearray(dump(head))
    line[-1:] = b","
    for number, piece in enumerate(_pieces(answer)):
        line += piece if number else piece[1:]
        if number % 8 == 7:
            await asyncio.sleep(0)
    return bytes(line)


def _length(answer: Answer) -> int:
    return len(answer.entities) + len(answer.tokens or ())


def _pieces(answer: Answer) -> Iterator[bytes]:
    """Write a result as `result_of` would have it, in pieces."""
    if _length(answer) <= _BREATH:
        yield dump(result_of(answer))
        return
    yield b'{"entities":['
    for start in range(0, len(answer.entities), _BREATH):
        yield b"," * bool(start) + dump(_plain(answer.entities[start : start + _BREATH]))[1:-1]
    yield b'],"words":%d' % answer.words
    if answer.lost_words:
        yield b',"lost_words":%d' % answer.lost_words
    if answer.tokens is not None:
        for key, values in ((b"tokens", answer.tokens), (b"tags", answer.tags or ())):
            yield b',"%s":[' % key
            for start in range(0, len(values), _BREATH):
                yield b"," * bool(start) + dump(values[start : start + _BREATH])[1:-1]
            yield b"]"
    yield b"}"


def error_of(refusal: RefusalError) -> dict[str, Any]:
    """Return the `error` of an answer that says no."""
    error = {"code": refusal.code, "message": _sentence(refusal.message, refusal.place)}
    if refusal.place is not None:
        error["place"] = refusal.place
    return error


def _sentence(message: str, place: str | None) -> str:
    """Begin a message with a capital, unless it begins with a place, and end it with a full stop."""
    if place is None or not message.startswith(place):
        message = message[:1].upper() + message[1:]
    return message if message.endswith((".", "?", "!")) else f"{message}."


async def refuse(
    scope: Scope, send: Send, refusal: RefusalError, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a refusal."""
    exchange = exchange_of(scope)
    exchange.code = refusal.code
    extra = list(headers)
    if refusal.retry_after is not None:
        extra.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if refusal.status in (408, 413):  # what follows on this connection is the rest of the body
        extra.append((b"connection", b"close"))
    body = {"error": error_of(refusal), "request_id": exchange.request_id}
    await send_json(send, dump(body), status=refusal.status, headers=extra)


async def send_json(
    send: Send, body: bytes, *, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Send a JSON body."""
    await send_body(send, body, b"application/json", status=status, headers=headers)


async def send_body(
    send: Send,
    body: bytes,
    content_type: bytes,
    *,
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Send a body that is never stored; a long one as fast as the caller reads it."""
    start = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        *ANSWER_HEADERS,
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    if len(body) > _SLICE:
        for begin in range(0, len(body) - _SLICE, _SLICE):
            await send(
                {"type": "http.response.body", "body": body[begin : begin + _SLICE], "more_body": True}
            )
        body = body[(len(body) - 1) // _SLICE * _SLICE :]
    await send({"type": "http.response.body", "body": body})


async def send_parts(send: Send, parts: list[bytes], sent: Callable[[int], None]) -> None:
    """Send a long JSON body, which is let go of as it is sent: as fast as the caller reads it.

    Args:
        send: of the request.
        parts: of the body; they are taken out.
        sent: told how many bytes are gone, part by part.
    """
    start = [
        (b"content-type", b"application/json"),
        (b"content-length", str(sum(map(len, parts))).encode()),
        *ANSWER_HEADERS,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    parts.reverse()
    while parts:
        part = parts.pop()
        await send({"type": "http.response.body", "body": part, "more_body": bool(parts)})
        sent(len(part))
