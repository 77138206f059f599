"""The service as an ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

import tagwright
from tagwright.serve import openapi
from tagwright.serve.answers import dump, refuse, send_body, send_json
from tagwright.serve.entities import PATH, Entities
from tagwright.serve.exchange import exchange_of
from tagwright.serve.files import File, docs_files, page_files, send_file
from tagwright.serve.logs import JsonLog
from tagwright.serve.metrics import CONTENT_TYPE
from tagwright.serve.middleware import Frame, Gate
from tagwright.serve.models import Bundle, describe_model, read_bundles
from tagwright.serve.refusal import RefusalError
from tagwright.serve.service import Service
from tagwright.serve.settings import Settings

__all__ = ["create_app"]


def create_app(
    bundles: Iterable[str | Path | Bundle],
    settings: Settings | None = None,
    *,
    runtime: str = "auto",
    precision: str = "auto",
    log: JsonLog | None = None,
) -> FastAPI:
    """Make the service's app; its models are loaded in the background once its lifespan begins.

    `app.state.service` is the `Service`, whose `wait_ready()` waits for them.

    Args:
        bundles: folders, each perhaps as `NAME=FOLDER`; the first is asked when a request names none.
        settings: the limits; the defaults when None.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        log: where the service says what it does; stderr when None.

    Raises:
        InputError: a bundle is none, or two have one name.
    """
    settings = settings or Settings()
    service = Service(read_bundles(bundles, runtime, precision), settings, log)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title=openapi.TITLE,
        version=tagwright.__version__,
        lifespan=lifespan,
        middleware=_middleware(service),
        routes=_routes(service),
        exception_handlers={404: _refuse_path, 405: _refuse_method},
        openapi_url=None,  # `openapi.document` is served instead, which knows the models and the limits
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.openapi = lambda: openapi.document([each.bundle for each in service.models], settings)  # type: ignore[method-assign]
    return app


def _middleware(service: Service) -> list[Middleware]:
    cors = Middleware(
        CORSMiddleware,
        allow_origins=service.settings.origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "X-API-Key", "X-Request-ID"),
        expose_headers=("Retry-After", "X-Request-ID"),
    )
    between = [cors] if service.settings.origins else []
    return [Middleware(Frame, service=service), *between, Middleware(Gate, service=service)]


def _routes(service: Service) -> list[BaseRoute]:
    bundles = [served.bundle for served in service.models]
    described = dump(openapi.document(bundles, service.settings))

    async def models(scope: Scope, receive: Receive, send: Send) -> None:
        said = [
            describe_model(served.bundle, served.tagger, default=served is service.models[0])
            for served in service.models
        ]
        await send_json(send, dump({"models": said}))

    async def live(scope: Scope, receive: Receive, send: Send) -> None:
        service.check_alive()
        await send_json(send, b'{"status":"ok"}')

    async def ready(scope: Scope, receive: Receive, send: Send) -> None:
        service.check_ready()
        await send_json(send, b'{"status":"ready"}')

    async def metrics(scope: Scope, receive: Receive, send: Send) -> None:
        await send_body(send, service.metrics.text(), CONTENT_TYPE.encode())

    async def schema(scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(send, described)

    return [
        Route(PATH, Entities(service), methods=["POST"]),
        *(
            Route(path, _Get(path, answer), methods=["GET"])
            for path, answer in (
                ("/health/live", live),
                ("/health/ready", ready),
                ("/metrics", metrics),
                ("/v1/models", models),
                ("/openapi.json", schema),
            )
        ),
        *_file_routes(page_files(), "/page/{file}"),
        *_file_routes(docs_files(), "/docs/{file}"),
    ]


def _file_routes(files: dict[str, File], below: str) -> Iterable[Route]:
    for path, file in files.items():

        async def answer(scope: Scope, receive: Receive, send: Send, file: File = file) -> None:
            await send_file(scope, send, file)

        template = below if path.count("/") > 1 else path
        yield Route(path, _Get(template, answer), methods=["GET"])


class _Get:
    """An endpoint that takes no body."""

    def __init__(self, route: str, answer: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._route = route
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange_of(scope).route = self._route
        await self._answer(scope, receive, send)


async def _refuse_path(*_: Any) -> Any:
    raise RefusalError(404, "not_found", "There is nothing at this path; see /docs.")


async def _refuse_method(request: Any, error: Any) -> Any:
    refusal = RefusalError(405, "method_not_allowed", "The path does not take this method; see Allow.")
    allow = [(b"allow", error.headers["Allow"].encode())] if error.headers else []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, send, refusal, allow)

    return answer
