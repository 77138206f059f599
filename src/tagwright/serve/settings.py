"""The limits of a service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from math import isfinite

from tagwright.errors import InputError

__all__ = ["Settings"]

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a service takes, how long it waits, and whom it answers.

    Raises:
        InputError: a number is out of its range, or an origin is none.
    """

    max_body: int = 4 << 20
    """Bytes of a request's body; of one line, in a stream."""

    max_held: int = 64 << 20
    """Bytes of bodies that are not answered yet, and of answers that are not sent yet, in all the process holds."""

    max_texts: int = 1024
    """Texts in a request."""

    max_words: int = 200_000
    """Words of a text."""

    max_queue: int = 1024
    """Requests that are taken and not answered yet, for each model."""

    max_wait: float = 0.002
    """Seconds that a short text waits, at most, for others to be computed with."""

    short_characters: int = 4000
    """Characters of a request, in all its texts, up to which it goes by the short lane."""

    long_threads: int = 2
    """Long requests that are worked on at once, for each model."""

    timeout: float = 30.0
    """Seconds from a request's last byte to its answer."""

    head_timeout: float = 10.0
    """Seconds in which a request's head has to arrive, and in which each further piece of its body has to."""

    keep_alive: float = 75.0
    """Seconds that a connection stays open between two requests; longer than a proxy in front keeps it."""

    grace: float = 20.0
    """Seconds that a service which is told to stop takes to answer what it has taken."""

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """Keys that callers name; without any, everybody is answered."""

    origins: tuple[str, ...] = ()
    """Origins whose pages may call the service from a browser (CORS); `*` is any."""

    log_texts: bool = False
    """Write the texts of requests into the log, where they may be personal data."""

    def __post_init__(self) -> None:
        """Refuse numbers out of range, and what is no origin."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            least = 0 if each.name in ("max_wait", "grace") else 1 if isinstance(value, int) else 1e-3
            if not isfinite(value) or value < least:
                raise InputError(f"{each.name} is {value}", mend=f"give at least {least}")
        if self.max_held < self.max_body:
            raise InputError(
                f"max_held is {self.max_held}, and a body may have {self.max_body} bytes",
                mend=f"give at least {self.max_body}, or lower max_body",
            )
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise InputError(f"{origin!r} is no origin", mend="name one as in https://page.example:8443")
