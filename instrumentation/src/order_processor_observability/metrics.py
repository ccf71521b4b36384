"""The request metrics of a service, and how they are exposed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from order_processor_observability.routes import UNMATCHED

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds; the gateway has the same. Python's own default lacks none of them, but has three more."""
REQUIRED_BUCKETS = frozenset({0.1, 0.25, 0.5, 1.0, 2.5, 5.0})
"""Bounds that an objective may name: `within` of the catalogue is one of these."""
FIRST_STATUSES = (200, 500)
"""Statuses whose series exist from the start."""


class RequestMetrics:
    """`<prefix>_requests_total` and what goes with it.

    Children are kept in dictionaries of our own: `labels()` of the client takes a lock and makes text of every value,
    which is most of what counting costs.
    """

    def __init__(self, prefix: str, version: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        missing = sorted(REQUIRED_BUCKETS - set(buckets))
        if missing:
            raise ValueError(f"buckets: objectives need the bounds {missing}; add them")
        labels = ["status_code", "endpoint"]
        self._requests = Counter(f"{prefix}_requests_total", "Requests.", labels, registry=registry)
        self._errors = Counter(f"{prefix}_errors_total", "Requests answered 4xx or 5xx.", labels, registry=registry)
        self._latency = Histogram(
            f"{prefix}_request_latency_seconds",
            "Seconds from a request to the end of its answer.",
            ["endpoint"],
            buckets=buckets,
            registry=registry,
        )
        self.in_flight = Gauge(
            f"{prefix}_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        build = Gauge(f"{prefix}_build_info", "1.", ["version"], registry=registry, multiprocess_mode="max")
        build.labels(version).set(1)
        self._series: dict[tuple[int, str], tuple[Histogram, tuple[Counter, ...]]] = {}

    def expect(self, endpoints: Iterable[str]) -> None:
        """Let the series of these endpoints begin at 0: of one that is born at 1, rate() never sees the first event."""
        for endpoint in endpoints:
            for status in FIRST_STATUSES:
                self._begin(endpoint, status)
        self._begin(UNMATCHED, 404)

    def record(self, endpoint: str, status: int, seconds: float, trace_id: str | None = None) -> None:
        """Count one request that was answered; with a trace id its latency gets an exemplar."""
        timed, counted = self._series.get((status, endpoint)) or self._begin(endpoint, status)
        for counter in counted:
            counter.inc()
        timed.observe(seconds, {"trace_id": trace_id} if trace_id else None)

    def _begin(self, endpoint: str, status: int) -> tuple[Histogram, tuple[Counter, ...]]:
        families = (self._requests, self._errors) if status >= 400 else (self._requests,)
        counted = tuple(family.labels(str(status), endpoint) for family in families)
        return self._series.setdefault((status, endpoint), (self._latency.labels(endpoint), counted))


class Exposition:
    """What a scrape gets: the registry's families, in the format that the scraper asks for.

    With PROMETHEUS_MULTIPROC_DIR they are those of all worker processes together, also of those that have ended, but
    without the series about the process itself, of which each worker has its own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        self._shared = Path(shared) if shared else None
        self._registry = registry
        self._before: list[Callable[[], object]] = []
        if self._shared is None:
            ProcessCollector(registry=registry)
            GCCollector(registry=registry)
            PlatformCollector(registry=registry)

    def before_scrape(self, update: Callable[[], object]) -> None:
        """Call `update` at each scrape, to set gauges that are read rather than told. It must be quick."""
        self._before.append(update)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type, by the scraper's Accept header."""
        for update in self._before:
            try:
                update()
            except Exception:
                structlog.get_logger("metrics").exception("A metric could not be brought up to date.")
        encode, content_type = choose_encoder(accept)
        if self._shared is None:
            return encode(_WithoutCreated(self._registry)), content_type
        from order_processor_observability.workers import held_still

        with held_still(self._shared):
            return encode(_WithoutCreated(MultiProcessCollector(None, self._shared))), content_type  # type: ignore[no-untyped-call]


class _WithoutCreated(Collector):
    """A registry without `_created`, which the client adds to each series and nothing reads."""

    def __init__(self, registry: Collector) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for family in self._registry.collect():
            if family.type in ("counter", "histogram", "summary"):
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
