"""Answers and refusals as JSON, and how they are sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.types import Scope, Send

from tagwright.serve.ask import Answer
from tagwright.serve.exchange import exchange_of
from tagwright.serve.refusal import RefusalError
from tagwright.serve.security import ANSWER_HEADERS

__all__ = ["dump", "dump_answers", "error_of", "refuse", "result_of", "send_body", "send_json"]

_SLICE = 64 << 10
_BREATH = 512  # entities that are written between two looks at other requests

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
    result: dict[str, Any] = {
        "entities": [
            {
                "label": entity.label,
                "start": entity.start,
                "end": entity.end,
                "word_start": entity.word_start,
                "word_end": entity.word_end,
                "text": entity.text,
                "score": round(entity.score, 4),
            }
            for entity in answer.entities
        ],
        "words": answer.words,
    }
    if answer.lost_words:
        result["lost_words"] = answer.lost_words
    if answer.tokens is not None:
        result["tokens"] = answer.tokens
        result["tags"] = answer.tags
    return result


async def dump_answers(model: str, answers: Sequence[Answer]) -> bytes:
    """Write the answer to a request; a long one lets other requests have their turn in between."""
    if sum(len(answer.entities) for answer in answers) <= _BREATH:
        return dump({"model": model, "results": [result_of(answer) for answer in answers]})
    parts, written = [], 0
    for answer in answers:
        parts.append(dump(result_of(answer)))
        written += len(answer.entities)
        if written > _BREATH:
            written = 0
            await asyncio.sleep(0)
    return b'{"model":' + dump(model) + b',"results":[' + b",".join(parts) + b"]}"


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
