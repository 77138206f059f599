"""The service on a Ray cluster: replicas of the same app behind Ray Serve's proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from tagwright.errors import InputError, require
from tagwright.serve.app import create_app
from tagwright.serve.models import Bundle, read_bundles
from tagwright.serve.security import read_keys
from tagwright.serve.settings import Settings

if TYPE_CHECKING:
    from ray.serve import Application

__all__ = ["build", "ray_app"]

SPARE = 64
"""Requests beyond its queue that a replica takes: it refuses them itself, and says when to try again."""
AFTER_GRACE = 5.0
"""Seconds beyond the grace period after which Ray ends a replica that has not ended by itself."""

_LIMITS = {each.name: each.default for each in fields(Settings) if isinstance(each.default, int | float)}
_ARGUMENTS = ("bundle", "replicas", "cpus", "runtime", "precision", "api_key_file", *_LIMITS)


def ray_app(
    bundles: Sequence[str | Path],
    settings: Settings | None = None,
    *,
    replicas: int = 1,
    cpus: float = 1.0,
    runtime: str = "auto",
    precision: str = "auto",
    api_key_file: str | Path | None = None,
) -> Application:
    """Make an application of Ray Serve: `serve.run(ray_app(["run-onnx"], replicas=2))`.

    Args:
        bundles: folders, each perhaps as `NAME=FOLDER`, at the same place on every machine of the cluster.
        settings: the limits, of each replica; those of connections are for Ray's proxy, and keys are read by replicas.
        replicas: how many processes answer.
        cpus: processors that Ray sets aside for each replica, which computes with as many threads.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        api_key_file: a file of keys, read by each replica; `TAGWRIGHT_API_KEY` in its environment is read, too.

    Raises:
        InputError: a bundle is none, a number is out of range, or `settings` holds keys, which Ray would show.
        MissingExtraError: Ray is not installed.
    """
    serve: Any = require("ray.serve", "scale")
    settings = settings or Settings()
    if settings.api_keys:
        raise InputError("keys would be seen by whoever sees the cluster", mend="name a file: api_key_file")
    if replicas < 1:
        raise InputError(f"replicas is {replicas}", mend="give at least 1")
    if not cpus > 0:
        raise InputError(f"cpus is {cpus:g}", mend="give more than 0")
    specs = [_absolute(bundle) for bundle in read_bundles(bundles, runtime, precision)]
    keys = None if api_key_file is None else Path(api_key_file).absolute()

    def create_replica() -> _Replica:
        own = replace(settings, api_keys=read_keys(keys))
        return _Replica(create_app(specs, own, runtime=runtime, precision=precision))

    deployment = serve.deployment(
        name="tagwright",
        num_replicas=replicas,
        ray_actor_options={"num_cpus": cpus},
        max_ongoing_requests=settings.max_queue * len(specs) + SPARE,
        max_queued_requests=settings.max_queue,
        graceful_shutdown_timeout_s=settings.grace + AFTER_GRACE,
        graceful_shutdown_wait_loop_s=0.2,
    )
    application: Application = deployment(serve.ingress(create_replica)(_Watched)).bind()
    return application


def build(arguments: Mapping[str, Any]) -> Application:
    """Make the application out of words: `serve run tagwright.serve.ray_app:build bundle=run-onnx replicas=2`.

    Args:
        arguments: `bundle` (several with commas between them), `replicas`, `cpus`, `runtime`, `precision`,
            `api_key_file`, and the limits of `Settings` by their names.

    Raises:
        InputError: an argument is unknown, missing or out of range.
        MissingExtraError: Ray is not installed.
    """
    for name in arguments:
        if name not in _ARGUMENTS:
            raise InputError(f"there is no argument {name!r}", mend=f"give {', '.join(_ARGUMENTS)}")
    if not arguments.get("bundle"):
        raise InputError("no bundle is named", mend="give bundle=FOLDER")
    limits = {
        name: _number(name, arguments[name], default)
        for name, default in _LIMITS.items()
        if name in arguments
    }
    return ray_app(
        str(arguments["bundle"]).split(","),
        Settings(**limits),
        replicas=_number("replicas", arguments.get("replicas", 1), 1),
        cpus=_number("cpus", arguments.get("cpus", 1.0), 1.0),
        runtime=arguments.get("runtime", "auto"),
        precision=arguments.get("precision", "auto"),
        api_key_file=arguments.get("api_key_file"),
    )


class _Replica:
    """The app as Ray calls it: up only once every model answers, and with one request id.

    Attributes:
        service: the app's `Service`.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self.service = app.state.service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or begin and end with the replica."""

        async def send_on(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                try:
                    await self.service.wait_ready()
                except Exception as error:  # whatever it is, the replica cannot answer
                    message = {"type": "lifespan.startup.failed", "message": str(error)}
            elif message["type"] == "http.response.start":  # Ray's proxy gives the id that it sent here
                headers = [header for header in message["headers"] if header[0] != b"x-request-id"]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_on)


class _Watched:
    """What Ray asks of a replica besides requests."""

    app: _Replica

    async def check_health(self) -> None:
        """Raise when a model has stopped answering, so that Ray starts another replica."""
        service = self.app.service
        if not service.stopping:
            service.check_ready()


def _absolute(bundle: Bundle) -> str:
    return f"{bundle.name}={bundle.folder.absolute()}"


def _number(name: str, value: Any, default: bool | int | float) -> Any:
    """Read a number, or yes or no, of the kind that the default is of."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[str(value).lower()]
        return type(default)(value)
    except (KeyError, TypeError, ValueError):
        kind = "true or false" if isinstance(default, bool) else "a number"
        raise InputError(f"{name} is {value!r}", mend=f"give {kind}") from None
