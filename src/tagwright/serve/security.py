"""Keys, and the headers that tell browsers what not to do."""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from starlette.types import Scope

from tagwright.errors import InputError
from tagwright.serve.refusal import RefusalError

__all__ = [
    "ANSWER_HEADERS",
    "BASE_HEADERS",
    "DOCS_POLICY",
    "KEY_VARIABLE",
    "PAGE_POLICY",
    "gate_of",
    "is_loopback",
    "is_open",
    "read_keys",
]

KEY_VARIABLE = "TAGWRIGHT_API_KEY"

BASE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
"""On every response."""

ANSWER_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
"""On every response that is no page."""

_NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_OWN = "default-src 'none'; script-src 'self'; {style}; connect-src 'self'; img-src 'self' data:; "

PAGE_POLICY = (_OWN.format(style="style-src 'self'") + _NOTHING_ELSE).encode()
DOCS_POLICY = (_OWN.format(style="style-src 'self' 'unsafe-inline'") + _NOTHING_ELSE).encode()
"""Swagger UI sets styles from its script."""

_OPEN = frozenset({"/", "/docs", "/openapi.json"})
_OPEN_BELOW = ("/page/", "/health/", "/docs/")
_KEY = re.compile(r"[!-~]+")


def is_open(path: str) -> bool:
    """Tell whether a path is answered without a key."""
    return path in _OPEN or path.startswith(_OPEN_BELOW)


def gate_of(keys: tuple[str, ...]) -> Callable[[Scope], None]:
    """Return what lets a request pass, or raises `RefusalError` 401; of two keys, both have to be right.

    Every key is compared, in a time that does not depend on what was given.
    """
    digests = [_digest(key.encode()) for key in keys]

    def check(scope: Scope) -> None:
        path: str = scope["path"]
        if root := scope.get("root_path"):
            path = path.removeprefix(root)
        if not digests or is_open(path):
            return
        given = wrong = False
        for name, value in scope["headers"]:
            if name == b"authorization":
                kind, _, value = value.partition(b" ")
                if kind.lower() != b"bearer":
                    continue
            elif name != b"x-api-key":
                continue
            given, right = True, False
            digest = _digest(value.strip())
            for known in digests:
                right |= hmac.compare_digest(digest, known)
            wrong |= not right
        if wrong or not given:
            raise RefusalError(
                401,
                "unauthorized",
                "The service wants its key; send it as Authorization: Bearer KEY, or as X-API-Key: KEY.",
            )

    return check


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()  # of one length, whatever the key's


def read_keys(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Read the keys that callers name: from a file, one a line, and from the environment.

    Args:
        file: blank lines and those that begin with `#` are passed over.
        environment: where `TAGWRIGHT_API_KEY` may stand.

    Raises:
        InputError: the file cannot be read or has no key, or a key holds what no header can.
    """
    keys: list[str] = []
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InputError(
                f"the keys cannot be read: {reason}", where=str(file), mend="name a file with one key a line"
            ) from None
        keys += [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not keys:
            raise InputError("there is no key in it", where=str(file), mend="write one key a line")
    if KEY_VARIABLE in environment:
        keys.append(environment[KEY_VARIABLE].strip())
        if not keys[-1]:
            raise InputError(f"{KEY_VARIABLE} is empty", mend="set it to a key, or unset it")
    check_keys(keys, str(file or KEY_VARIABLE))
    return tuple(dict.fromkeys(keys))


def check_keys(keys: list[str], where: str) -> None:
    """Refuse keys that no header can carry, without showing them."""
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise InputError(
                f"key {number} is empty, or has a character in it that no header carries",
                where=where,
                mend="use letters, digits and signs of ASCII, without blanks",
            )


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a host's address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
