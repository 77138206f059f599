"""What a service counts, in Prometheus' format."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

import tagwright
from tagwright.serve.hooks import Hooks

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # what every Prometheus reads

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PIECES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
_WINDOWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics(Hooks):
    """The counters of one app, in a registry of its own; every method may be called from any thread.

    Labels come from closed sets (routes, statuses, models, types, stages), so that no caller can add any. What a
    model does before it is ready, such as its warm-up, is not counted.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._answered: dict[tuple[str, int], Any] = {}
        self._timed: dict[str, Any] = {}
        self._heard: set[str] = set()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"tagwright_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"tagwright_{name}", text, labels, registry=registry, buckets=buckets)

        self._requests = counter("http_requests_total", "Requests by route and status.", "route", "status")
        self._seconds = histogram(
            "http_request_seconds", "From a request's head to its last byte.", _SECONDS, "route"
        )
        self._in_progress = Gauge(
            "tagwright_http_requests_in_progress", "Requests being answered.", registry=registry
        )
        self._held = Gauge(
            "tagwright_held_bytes",
            "Bodies that are not answered yet, and long answers that are not sent yet.",
            registry=registry,
        )
        self._queue = Gauge(
            "tagwright_queue_requests",
            "Requests that are taken and not answered.",
            ["model"],
            registry=registry,
        )
        self._batch_windows = histogram("batch_windows", "Windows in a batch.", _WINDOWS, "model")
        self._batch_pieces = histogram(
            "batch_pieces", "Pieces in a batch, padding included.", _PIECES, "model"
        )
        self._stage = histogram("stage_seconds", "Time of each stage.", _SECONDS, "model", "stage")
        self._words = counter("words_total", "Words tagged.", "model")
        self._windows = counter("windows_total", "Windows computed.", "model")
        self._overflows = counter("overflows_total", "Texts longer than a window.", "model")
        self._entities = counter("entities_total", "Entities given, by type.", "model", "type")
        self._ready = Gauge("tagwright_model_ready", "Whether a model answers.", ["model"], registry=registry)
        info = Gauge(
            "tagwright_build_info",
            "Always 1; its labels say what runs.",
            ["version", "python"],
            registry=registry,
        )
        info.labels(tagwright.__version__, platform.python_version()).set(1)

    def watch_requests(self, count: Callable[[], int]) -> None:
        """Read the number of requests being answered from `count`."""
        self._in_progress.set_function(count)

    def watch_held(self, count: Callable[[], int]) -> None:
        """Read the number of bytes that are held from `count`."""
        self._held.set_function(count)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        key = route, status
        counter = self._answered.get(key)
        if counter is None:
            counter = self._answered[key] = self._requests.labels(route, str(status))
        counter.inc()
        timer = self._timed.get(route)
        if timer is None:
            timer = self._timed[route] = self._seconds.labels(route)
        timer.observe(seconds)

    def ready(self, model: str, yes: bool) -> None:
        """Say whether a model answers."""
        self._ready.labels(model).set(yes)
        if yes:
            self._heard.add(model)

    def queue(self, model: str, asks: int) -> None:
        """Say how many requests a model has taken and not answered."""
        self._queue.labels(model).set(asks)

    def batch(self, model: str, windows: int, pieces: int) -> None:
        """Count a batch; `pieces` with padding."""
        if model in self._heard:
            self._batch_windows.labels(model).observe(windows)
            self._batch_pieces.labels(model).observe(pieces)

    def stage(self, model: str, name: str, seconds: float) -> None:
        """Count the time of a stage: `queue`, `encode`, `compute` or `decode`."""
        if model in self._heard:
            self._stage.labels(model, name).observe(seconds)

    def words(self, model: str, n: int) -> None:
        """Count tagged words."""
        if model in self._heard:
            self._words.labels(model).inc(n)

    def windows(self, model: str, n: int) -> None:
        """Count computed windows."""
        if model in self._heard:
            self._windows.labels(model).inc(n)

    def overflows(self, model: str, n: int) -> None:
        """Count texts that took more than one window, or were cut."""
        if model in self._heard:
            self._overflows.labels(model).inc(n)

    def entities(self, model: str, counts: Mapping[str, int]) -> None:
        """Count entities by type."""
        if model in self._heard:
            for name, n in counts.items():
                self._entities.labels(model, name).inc(n)

    def collect(self) -> Iterator[Metric]:
        """Give the counters, without the times at which each was made, which nobody reads."""
        for metric in self.registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def text(self) -> bytes:
        """Return everything in Prometheus' text format; its content type is `CONTENT_TYPE`."""
        return generate_latest(self)
