"""The service as a process: a port, signals, and a log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from tagwright.errors import InputError
from tagwright.serve.app import create_app
from tagwright.serve.logs import JsonHandler, JsonLog
from tagwright.serve.models import read_bundles
from tagwright.serve.protocol import protocol_for
from tagwright.serve.security import is_loopback
from tagwright.serve.service import Service
from tagwright.serve.settings import Settings

__all__ = ["Server", "listen_at", "serve"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    bundles: str | Path | Iterable[str | Path],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    runtime: str = "auto",
    precision: str = "auto",
    settings: Settings | None = None,
) -> None:
    """Serve bundles over HTTP until the process is told to stop.

    On SIGTERM or Ctrl-C it takes no new work, answers what it has taken within `settings.grace` seconds, and
    returns; a second signal ends the process at once. It is for the main thread of a process.

    Args:
        bundles: the folder of a bundle, or of several, each perhaps as `NAME=FOLDER`; the first is asked when a
            request names none.
        host: the address to listen at; another than a loopback's is reached from other machines.
        port: of TCP; 0 takes a free one, which the log names.
        runtime: see `Tagger.load`.
        precision: see `Tagger.load`.
        settings: the limits and the keys; the defaults when None.

    Raises:
        InputError: a bundle is none, or the address cannot be used; a setting is wrong.
        MissingExtraError: the runtime is not installed.
        RunError: a model cannot be loaded, or gives no answer.
    """
    settings = settings or Settings()
    specs = [bundles] if isinstance(bundles, str | Path) else list(bundles)
    read = read_bundles(specs, runtime, precision)
    with contextlib.closing(listen_at(host, port)) as listener, _logging() as log:
        app = create_app(read, settings, log=log)
        service: Service = app.state.service
        if not is_loopback(host) and not settings.api_keys:
            what = f"{host} is reached from other machines, and no key is set; everybody there is answered"
            log.write("warning", "open_to_all", message=what)
        server = Server(app)
        url = _url(host, listener)
        service.on_ready = lambda: log.write(
            "info", "ready", url=url, models=[served.name for served in service.models]
        )
        service.on_failure = server.give_up
        _allow_connections()
        log.write("info", "listening", url=url)
        server.run([listener])
        log.write("info", "stopped")
    if service.failure is not None:
        raise service.failure


class Server(uvicorn.Server):
    """uvicorn's server, whose signals stop it gracefully and leave the exit code alone."""

    def __init__(self, app: FastAPI) -> None:
        service: Service = app.state.service
        settings = service.settings
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol_for(settings, lambda status: service.metrics.request("other", status, 0.0)),
                ws="none",
                lifespan="on",
                loop="auto",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=settings.keep_alive,  # type: ignore[arg-type]  # seconds; parts of one will do
                timeout_graceful_shutdown=settings.grace,  # type: ignore[arg-type]
            )
        )
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on the first signal; the second one does what it does to any process."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(number: int, frame: FrameType | None) -> None:
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            self._service.stop()
            self._service.log.write("info", "stopping", signal=signal.Signals(number).name)
            self.should_exit = True

        before = {each: signal.signal(each, stop) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop gracefully; what holds out beyond the grace period is cut off."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # in which the connections end

    def give_up(self) -> None:
        """Stop because there is nothing to serve."""
        self._service.stop()
        self.should_exit = True


def listen_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: there is no such address, it is taken, or it is not ours to take.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"port {port} is none", mend="name one from 1 to 65535 with --port")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise InputError(f"{host!r} is no address of this machine", mend="name another with --host") from None
    found.sort(key=lambda each: each[0] != socket.AF_INET)  # localhost is 127.0.0.1 to most callers
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise InputError(
            f"{host}:{port} cannot be listened at: {error.strerror}",
            mend="name another port with --port, or another address with --host",
        ) from None
    listener.setblocking(False)
    return listener


def _allow_connections() -> None:
    """Let the process have as many connections as it may; the usual limit of 1,024 files is soon reached."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(65536, hard)
    if soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _stderr() -> int:
    """Return the descriptor of stderr; number 2 may be anything where stderr was closed from the start."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return 2


@contextlib.contextmanager
def _logging() -> Iterator[JsonLog]:
    """Send what every library logs through one log of JSON lines, for as long as the service runs."""
    log = JsonLog(_stderr())
    handler = JsonHandler(log)
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    chatty = logging.getLogger("uvicorn.error")
    chatty_level = chatty.level
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    chatty.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    try:
        yield log
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = kept
        root.setLevel(level)
        chatty.setLevel(chatty_level)
        log.close()
