"""The request metrics that every service of the application exports, and the two ways of exposing them.

The quirks are the application's: the service is part of the metric's name, `endpoint` is the raw URL path, 4xx count
as errors, and a labelled series is born at its first event with the value 1.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PYTHON_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
GO_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    """`<prefix>_requests_total`, `<prefix>_errors_total` and `<prefix>_request_latency_seconds`."""

    def __init__(self, prefix: str, registry: CollectorRegistry, buckets: Sequence[float]) -> None:
        by_status = ["status_code", "endpoint"]
        self.requests = Counter(f"{prefix}_requests_total", "Total requests.", by_status, registry=registry)
        self.errors = Counter(f"{prefix}_errors_total", "Total 4xx and 5xx.", by_status, registry=registry)
        self.latency = Histogram(
            f"{prefix}_request_latency_seconds",
            "Request latency in seconds.",
            ["endpoint"],
            buckets=buckets,
            registry=registry,
        )

    def record(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests.labels(str(status), endpoint).inc()
        if status >= 400:
            self.errors.labels(str(status), endpoint).inc()
        self.latency.labels(endpoint).observe(seconds)


class CountRequests:
    """ASGI middleware of the Python services: counts every request but those for metrics and health."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, metrics_path: str) -> None:
        self.app = app
        self.metrics = metrics
        self.metrics_path = metrics_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count how it ended."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path == self.metrics_path or path.startswith("/health"):
            await self.app(scope, receive, send)
            return
        status = 500  # what a request that ends in an exception is answered with

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        start = time.perf_counter()
        try:
            await self.app(scope, receive, send_and_note)
        finally:
            self.metrics.record(path, status, time.perf_counter() - start)


class GoStyle(Collector):
    """A registry as the Go client exposes it: no `_created` series, no empty families, bounds without `.0`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def collect(self) -> Iterable[Metric]:
        """Yield the registry's families, altered as said."""
        for family in self.registry.collect():
            samples = [_without_point_zero(s) for s in family.samples if not s.name.endswith("_created")]
            if samples:
                altered = Metric(family.name, family.documentation, family.type, family.unit)
                altered.samples = samples
                yield altered


def _without_point_zero(sample: Sample) -> Sample:
    if "le" not in sample.labels:
        return sample
    return sample._replace(labels={**sample.labels, "le": sample.labels["le"].removesuffix(".0")})


def python_registry() -> CollectorRegistry:
    """Return a registry with the runtime's own series: `process_*`, `python_gc_*`, `python_info`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def exposition(collector: Collector) -> Response:
    """Return the metrics in text format 0.0.4, the only one the application speaks."""
    return Response(generate_latest(collector), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})
