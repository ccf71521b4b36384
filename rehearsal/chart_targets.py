"""Stand-in for the monitors that the charts create: what they make Prometheus scrape, with the operator's labels.

These monitors are in no object of ours, so that nothing here is derived: the table repeats what the pinned charts
create with our values. It does not prove that they do. Left out, because nothing plays them on this machine: the API
server, the kubelet's probes and the configuration reloaders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import parts
from facts import NAMESPACE
from simulation.exporters.inventory import NODE, pod_of

Process = Literal[
    "prometheus", "alertmanager", "loki", "log_agent", "blackbox", "route_sums", "node_exporter", "exporters"
]
"""The processes that are scraped, or scraped through: `log_agent` serves its own metrics, `exporters` plays what does
not run here."""


@dataclass(frozen=True, kw_only=True)
class ChartTarget:
    """What one monitor of a chart makes Prometheus scrape."""

    job: str
    part: Process
    path: str = "/metrics"
    labels: Mapping[str, str]
    honor_labels: bool = False
    """Whether the exporter's labels win over the target's, as where it speaks of other pods than its own."""
    drops: Sequence[tuple[Sequence[str], str]] = ()
    """Series that are not kept: label names and the expression that their joined values match."""

    def scrape_config(self, number: int, addresses: Mapping[Process, str]) -> dict[str, Any]:
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


def _labels(part: parts.Part, endpoint: str | None = None) -> dict[str, str]:
    labels = {"namespace": NAMESPACE, "service": part.service, "pod": pod_of(part), "container": part.container}
    return labels | ({"endpoint": endpoint} if endpoint else {})


def _kubelet(path: str) -> dict[str, str]:
    labels = {"namespace": "kube-system", "service": f"{parts.STACK}-kubelet", "endpoint": "https-metrics"}
    return labels | {"node": NODE, "metrics_path": path}


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
        job=parts.PROMETHEUS.job,
        part="prometheus",
        labels=_labels(parts.PROMETHEUS, "http-web"),
    ),
    ChartTarget(
        job=parts.ALERTMANAGER.job,
        part="alertmanager",
        labels=_labels(parts.ALERTMANAGER, "http-web"),
    ),
    ChartTarget(
        job=parts.OPERATOR.job,
        part="exporters",
        path="/operator/metrics",
        labels=_labels(parts.OPERATOR, "https"),
    ),
    ChartTarget(
        job=parts.GRAFANA.job,
        part="exporters",
        path="/grafana/metrics",
        labels=_labels(parts.GRAFANA, "http-web"),
    ),
    ChartTarget(
        job=parts.LOKI.job,
        part="loki",
        labels=_labels(parts.LOKI, "http-metrics") | {"app_instance": parts.LOKI.release},
    ),
    ChartTarget(
        job=parts.LOG_AGENT.job,
        part="log_agent",
        labels=_labels(parts.LOG_AGENT, "metrics"),
    ),
    ChartTarget(
        job=parts.KUBERNETES_EVENTS.job,
        part="exporters",
        path="/kubernetes-events/metrics",
        labels=_labels(parts.KUBERNETES_EVENTS, "metrics"),
    ),
    ChartTarget(  # its monitor names no port, so it has no label `endpoint`
        job=parts.BLACKBOX_EXPORTER.job,
        part="blackbox",
        labels=_labels(parts.BLACKBOX_EXPORTER),
    ),
    ChartTarget(
        job=parts.CLOUDWATCH_EXPORTER.job,
        part="exporters",
        path="/cloudwatch/metrics",
        labels=_labels(parts.CLOUDWATCH_EXPORTER, "http"),
    ),
    ChartTarget(
        job=parts.NODE_EXPORTER.job,
        part="node_exporter",
        labels=_labels(parts.NODE_EXPORTER, "http-metrics"),
    ),
    ChartTarget(
        job=parts.KUBE_STATE_METRICS.job,
        part="exporters",
        path="/kube-state-metrics/metrics",
        labels=_labels(parts.KUBE_STATE_METRICS, "http"),
        honor_labels=True,
    ),
    ChartTarget(  # its own series, on a second port
        job=parts.KUBE_STATE_METRICS.job,
        part="exporters",
        path="/kube-state-metrics-own/metrics",
        labels=_labels(parts.KUBE_STATE_METRICS, "metrics"),
        honor_labels=True,
    ),
    ChartTarget(  # the chart's own Service of the pods that the cluster calls kube-dns
        job="coredns",
        part="exporters",
        path="/coredns/metrics",
        labels={
            "namespace": "kube-system",
            "service": f"{parts.STACK}-coredns",
            "pod": "coredns-rehearsal",
            "container": "coredns",
            "endpoint": "http-metrics",
        },
    ),
    ChartTarget(
        job=parts.KUBELET_JOB,
        part="exporters",
        path="/kubelet/metrics",
        labels=_kubelet("/metrics"),
        honor_labels=True,
    ),
    ChartTarget(
        job=parts.KUBELET_JOB,
        part="exporters",
        path="/cadvisor/metrics",
        labels=_kubelet("/metrics/cadvisor"),
        honor_labels=True,
        drops=CADVISOR_DROPS,
    ),
)
"""One entry per monitor, and per endpoint of a monitor."""


def scrape_configs(addresses: Mapping[Process, str]) -> list[dict[str, Any]]:
    """The entries of Prometheus' `scrape_configs` for the charts' monitors; addresses are `host:port`."""
    return [target.scrape_config(number, addresses) for number, target in enumerate(CHART_TARGETS)]
