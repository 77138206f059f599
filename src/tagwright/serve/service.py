"""What the parts of one service share: its models as they load, and whether it answers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tagwright.errors import RunError, TagwrightError
from tagwright.predict.tagger import Tagger
from tagwright.serve.ask import Ask
from tagwright.serve.budget import Budget
from tagwright.serve.engine import Engine
from tagwright.serve.logs import JsonLog, describe
from tagwright.serve.metrics import Metrics
from tagwright.serve.models import Bundle
from tagwright.serve.refusal import RefusalError
from tagwright.serve.settings import Settings

__all__ = ["Served", "Service", "failed"]

_WARM_UP = "Ada Lovelace met Charles Babbage in London, and wrote the first program for his engine."
_T = TypeVar("_T")


class Served:
    """One model: its bundle, and its engine once that is there.

    Attributes:
        bundle: what is served.
        tagger: what answers; None until it has given its warm-up answer.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.tagger: Tagger | None = None
        self._engine: Engine | None = None

    @property
    def name(self) -> str:
        """What callers call it."""
        return self.bundle.name

    @property
    def engine(self) -> Engine:
        """What answers.

        Raises:
            RefusalError: 503, it is not loaded yet.
        """
        if self.tagger is None or self._engine is None:
            raise RefusalError(
                503, "not_ready", f"The model {self.name} is being loaded; try again soon.", retry_after=2
            )
        return self._engine

    async def begin(self, settings: Settings, metrics: Metrics) -> None:
        """Load the weights in a thread, start the engine, and have it answer once."""
        tagger = await in_thread(self.bundle.load)
        self._engine = Engine(self.name, tagger, settings, metrics)
        self._engine.start()
        await self._engine.answer(Ask(texts=(_WARM_UP,)))
        await self._engine.answer(Ask(texts=(_WARM_UP,) * 8))  # memory for a batch is taken here, too
        self.tagger = tagger

    async def end(self, grace: float) -> None:
        """Finish what was taken within `grace` seconds, and end the threads."""
        if self._engine is not None:
            await self._engine.close(grace)


class Service:
    """The state of one app.

    Attributes:
        settings: its limits.
        log: where it says what it does.
        metrics: its counters.
        budget: what it holds for its callers.
        models: what it serves; the first is asked when none is named.
        types: those that any of them knows.
        stopping: it was told to stop, and takes nothing any more.
        failure: why a model could not be loaded.
        on_ready: called once every model has given its warm-up answer.
        on_failure: called when a model cannot be loaded.
    """

    def __init__(self, bundles: Sequence[Bundle], settings: Settings, log: JsonLog | None = None) -> None:
        self.settings = settings
        self.log = log or JsonLog()
        self._owns_log = log is None
        self.metrics = Metrics()
        self.budget = Budget(settings.max_held, settings.max_body, settings.max_queue)
        self.metrics.watch_held(lambda: self.budget.held)
        self.models = [Served(bundle) for bundle in bundles]
        self.stopping = False
        self.failure: Exception | None = None
        self.on_ready: Callable[[], None] | None = None
        self.on_failure: Callable[[], None] | None = None
        self.types: frozenset[str] = frozenset().union(*(bundle.types for bundle in bundles))
        self._by_name = {served.name: served for served in self.models}
        self._loading: asyncio.Task[None] | None = None
        self._stop_at: float | None = None

    def find(self, name: object = None) -> Served:
        """Return a model by its name, or the first.

        Raises:
            RefusalError: 422, there is none of that name.
        """
        if name is None:
            return self.models[0]
        served = self._by_name.get(name) if isinstance(name, str) else None
        if served is None:
            raise RefusalError(
                422,
                "unknown_model",
                f"There is no such model; there are {', '.join(self._by_name)}.",
                place="model",
            )
        return served

    def check_ready(self) -> None:
        """Refuse while requests are not answered."""
        self.check_open()
        self.check_alive()
        for served in self.models:
            served.engine  # noqa: B018 - refuses while it is not there

    def check_alive(self) -> None:
        """Refuse once a model's engine has ended, which only a new start mends."""
        for served in self.models:
            if served.tagger is not None and served.engine.failed:
                raise RefusalError(
                    503, "failed", f"The model {served.name} has failed; start the service anew."
                )

    def tell_failure(self, error: Exception, request_id: str) -> None:
        """Log what must not happen, without its message, which may hold a piece of somebody's text."""
        name, place = describe(error)
        self.log.write("error", "failed", request_id=request_id, error=name, place=place)

    def check_open(self) -> None:
        """Refuse new work once the service was told to stop."""
        if self.stopping:
            raise RefusalError(503, "stopping", "The service is stopping; try again later.", retry_after=5)

    def start(self) -> None:
        """Begin to load the models, in the background."""
        for served in self.models:
            self.metrics.ready(served.name, False)
        self._loading = asyncio.get_running_loop().create_task(self._load())

    async def wait_ready(self) -> None:
        """Wait until every model has given its warm-up answer.

        Raises:
            TagwrightError: one cannot be loaded.
        """
        if self._loading is not None:
            await asyncio.shield(self._loading)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Take nothing any more; the grace period begins."""
        if not self.stopping:
            self.stopping = True
            self._stop_at = time.monotonic()

    async def close(self) -> None:
        """Finish what was taken, within what is left of the grace period, and end every thread."""
        self.stop()
        assert self._stop_at is not None
        left = max(0.0, self._stop_at + self.settings.grace - time.monotonic())
        if self._loading is not None and not self._loading.done():
            await asyncio.wait([self._loading], timeout=left)  # loading cannot be cut short
            self._loading.cancel()
        await asyncio.gather(*(served.end(left) for served in self.models))
        if self._owns_log:
            self.log.close()

    async def _load(self) -> None:
        try:
            for served in self.models:
                if self.stopping:
                    return
                begin = time.perf_counter()
                await served.begin(self.settings, self.metrics)
                assert served.tagger is not None
                runtime = served.tagger.runtime
                self.metrics.ready(served.name, True)
                self.log.write(
                    "info",
                    "model_ready",
                    model=served.name,
                    runtime=runtime.name,
                    precision=runtime.precision,
                    device=runtime.device,
                    seconds=round(time.perf_counter() - begin, 3),
                )
        except RefusalError as error:
            if not self.stopping:
                what = f"the model {served.name} gives no answer: {error.message}"
                self._fail(RunError(what, where=str(served.bundle.folder)))
            return
        except Exception as error:
            self._fail(error)
            return
        if self.on_ready is not None and not self.stopping:
            self.on_ready()

    def _fail(self, error: Exception) -> None:
        self.failure = error
        name, place = describe(error)
        known = isinstance(error, TagwrightError)
        self.log.write("error", "load_failed", message=str(error), error=name, place=None if known else place)
        if self.on_failure is not None:
            self.on_failure()


def failed() -> RefusalError:
    """Return the refusal of what must not happen."""
    return RefusalError(500, "failed", "The service failed; tell those who run it, with the request's id.")


async def in_thread(function: Callable[[], _T]) -> _T:
    """Call a function in a thread of its own, which does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # there is one where there is no error

    def work() -> None:
        result, caught = None, None
        try:
            result = function()
        except Exception as error:
            caught = error
        try:
            loop.call_soon_threadsafe(settle, result, caught)
        except RuntimeError:  # the loop is closed, and nobody waits
            return

    threading.Thread(target=work, name="tagwright-load", daemon=True).start()
    return await future
