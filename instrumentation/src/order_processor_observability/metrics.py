"""The request metrics of a service, and how they are exposed."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from math import inf
from pathlib import Path
from threading import Lock
from time import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from order_processor_observability.routes import UNMATCHED

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds in seconds; the gateway has the same. Python's own default lacks none of them, but has three more."""
REQUIRED_BUCKETS = frozenset({0.1, 0.25, 0.5, 1.0, 2.5, 5.0})
"""Bounds that an objective may name: `within` of the catalogue is one of these."""
FIRST_STATUSES = (200, 500)
"""Statuses whose series exist from the start."""
LABELS = ("status_code", "endpoint")


def request_metrics(
    prefix: str, version: str, buckets: Sequence[float], registry: CollectorRegistry
) -> InProcess | InFiles:
    """`<prefix>_requests_total` and what goes with it, with these buckets in seconds.

    Raises ValueError if a bucket is missing that objectives need.
    """
    missing = sorted(REQUIRED_BUCKETS - set(buckets))
    if missing:
        raise ValueError(f"buckets: objectives need the bounds {missing}; add them")
    build = Gauge(f"{prefix}_build_info", "1.", ["version"], registry=registry, multiprocess_mode="max")
    build.labels(version).set(1)
    kind = InFiles if os.environ.get("PROMETHEUS_MULTIPROC_DIR") else InProcess
    return kind(prefix, sorted({*map(float, buckets), inf}), registry)


class _RequestMetrics:
    """What is common to both: names, and which series there are from the start."""

    def __init__(self, prefix: str) -> None:
        self.requests = f"{prefix}_requests", "Requests."
        self.errors = f"{prefix}_errors", "Requests answered 4xx or 5xx."
        self.latency = f"{prefix}_request_latency_seconds", "Seconds from a request to the end of its answer."
        self.in_flight = f"{prefix}_requests_in_flight", "Requests that are being answered."

    def expect(self, endpoints: Iterable[str]) -> None:
        """Let the series of these endpoints begin at 0: of one that is born at 1, rate() never sees the first event."""
        for endpoint in endpoints:
            for status in FIRST_STATUSES:
                self.begin(endpoint, status)
        self.begin(UNMATCHED, 404)

    def begin(self, endpoint: str, status: int) -> object:
        """Let the series of an endpoint and a status exist."""
        raise NotImplementedError


class _Times:
    """The latencies of an endpoint."""

    __slots__ = ("counts", "exemplars", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        """By bucket, each without those below it."""
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        """The newest one of each bucket."""


class InProcess(_RequestMetrics, Collector):
    """Kept as plain numbers under one lock: the client's own take one for each of them, and five times as long."""

    def __init__(self, prefix: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        super().__init__(prefix)
        self._lock = Lock()
        self._flying = 0
        self._counts: dict[tuple[int, str], int] = {}
        self._times: dict[str, _Times] = {}
        self._bounds = tuple(buckets)
        self._names = [floatToGoString(bound) for bound in buckets]  # type: ignore[no-untyped-call]
        registry.register(self)

    def started(self) -> None:
        """A request has come."""
        with self._lock:
            self._flying += 1

    def record(self, endpoint: str, status: int, seconds: float, trace_id: str | None = None) -> None:
        """Count a request that was answered; with a trace id its latency gets an exemplar."""
        key = status, endpoint
        with self._lock:
            self._flying -= 1
            if key not in self._counts:
                self._add(key)
            self._counts[key] += 1
            times = self._times[endpoint]
            bucket = bisect_left(self._bounds, seconds)
            times.counts[bucket] += 1
            times.total += seconds
            if trace_id:
                times.exemplars[bucket] = Exemplar({"trace_id": trace_id}, seconds, time())

    def begin(self, endpoint: str, status: int) -> None:
        """Let the series of an endpoint and a status exist."""
        with self._lock:
            self._add((status, endpoint))

    def _add(self, key: tuple[int, str]) -> None:
        self._counts.setdefault(key, 0)
        if key[1] not in self._times:
            self._times[key[1]] = _Times(len(self._bounds))

    def collect(self) -> Iterable[Metric]:
        """The families, as they are now."""
        requests = CounterMetricFamily(*self.requests, labels=LABELS)
        errors = CounterMetricFamily(*self.errors, labels=LABELS)
        latency = HistogramMetricFamily(*self.latency, labels=["endpoint"])
        with self._lock:
            for (status, endpoint), count in self._counts.items():
                for family in (requests, errors) if status >= 400 else (requests,):
                    family.add_metric([str(status), endpoint], count)
            for endpoint, times in self._times.items():
                numbers = enumerate(zip(self._names, accumulate(times.counts), strict=True))
                buckets = [(name, count, times.exemplars.get(place)) for place, (name, count) in numbers]
                latency.add_metric([endpoint], buckets, times.total)  # type: ignore[arg-type]  # it takes None
            in_flight = GaugeMetricFamily(*self.in_flight, value=self._flying)
        return requests, errors, latency, in_flight


class InFiles(_RequestMetrics):
    """Kept by the client in files that all worker processes of a service share.

    Children are kept in a dictionary of our own: `labels()` takes a lock and makes text of every value.
    """

    def __init__(self, prefix: str, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        super().__init__(prefix)
        self._requests = Counter(*self.requests, LABELS, registry=registry)
        self._errors = Counter(*self.errors, LABELS, registry=registry)
        self._latency = Histogram(*self.latency, ["endpoint"], buckets=buckets, registry=registry)
        self._flying = Gauge(*self.in_flight, registry=registry, multiprocess_mode="livesum")
        self._series: dict[tuple[int, str], tuple[Histogram, tuple[Counter, ...]]] = {}

    def started(self) -> None:
        """A request has come."""
        self._flying.inc()

    def record(self, endpoint: str, status: int, seconds: float, trace_id: str | None = None) -> None:
        """Count a request that was answered; with a trace id its latency gets an exemplar."""
        self._flying.dec()
        timed, counted = self._series.get((status, endpoint)) or self.begin(endpoint, status)
        for counter in counted:
            counter.inc()
        timed.observe(seconds, {"trace_id": trace_id} if trace_id else None)

    def begin(self, endpoint: str, status: int) -> tuple[Histogram, tuple[Counter, ...]]:
        """Let the series of an endpoint and a status exist, and return them."""
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
