"""The most direct service of a token classifier: FastAPI around transformers' `pipeline`, as a user would write it.

    python benchmarks/serve_direct.py BUNDLE --port 8000 [--style def|lock|async] [--threads 1] [--dtype float32]

`def` is an endpoint that FastAPI runs in its thread pool; `lock` is an `async def` that hands the pipeline to a thread
under a lock, one at a time; `async` calls the pipeline in the event loop. serve.py tries them and measures the best.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

STYLES = ("def", "lock", "async")


class Request(BaseModel):
    text: str


def cleaned(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What JSON can hold: the scores are of numpy."""
    return [{**entity, "score": float(entity["score"])} for entity in found]


def create_app(pipe: Any, style: str) -> FastAPI:
    app = FastAPI()
    lock = asyncio.Lock()

    if style == "def":

        @app.post("/ner")
        def find(request: Request) -> list[dict[str, Any]]:
            return cleaned(pipe(request.text))

    elif style == "lock":

        @app.post("/ner")
        async def find_under_a_lock(request: Request) -> list[dict[str, Any]]:
            async with lock:
                return cleaned(await asyncio.to_thread(pipe, request.text))

    else:

        @app.post("/ner")
        async def find_in_the_loop(request: Request) -> list[dict[str, Any]]:
            return cleaned(pipe(request.text))

    return app


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--style", choices=STYLES, default="def")
    parser.add_argument("--threads", type=int, help="threads of PyTorch; default: its own")
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    import torch
    from transformers import pipeline

    if args.threads:
        torch.set_num_threads(args.threads)
    pipe = pipeline(
        "token-classification", model=args.bundle, aggregation_strategy="simple", dtype=args.dtype, device=-1
    )
    uvicorn.run(create_app(pipe, args.style), host="127.0.0.1", port=args.port, log_level="warning")


if __name__ == "__main__":
    main()
