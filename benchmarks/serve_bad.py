"""Bad requests of many kinds, drawn by a seed, for serve_abuse.py: what is sent, and what may come back."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATH = "/v1/entities"
JSON = "application/json"
LINES = "application/x-ndjson"
REFUSED = frozenset(range(400, 500))
NOTHING: frozenset[int] = frozenset()
RARE = 20
"""A kind whose requests are large is drawn so many times less often than the others."""


@dataclass(frozen=True)
class Bad:
    """One bad request.

    Attributes:
        kind: what is wrong with it.
        data: the bytes that are sent.
        statuses: that may come back; of the first answer, where there are several.
        closing: whether the service may end the connection without an answer instead, as what came was no HTTP, or no
            whole request.
        leaves: what the client does once it has sent all: `stays`, ends its side (`half`), or is gone (`gone`).
        lines: it is a stream of which every line has to be refused by itself.
    """

    kind: str
    data: bytes
    statuses: frozenset[int] = REFUSED
    closing: bool = False
    leaves: str = "stays"
    lines: bool = False


def http(
    body: bytes,
    *more: str,
    method: str = "POST",
    path: str = PATH,
    content_type: str | None = JSON,
    length: int | str | None = -1,
) -> bytes:
    """A request; `length` -1 is the body's own, None leaves the header out."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if content_type is not None:
        head.append(f"Content-Type: {content_type}")
    if length is not None:
        head.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join([*head, *more]).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return framed + (b"0\r\n\r\n" if end else b"")


def said(value: Any) -> bytes:
    return json.dumps(value).encode()


WRONG_TYPES: list[Any] = [
    {"text": 5},
    {"text": ["a"]},
    {"text": {"a": 1}},
    {"text": True},
    {"texts": "a"},
    {"texts": {"0": "a"}},
    {"texts": ["a", 5]},
    {"texts": ["a", None]},
    {"texts": [["a"]]},
    {"words": "a b"},
    {"words": ["a", "b"]},
    {"words": [["a", 5]]},
    {"words": [[["a"]]]},
    {"words": [{"a": "b"}]},
    {"text": "a", "min_score": "0.5"},
    {"text": "a", "min_score": True},
    {"text": "a", "min_score": [0.5]},
    {"text": "a", "types": "person"},
    {"text": "a", "types": [5]},
    {"text": "a", "on_overflow": 5},
    {"text": "a", "model": 5},
    {"text": "a", "model": ["a"]},
    {"text": "a", "tokens": "yes"},
]
CONTRADICTIONS: list[Any] = [
    {},
    {"text": "a", "texts": ["a"]},
    {"texts": ["a"], "words": [["a"]]},
    {"text": "a", "words": [["a"]]},
    {"text": "a", "colour": "red"},
    {"Text": "a"},
    {"text": "a", "": 1},
    {"text": None},
]
OUT_OF_RANGE: list[Any] = [
    {"text": "a", "min_score": 2},
    {"text": "a", "min_score": -0.1},
    {"text": "a", "min_score": 1e308},
    {"text": "a", "types": ["no such type"]},
    {"text": "a", "types": []},
    {"text": "a", "on_overflow": "ignore"},
    {"text": "a", "model": "no such model"},
    {"text": "a", "model": "../../etc/passwd"},
]
NO_OBJECT = [b"5", b"null", b"[]", b'"text"', b"true", b"1e999", b"NaN", b"-", b'["text"]', b'{"text": NaN}']
PATHS = [
    "/v1",
    "/v1/entities/",
    "/v1/entity",
    "/admin",
    "/.env",
    "/page/../../../../etc/passwd",
    "/page/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/page/..%2f..%2f..%2fetc%2fpasswd",
    "/page//etc/passwd",
    "/page/%00",
    "/docs/../../etc/passwd",
    "/" + "a" * 20_000,
]
REQUEST_LINES = [
    b"POST /v1/entities\r\n\r\n",
    b"POST  /v1/entities HTTP/9.9\r\nHost: a\r\n\r\n",
    b"POST /v1/entities HTTP/1.1\nHost a\n\n",
    b"POST /v1/entities HTTP/1.1\r\n: no name\r\n\r\n",
    b"POST /v1/entities HTTP/1.1\r\nBad Name: a\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is TLS\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\n\r\n",
]
LENGTHS = ["-1", "abc", "1" + "0" * 30, "0x10", "+5", "5, 6", "5\r\nContent-Length: 6"]
CHUNKS = [
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"-5\r\nabcde\r\n0\r\n\r\n",
    b"5\r\nabcdefghij\r\n0\r\n\r\n",
    b"f" * 40 + b"\r\n",
]
BAD_LINES = [
    b"{",
    b"5",
    b'{"text": 5}',
    b'{"text": "a", "colour": 1}',
    b"\xff\xfe",
    b'{"id": 1}',
    b"[]",
    b"nonsense",
]

Draw = Callable[[random.Random, bytes], Bad]


def kinds(max_body: int, max_texts: int, max_words: int) -> dict[str, Draw]:
    """Every kind, by its name; each draws one request, given a good body to spoil."""
    huge = b'{"text": "' + b"a" * max_body + b'"}'

    def stream(*lines: bytes) -> bytes:
        return http(b"\n".join(lines) + b"\n", content_type=LINES)

    def cut(draw: random.Random, good: bytes) -> bytes:
        return good[: draw.randrange(1, len(good))]

    def swapped(draw: random.Random, good: bytes) -> bytes:
        places = [place for place, byte in enumerate(good) if byte in b'{}:"'][:3]
        place = draw.choice([*places, len(good) - 1])
        return good[:place] + draw.choice([b"]", b",", b"\x00", b"'"]) + good[place + 1 :]

    return {
        "JSON cut short": lambda d, good: Bad("", http(cut(d, good))),
        "JSON spoilt": lambda d, good: Bad("", http(swapped(d, good))),
        "JSON, but no object": lambda d, good: Bad("", http(d.choice(NO_OBJECT))),
        "wrong types": lambda d, good: Bad("", http(said(d.choice(WRONG_TYPES)))),
        "keys missing, unknown or too many": lambda d, good: Bad("", http(said(d.choice(CONTRADICTIONS)))),
        "a key twice": lambda d, good: Bad("", http(b'{"text": "a", "text": "b"}')),
        "options out of range": lambda d, good: Bad("", http(said(d.choice(OUT_OF_RANGE)))),
        "another type of content": lambda d, good: Bad(
            "",
            http(
                good,
                content_type=d.choice([None, "text/plain", "application/xml", "multipart/form-data", ""]),
            ),
        ),
        "another charset": lambda d, good: Bad("", http(good, content_type=f"{JSON}; charset=utf-16")),
        "packed": lambda d, good: Bad("", http(gzip.compress(good, mtime=0), "Content-Encoding: gzip")),
        "empty": lambda d, good: Bad("", http(b"", length=d.choice([0, None]))),
        "binary": lambda d, good: Bad("", http(d.randbytes(d.randrange(1, 2000)))),
        "not UTF-8": lambda d, good: Bad("", http(b'{"text": "\xff\xfe' + d.randbytes(5) + b'"}')),
        "nested 20,000 deep": lambda d, good: Bad("", http(d.choice([b"[", b'{"a":']) * 20_000)),
        "a number of 10,000 digits": lambda d, good: Bad("", http(b'{"text": ' + b"9" * 10_000 + b"}")),
        "too many texts": lambda d, good: Bad("", http(said({"texts": ["a"] * (max_texts + 1)}))),
        "too many words": lambda d, good: Bad("", http(said({"words": [["a"] * (max_words + 1)]}))),
        "a body over the limit, declared": lambda d, good: Bad(
            "", http(huge[:1000], length=len(huge)), closing=False, leaves="half"
        ),
        "a body over the limit, sent": lambda d, good: Bad("", http(huge), closing=True),
        "a body over the limit, in chunks": lambda d, good: Bad(
            "",
            http(
                chunked(*[huge[at : at + 60_000] for at in range(0, len(huge), 60_000)]),
                "Transfer-Encoding: chunked",
                length=None,
            ),
        ),
        "another method": lambda d, good: Bad(
            "", http(good, method=d.choice(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]))
        ),
        "no such method": lambda d, good: Bad("", http(good, method="BREW"), closing=True),
        "no such path": lambda d, good: Bad("", http(b"", method="GET", path=d.choice(PATHS), length=None)),
        "garbage": lambda d, good: Bad("", d.randbytes(d.randrange(1, 5000)), closing=True, leaves="half"),
        "a bad request line": lambda d, good: Bad("", d.choice(REQUEST_LINES), closing=True, leaves="half"),
        "a head of 200,000 bytes": lambda d, good: Bad(
            "", http(good, f"X-Long: {'a' * 200_000}"), closing=True, leaves="half"
        ),
        "a bad length": lambda d, good: Bad(
            "", http(good, length=d.choice(LENGTHS)), closing=True, leaves="half"
        ),
        "a length too large": lambda d, good: Bad(
            "", http(good, length=len(good) + 50), closing=True, leaves="half"
        ),
        "a length too small": lambda d, good: Bad("", http(good, length=len(good) - d.randrange(1, 9))),
        "bad chunks": lambda d, good: Bad(
            "", http(d.choice(CHUNKS), "Transfer-Encoding: chunked", length=None), closing=True, leaves="half"
        ),
        "a length and chunks": lambda d, good: Bad(
            "", http(chunked(good), "Transfer-Encoding: chunked", length=5), closing=True, leaves="half"
        ),
        "chunks that end early": lambda d, good: Bad(
            "",
            http(chunked(good, end=False), "Transfer-Encoding: chunked", length=None),
            closing=True,
            leaves="half",
        ),
        "a stream of bad lines": lambda d, good: Bad(
            "", stream(*d.choices(BAD_LINES, k=d.randrange(1, 50))), statuses=frozenset({200}), lines=True
        ),
        "a stream's bad options": lambda d, good: Bad(
            "",
            http(
                good,
                path=f"{PATH}?{d.choice(['min_score=x', 'types=', 'a=b', 'model=%ff'])}",
                content_type=LINES,
            ),
        ),
        "gone in the head": lambda d, good: Bad(
            "", cut(d, http(good)[:60]), statuses=NOTHING, closing=True, leaves="gone"
        ),
        "gone in the body": lambda d, good: Bad(
            "", http(good)[: -d.randrange(1, len(good))], statuses=NOTHING, closing=True, leaves="gone"
        ),
        "gone before the answer": lambda d, good: Bad(
            "", http(good), statuses=NOTHING, closing=True, leaves="gone"
        ),
    }


LARGE = frozenset(
    {
        "too many words",
        "a body over the limit, sent",
        "a body over the limit, in chunks",
        "a head of 200,000 bytes",
    }
)


def draw_bad(
    count: int, texts: list[str], *, seed: int, max_body: int, max_texts: int, max_words: int
) -> list[Bad]:
    """Draw so many bad requests, of all kinds."""
    draw = random.Random(seed)
    by_name = kinds(max_body, max_texts, max_words)
    names = list(by_name)
    weights = [1 / RARE if name in LARGE else 1.0 for name in names]
    found: list[Bad] = []
    for name in draw.choices(names, weights, k=count):
        bad = by_name[name](draw, said({"text": draw.choice(texts)}))
        found.append(Bad(name, bad.data, bad.statuses, bad.closing, bad.leaves, bad.lines))
    return found
