"""`tagwright serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tagwright.cli.options import Precision, Runtime
from tagwright.errors import require
from tagwright.serve.settings import Settings

__all__ = ["serve_command"]

_DEFAULT = Settings()


def serve_command(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE",
            help="Folders that `tagwright train` or `export` wrote, each perhaps as NAME=FOLDER; the first is "
            "asked when a request names none.",
        ),
    ],
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; 0.0.0.0 is everywhere.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="PORT", help="Of TCP; 0 takes a free one.")] = 8000,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            "--api-key-file",
            metavar="FILE",
            help="Keys that callers have to name, one a line; TAGWRIGHT_API_KEY, where it is set, is one more.",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors", metavar="ORIGIN", help="Let pages of this origin call the service; may be repeated."
        ),
    ] = None,
    max_body: Annotated[
        int, typer.Option("--max-body", metavar="BYTES", help="Of a request, or of a line in a stream.")
    ] = _DEFAULT.max_body,
    max_held: Annotated[
        int,
        typer.Option(
            "--max-held",
            metavar="BYTES",
            help="Of all bodies that are not answered and answers not yet sent.",
        ),
    ] = _DEFAULT.max_held,
    max_texts: Annotated[
        int, typer.Option("--max-texts", metavar="N", help="Texts in a request.")
    ] = _DEFAULT.max_texts,
    max_words: Annotated[
        int, typer.Option("--max-words", metavar="N", help="Words of a text.")
    ] = _DEFAULT.max_words,
    max_queue: Annotated[
        int, typer.Option("--max-queue", metavar="N", help="Requests that wait, for each model.")
    ] = _DEFAULT.max_queue,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", help="From a request's last byte to its answer."),
    ] = _DEFAULT.timeout,
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="SECONDS", help="To answer what was taken, once it was told to stop."
        ),
    ] = _DEFAULT.grace,
    log_texts: Annotated[
        bool,
        typer.Option("--log-texts", help="Write the texts into the log, where they may be personal data."),
    ] = False,
) -> None:
    """Answer over HTTP, with a page to try it on: POST /v1/entities; /docs describes the rest."""
    for module in ("fastapi", "uvicorn", "httptools", "prometheus_client"):
        require(module, "serve")
    from tagwright.serve.security import read_keys
    from tagwright.serve.server import serve

    settings = Settings(
        max_body=max_body,
        max_held=max_held,
        max_texts=max_texts,
        max_words=max_words,
        max_queue=max_queue,
        timeout=timeout,
        grace=grace,
        api_keys=read_keys(api_key_file),
        origins=tuple(cors or ()),
        log_texts=log_texts,
    )
    serve(bundles, host=host, port=port, runtime=runtime, precision=precision, settings=settings)
