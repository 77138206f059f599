"""The files of the pages: read once, from the package alone, and sent with what browsers need to keep them."""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from starlette.types import Scope, Send

from tagwright.serve.security import DOCS_POLICY, PAGE_POLICY

__all__ = ["File", "docs_files", "page_files", "send_file"]

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
}
_HERE = Path(__file__).parent
_SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")


class File(NamedTuple):
    """A file, and the headers that go with it."""

    body: bytes
    tag: bytes
    headers: list[tuple[bytes, bytes]]


def page_files() -> dict[str, File]:
    """Return the page's files by their paths: `/` and `/page/FILE`."""
    paths = {path.name: path for path in sorted((_HERE / "page").glob("*")) if path.suffix in _TYPES}
    return _read(paths, "/", "/page/", PAGE_POLICY)


def docs_files() -> dict[str, File]:
    """Return the files of the API's page by their paths: `/docs` and `/docs/FILE`.

    Swagger UI lies in `fastapi_offline`, whose code is not run; without it there is no such page.
    """
    home = find_spec("fastapi_offline")
    if home is None or home.origin is None:
        return {}
    static = Path(home.origin).parent / "static"
    paths = {path.name: path for path in sorted((_HERE / "docs").glob("*"))}
    paths |= {name: static / name for name in _SWAGGER}
    if not all(path.is_file() for path in paths.values()):
        return {}
    return _read(paths, "/docs", "/docs/", DOCS_POLICY)


def _read(paths: dict[str, Path], index: str, below: str, policy: bytes) -> dict[str, File]:
    files = {}
    for name, path in paths.items():
        body = path.read_bytes()
        tag = f'"{sha256(body).hexdigest()[:24]}"'.encode()
        headers = [
            (b"etag", tag),
            (b"cache-control", b"no-cache"),  # ask each time: the answer is short where nothing has changed
            (b"content-security-policy", policy),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"content-type", _TYPES[path.suffix]),
        ]
        files[index if name == "index.html" else below + name] = File(body, tag, headers)
    return files


async def send_file(scope: Scope, send: Send, file: File) -> None:
    """Send a file, or 304 where the caller has it."""
    known = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    if known == b"*" or file.tag in [tag.strip().removeprefix(b"W/") for tag in known.split(b",")]:
        await send({"type": "http.response.start", "status": 304, "headers": file.headers[:-1]})
        await send({"type": "http.response.body", "body": b""})
        return
    length = (b"content-length", str(len(file.body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [*file.headers, length]})
    await send({"type": "http.response.body", "body": file.body})
