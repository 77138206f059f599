"""Whether the Hub can be reached, asked once and briefly: its own client retries for three quarters of a minute."""

from __future__ import annotations

import os
import socket
from functools import cache
from urllib.parse import urlsplit
from urllib.request import getproxies

__all__ = ["hub_reachable"]

TIMEOUT = 5.0  # seconds


def hub_reachable() -> bool:
    """Say whether a name on the Hub can be looked up, rather than only in the local cache.

    False when `HF_HUB_OFFLINE` says so or the Hub's host takes no connection within five seconds. Behind a proxy
    the question is left to the Hub's client.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}:
        return False
    return _answers(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")


@cache
def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    if address.scheme in getproxies() or "all" in getproxies():
        return True
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        with socket.create_connection((address.hostname or "", port), timeout=TIMEOUT):
            return True
    except OSError:
        return False
