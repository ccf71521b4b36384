"""Stand-ins for what the monitoring stack's own programs tell of themselves where they do not run on this machine.

The operator, Grafana, kube-state-metrics' second page and the collector of Kubernetes events: names and labels as the
real ones have them; invented, healthy numbers. It proves that rules and panels find the series, not that any of the
four works. The parts of a histogram are families of their own here, as Prometheus stores them.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulation.exporters.exposition import Family, Sample, buckets, single
from simulation.exporters.inventory import MIB
from simulation.exporters.shapes import total, wave

# Objects that each of the operator's controllers watches, and how many it has taken in.
_MANAGED = {
    "prometheus": {"PrometheusRule": 45, "ServiceMonitor": 20, "PodMonitor": 0, "Probe": 6, "ScrapeConfig": 0},
    "alertmanager": {"AlertmanagerConfig": 0},
}

_DASHBOARDS = 30
"""The chart's and ours, roughly."""

_BUCKETS = {
    "0.005": 0.1,
    "0.01": 0.3,
    "0.025": 0.6,
    "0.05": 0.8,
    "0.1": 0.92,
    "0.25": 0.97,
    "0.5": 0.99,
    "1": 0.997,
    "2.5": 1,
    "5": 1,
    "+Inf": 1,
}
"""Upper bounds in seconds, and the share of Grafana's answers within each."""

# Grafana's requests: method, handler, requests a second.
_REQUESTS = (
    ("POST", "/api/ds/query", 0.9),
    ("GET", "/api/dashboards/uid/:uid", 0.02),
    ("GET", "/api/health", 0.1),
)
_QUERIES = {"prometheus": 0.8, "loki": 0.1}
"""Queries a second that Grafana sends, by the kind of data source."""

_WATCHED = ("*v1.Deployment", "*v1.Node", "*v1.Pod", "*v1.StatefulSet")


def operator_families(now: float) -> Iterator[Family]:
    """Return what a scrape of the Prometheus operator at Unix time `now` sees."""
    for name, text, rate in (
        ("operations", "Total number of reconcile operations", 0.02),
        ("errors", "Number of errors that occurred during reconcile operations", 0.0),
    ):
        counted = tuple(((controller,), total(now, rate, controller)) for controller in _MANAGED)
        yield Family(f"prometheus_operator_reconcile_{name}_total", "counter", text, ("controller",), counted)
    managed: list[Sample] = []
    for controller, objects in _MANAGED.items():
        for resource, count in objects.items():
            managed += [((controller, resource, "selected"), count), ((controller, resource, "rejected"), 0)]
    text = "Number of resources managed by the operator's controller per state (selected/rejected)"
    labels = ("controller", "resource", "state")
    yield Family("prometheus_operator_managed_resources", "gauge", text, labels, tuple(managed))


def grafana_families(now: float) -> Iterator[Family]:
    """Return what a scrape of Grafana at Unix time `now` sees."""
    yield single("grafana_stat_totals_dashboard", "gauge", "total amount of dashboards", _DASHBOARDS)
    yield from _grafana_requests(now)
    text = "The total amount of plugin requests"
    labels = ("plugin_id", "endpoint", "status", "target", "status_source")
    queries = tuple(
        ((plugin, "queryData", "ok", "in_memory", "plugin"), total(now, rate, plugin))
        for plugin, rate in _QUERIES.items()
    )
    yield Family("grafana_plugin_request_total", "counter", text, labels, queries)


def _grafana_requests(now: float) -> Iterator[Family]:
    labels = ("handler", "status_code", "method", "status_source", "slo_group")
    text = "Histogram of latencies for HTTP requests."
    counts = tuple(
        ((handler, "200", method, "server", "high-fast"), total(now, rate, handler))
        for method, handler, rate in _REQUESTS
    )
    name = "grafana_http_request_duration_seconds"
    yield buckets(name, text, labels, counts, _BUCKETS)
    yield Family(f"{name}_count", "histogram", text, labels, counts)


def kube_state_own_families(now: float) -> Iterator[Family]:
    """Return what a scrape of kube-state-metrics' own page at Unix time `now` sees; errors appear with the first."""
    for name, text, rate in (
        ("list", "Number of total resource list in kube-state-metrics", 0.0001),
        ("watch", "Number of total resource watches in kube-state-metrics", 0.002),  # the API server ends each in time
    ):
        counted = tuple((("success", kind), total(now, rate, kind)) for kind in _WATCHED)
        yield Family(f"kube_state_metrics_{name}_total", "counter", text, ("result", "resource"), counted)


def kubernetes_events_families(now: float) -> Iterator[Family]:
    """Return what a scrape of the collector of Kubernetes events at Unix time `now` sees; its queue is empty."""
    labels = ("data_type", "exporter")
    for name, text, value in (("size", "Current size", 0), ("capacity", "Fixed capacity", 10_000)):
        text = f"{text} of the retry queue (in batches)."
        yield Family(f"otelcol_exporter_queue_{name}", "gauge", text, labels, ((("logs", "otlp_http/loki"), value),))
    memory = wave(now, 45 * MIB, "kubernetes-events")
    yield single("otelcol_process_memory_rss", "gauge", "Total physical memory (resident set size)", memory)
    text = "Total CPU user and system time in seconds"
    yield single("otelcol_process_cpu_seconds", "counter", text, total(now, 0.002, "kubernetes-events"))
