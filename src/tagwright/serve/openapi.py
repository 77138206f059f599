"""What the API says of itself, in OpenAPI's words: the shapes, every status, and examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tagwright
from tagwright.serve.bodies import JSON, LINES
from tagwright.serve.metrics import CONTENT_TYPE
from tagwright.serve.models import Bundle
from tagwright.serve.settings import Settings
from tagwright.serve.shapes import options, reference, schemas

__all__ = ["document"]

TITLE = "Tagwright"
_ABOUT = (
    "Finds the entities of texts. Offsets count Unicode code points, half-open: `text[start:end]` is the entity. "
    "Every response carries `X-Request-ID`: the caller's, where that is up to 64 letters, digits, dots, dashes and "
    "underscores, or one made here."
)
_TEXT = "Jeff Bezos bought the Washington Post"
_WORDS = _TEXT.split()
_ENTITY = {
    "label": "person",
    "start": 0,
    "end": 10,
    "word_start": 0,
    "word_end": 2,
    "text": "Jeff Bezos",
    "score": 0.9871,
}
_STATUSES = {
    401: (
        "unauthorized",
        "The service wants its key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY.",
    ),
    404: ("not_found", "There is nothing at this path; see /docs."),
    405: ("method_not_allowed", "The path does not take this method; see Allow."),
    408: ("body_timeout", "The body stopped arriving for 10 seconds; send it again, faster."),
    413: (
        "body_too_large",
        "The body is longer than 4,194,304 bytes; send fewer texts at once, or JSON lines.",
    ),
    415: (
        "unsupported_media_type",
        "The request has no Content-Type; send JSON as application/json, or JSON lines as application/x-ndjson.",
    ),
    422: ("invalid_request", "texts[3] is a number; give a string."),
    500: ("failed", "The service failed; tell those who run it, with the request's id."),
    503: ("queue_full", "1024 requests wait already; try again later."),
    504: ("timeout", "The answer took longer than 30 seconds; send less text at once, or try again later."),
}
_MEANINGS = {
    401: "No key, or a wrong one.",
    404: "There is no such path.",
    405: "The path does not take this method.",
    408: "The body does not arrive.",
    413: "The body is too long.",
    415: "The body is neither JSON nor JSON lines, is not UTF-8, or is packed.",
    422: "The request says something wrong; `place` says where.",
    500: "The service failed.",
    503: "The queue or the memory for requests is full, a model is being loaded, or the service is stopping.",
    504: "The answer took too long.",
}


def document(bundles: Sequence[Bundle], settings: Settings) -> dict[str, Any]:
    """Return the OpenAPI document of a service: its models, types and limits are named in it."""
    closed: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}] if settings.api_keys else []
    paths = {
        "/v1/entities": {"post": _entities(bundles, settings)},
        "/v1/models": {"get": _models()},
        "/metrics": {"get": _metrics()},
        "/health/live": {
            "get": _health(
                "live",
                "Whether the process runs",
                {200: "It runs.", 503: "A model has failed; only a new start mends that."},
            )
        },
        "/health/ready": {
            "get": _health(
                "ready",
                "Whether requests are answered",
                {200: "Every model has given its warm-up answer.", 503: _MEANINGS[503]},
            )
        },
    }
    for path, methods in paths.items():
        for operation in methods.values():
            if closed and not path.startswith("/health/"):
                operation["security"] = closed
                operation["responses"]["401"] = _refused(401)
    components: dict[str, Any] = {"schemas": schemas(bundles, settings), "headers": _headers()}
    if closed:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLE,
            "version": tagwright.__version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": components,
    }


def _entities(bundles: Sequence[Bundle], settings: Settings) -> dict[str, Any]:
    requests = {
        "text": {"summary": "One text", "value": {"text": _TEXT}},
        "texts": {
            "summary": "Several texts, and only what is likely",
            "value": {"texts": [_TEXT, "Rain all day"], "min_score": 0.5},
        },
        "words": {"summary": "Sentences that are split already", "value": {"words": [_WORDS]}},
    }
    answer = {"model": bundles[0].name, "results": [{"entities": [_ENTITY], "words": len(_WORDS)}]}
    lines = '{"id": 1, "text": "Jeff Bezos left"}\n{"words": ["Rain", "all", "day"]}\n'
    said = '{"line":1,"id":1,"entities":[],"words":3}\n{"line":2,"entities":[],"words":3}\n'
    return {
        "operationId": "find_entities",
        "summary": "Find the entities of texts",
        "description": (
            'JSON: one request, one answer. JSON lines: each line is `{"text": …}` or `{"words": […]}` with an '
            "optional `id`; the answers come line by line, in order, while further lines are sent, so read while you "
            'write. A bad line is answered by `{"line": n, "error": {…}}`, and the next ones go on. Options of JSON '
            "lines stand in the query; those of JSON may stand there, too, and what the body says counts. A stream of "
            f"which nothing arrives for {settings.head_timeout:g} seconds is ended with an error."
        ),
        "parameters": _parameters(bundles),
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": reference("Request"), "examples": requests},
                LINES: {"schema": {"description": "JSON lines."}, "example": lines},
            },
        },
        "responses": {
            "200": {
                "description": "The entities of each text, in the order of the request.",
                "headers": _ID_HEADER,
                "content": {
                    JSON: {"schema": reference("Answer"), "example": answer},
                    LINES: {"schema": {"type": "string"}, "example": said},
                },
            },
            **{str(status): _refused(status) for status in (408, 413, 415, 422, 500, 503, 504)},
        },
    }


def _parameters(bundles: Sequence[Bundle]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "description": option["description"],
            "schema": {key: value for key, value in option.items() if key != "description"},
            **({"style": "form", "explode": False} if option["type"] == "array" else {}),
        }
        for name, option in options(bundles).items()
    ]


def _models() -> dict[str, Any]:
    example = {
        "name": "wnut17",
        "default": True,
        "ready": True,
        "types": ["location", "person"],
        "scheme": "iob2",
        "splitter": "english",
        "max_pieces": 512,
        "on_overflow": "window",
        "runtime": "onnx",
        "precision": "int8",
        "device": "cpu",
        "calibrated": False,
        "scores": {"validation": {"lenient": {"f1": 0.606}}},
        "made": {"engine": "torch", "seed": 2},
        "export": {"runtime": "onnx", "precision": "int8"},
    }
    return {
        "operationId": "list_models",
        "summary": "List the models: their types, their scores, and how they were made",
        "responses": {
            "200": _answered(
                "The models; the first is the one asked by default.", "Models", {"models": [example]}
            ),
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "operationId": "read_metrics",
        "summary": "Read the counters, in Prometheus' format",
        "responses": {
            "200": {
                "description": "The counters.",
                "headers": _ID_HEADER,
                "content": {CONTENT_TYPE: {"schema": {"type": "string"}}},
            },
        },
    }


def _health(name: str, summary: str, meanings: dict[int, str]) -> dict[str, Any]:
    responses = {"200": _answered(meanings[200], "Health", {"status": "ok" if name == "live" else "ready"})}
    if 503 in meanings:
        responses["503"] = {**_refused(503), "description": meanings[503]}
    return {"operationId": f"is_{name}", "summary": summary, "responses": responses}


def _answered(description: str, schema: str, example: Any) -> dict[str, Any]:
    return {
        "description": description,
        "headers": _ID_HEADER,
        "content": {JSON: {"schema": reference(schema), "example": example}},
    }


def _refused(status: int) -> dict[str, Any]:
    code, message = _STATUSES[status]
    error = {"code": code, "message": message}
    if status == 422:
        error["place"] = "texts[3]"
    example = {"error": error, "request_id": "3f2a4c"}
    headers = dict(_ID_HEADER)
    if status in (503, 504):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if status == 401:
        headers["WWW-Authenticate"] = {"$ref": "#/components/headers/Challenge"}
    return {
        "description": _MEANINGS[status],
        "headers": headers,
        "content": {JSON: {"schema": reference("Refusal"), "example": example}},
    }


_ID_HEADER = {"X-Request-ID": {"$ref": "#/components/headers/RequestID"}}


def _headers() -> dict[str, Any]:
    return {
        "RequestID": {
            "required": True,
            "description": "The request's id, as it stands in the log.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        },
        "RetryAfter": {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "Challenge": {"description": "How to send a key.", "schema": {"type": "string"}},
    }
