"""A stand-in for the Go runtime's series: plausible numbers around this process's real memory, no Go behind them."""

from __future__ import annotations

import gc
import resource
import sys
import threading
import time
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

BASE_GOROUTINES = 9  # an idle Go web server with a Redis client
PAUSE_SECONDS = {"0": 3.1e-05, "0.25": 5.2e-05, "0.5": 8.4e-05, "0.75": 1.4e-04, "1": 9.6e-04}


class GoRuntime(Collector):
    """The `go_*` families that dashboards and alerts usually ask for."""

    def collect(self) -> Iterable[Metric]:
        """Yield them anew at each scrape."""
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        heap = resident * (0.3 + 0.15 * (time.time() % 60) / 60)  # the saw-tooth of a collected heap
        yield _gauge("go_goroutines", "Number of goroutines that currently exist.", BASE_GOROUTINES)
        yield _gauge("go_threads", "Number of OS threads created.", 7 + threading.active_count())
        yield _gauge("go_memstats_alloc_bytes", "Number of bytes allocated in heap and in use.", heap)
        yield _gauge("go_memstats_heap_inuse_bytes", "Number of heap bytes that are in use.", heap * 1.1)
        yield _gauge("go_memstats_next_gc_bytes", "Number of heap bytes when next collection runs.", resident * 0.5)
        yield _gauge("go_memstats_sys_bytes", "Number of bytes obtained from system.", resident)
        info = GaugeMetricFamily("go_info", "Information about the Go environment.", labels=["version"])
        info.add_metric(["go1.24"], 1)
        yield info
        yield _pauses()


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _pauses() -> Metric:
    collections = sum(generation["collections"] for generation in gc.get_stats())
    name = "go_gc_duration_seconds"
    family = SummaryMetricFamily(
        name,
        "A summary of the pause duration of garbage collection cycles.",
        count_value=collections,
        sum_value=collections * PAUSE_SECONDS["0.5"],
    )
    quantiles = [Sample(name, {"quantile": q}, seconds) for q, seconds in PAUSE_SECONDS.items()]
    family.samples = [*quantiles, *family.samples]
    return family
