"""Stand-in for the monitors that the charts create: what they make Prometheus scrape, with the operator's labels.

These monitors are in no object of ours, so that nothing here is derived: the table repeats what the pinned charts
create with our values. It does not prove that they do. Left out, because nothing plays them on this machine: the API
server, CoreDNS, the kubelet's probes and the configuration reloaders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.metrics.component import RELEASE
from facts import NAMESPACE
from simulation.exporters.inventory import NODE

PROMETHEUS = f"{RELEASE}-prometheus"
"""Name of the Prometheus object and of its Service."""
ALERTMANAGER = f"{RELEASE}-alertmanager"
"""Name of the Alertmanager object and of its Service."""

Part = Literal[
    "prometheus", "alertmanager", "loki", "log_agent", "blackbox", "route_sums", "node_exporter", "exporters"
]
"""The processes that are scraped, or scraped through: `log_agent` serves its own metrics, `exporters` plays what does
not run here."""


@dataclass(frozen=True, kw_only=True)
class ChartTarget:
    """What one monitor of a chart makes Prometheus scrape."""

    job: str
    part: Part
    path: str = "/metrics"
    labels: Mapping[str, str]
    honor_labels: bool = False
    """Whether the exporter's labels win over the target's, as where it speaks of other pods than its own."""
    drops: Sequence[tuple[Sequence[str], str]] = ()
    """Series that are not kept: label names and the expression that their joined values match."""

    def scrape_config(self, number: int, addresses: Mapping[Part, str]) -> dict[str, Any]:
        """The entry of Prometheus' `scrape_configs`, at Prometheus' own interval."""
        labels = {"job": self.job, **self.labels}
        config: dict[str, Any] = {
            "job_name": f"chart/{self.job}/{number}",
            "honor_labels": self.honor_labels,
            "metrics_path": self.path,
            "static_configs": [{"targets": [addresses[self.part]], "labels": labels}],
        }
        if self.drops:
            config["metric_relabel_configs"] = [
                {"action": "drop", "source_labels": list(names), "regex": regex} for names, regex in self.drops
            ]
        return config


def _labels(service: str, pod: str, container: str, endpoint: str | None = None) -> dict[str, str]:
    labels = {"namespace": NAMESPACE, "service": service, "pod": pod, "container": container}
    return labels | ({"endpoint": endpoint} if endpoint else {})


def _kubelet(path: str) -> dict[str, str]:
    labels = {"namespace": "kube-system", "service": f"{RELEASE}-kubelet", "endpoint": "https-metrics"}
    return labels | {"node": NODE, "metrics_path": path}


_OPERATOR = f"{RELEASE}-operator"
_GRAFANA = f"{RELEASE}-grafana"
_KUBE_STATE = f"{RELEASE}-kube-state-metrics"
_NODE_EXPORTER = f"{RELEASE}-prometheus-node-exporter"

CADVISOR_DROPS = (
    (("__name__",), "container_cpu_(cfs_throttled_seconds|system_seconds|user_seconds)_total"),
    (("__name__",), "container_cpu_load_average_10s"),
    (("__name__",), "container_fs_(io_current|io_time_(weighted_)?seconds_total|(reads|writes)_merged_total)"),
    (("__name__",), "container_fs_sector_(reads|writes)_total"),
    (("__name__",), "container_memory_(mapped_file|swap)"),
    (("__name__",), "container_(file_descriptors|tasks_state|threads_max)"),
    (("__name__", "scope"), "container_memory_failures_total;hierarchy"),
    (("__name__",), "container_spec.*"),
    (("id", "pod"), ".+;"),
)
"""Series of cAdvisor that kube-prometheus-stack drops: a rule or panel on one of them finds nothing in a cluster."""

CHART_TARGETS = (
    ChartTarget(
        job=PROMETHEUS,
        part="prometheus",
        labels=_labels(PROMETHEUS, f"prometheus-{PROMETHEUS}-0", "prometheus", "http-web"),
    ),
    ChartTarget(
        job=ALERTMANAGER,
        part="alertmanager",
        labels=_labels(ALERTMANAGER, f"alertmanager-{ALERTMANAGER}-0", "alertmanager", "http-web"),
    ),
    ChartTarget(
        job=_OPERATOR,
        part="exporters",
        path="/operator/metrics",
        labels=_labels(_OPERATOR, f"{_OPERATOR}-rehearsal", RELEASE, "https"),
    ),
    ChartTarget(
        job=_GRAFANA,
        part="exporters",
        path="/grafana/metrics",
        labels=_labels(_GRAFANA, f"{_GRAFANA}-rehearsal", "grafana", "http-web"),
    ),
    ChartTarget(
        job=f"{NAMESPACE}/loki",
        part="loki",
        labels=_labels("loki", "loki-0", "loki", "http-metrics") | {"app_instance": "loki"},
    ),
    ChartTarget(
        job="log-agent",
        part="log_agent",
        labels=_labels("log-agent", "log-agent-rehearsal", "opentelemetry-collector", "metrics"),
    ),
    ChartTarget(
        job="kubernetes-events",
        part="exporters",
        path="/kubernetes-events/metrics",
        labels=_labels("kubernetes-events", "kubernetes-events-rehearsal", "opentelemetry-collector", "metrics"),
    ),
    ChartTarget(  # its monitor names no port, so it has no label `endpoint`
        job="blackbox-exporter",
        part="blackbox",
        labels=_labels("blackbox-exporter", "blackbox-exporter-rehearsal", "blackbox-exporter"),
    ),
    ChartTarget(
        job="cloudwatch-exporter",
        part="exporters",
        path="/cloudwatch/metrics",
        labels=_labels(
            "cloudwatch-exporter",
            "cloudwatch-exporter-rehearsal",
            "prometheus-yet-another-cloudwatch-exporter",
            "http",
        ),
    ),
    ChartTarget(
        job="node-exporter",
        part="node_exporter",
        labels=_labels(_NODE_EXPORTER, f"{_NODE_EXPORTER}-rehearsal", "node-exporter", "http-metrics"),
    ),
    ChartTarget(
        job="kube-state-metrics",
        part="exporters",
        path="/kube-state-metrics/metrics",
        labels=_labels(_KUBE_STATE, f"{_KUBE_STATE}-rehearsal", "kube-state-metrics", "http"),
        honor_labels=True,
    ),
    ChartTarget(  # what it tells of itself, on a second port
        job="kube-state-metrics",
        part="exporters",
        path="/kube-state-metrics-own/metrics",
        labels=_labels(_KUBE_STATE, f"{_KUBE_STATE}-rehearsal", "kube-state-metrics", "metrics"),
        honor_labels=True,
    ),
    ChartTarget(
        job="kubelet",
        part="exporters",
        path="/kubelet/metrics",
        labels=_kubelet("/metrics"),
        honor_labels=True,
    ),
    ChartTarget(
        job="kubelet",
        part="exporters",
        path="/cadvisor/metrics",
        labels=_kubelet("/metrics/cadvisor"),
        honor_labels=True,
        drops=CADVISOR_DROPS,
    ),
)
"""One entry per monitor, and per endpoint of a monitor."""


def scrape_configs(addresses: Mapping[Part, str]) -> list[dict[str, Any]]:
    """The entries of Prometheus' `scrape_configs` for the charts' monitors; addresses are `host:port`."""
    return [target.scrape_config(number, addresses) for number, target in enumerate(CHART_TARGETS)]
