"""The parts of the monitoring in the cluster: what each is called by its release, workload, Service and scrape job.

The names follow from the fixed names of the releases and from the values that the program gives the pinned charts.
`tests/cluster` compares them with what is deployed: by default by skeleton charts of our own, so that only a run with
`CHARTS` puts them before the real ones. Whoever needs a name reads it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from facts import NAMESPACE

if TYPE_CHECKING:
    from settings import Settings

STACK = "kube-prometheus-stack"
"""The release of Prometheus, Alertmanager, Grafana, the operator and the cluster's exporters."""
CRDS = "prometheus-operator-crds"
"""The release of the operator's resource definitions."""
PROBES_JOB = "service-probes"
"""The job of the services' health probes."""
KUBELET_JOB = "kubelet"

Kind = Literal["Deployment", "StatefulSet", "DaemonSet"]


def _labels(name: str, instance: str) -> dict[str, str]:
    """The labels by which charts and the operator select the pods that they make."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": instance}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One program of the monitoring."""

    release: str
    """Helm release that it comes with; empty if the program registers its objects itself."""
    kind: Kind
    workload: str
    """Name of its Deployment, StatefulSet or DaemonSet."""
    container: str
    labels: Mapping[str, str] = field(hash=False)
    """Labels that select its pods."""
    service: str
    """Name of its Kubernetes Service."""
    port: int | None = None
    """The Service's port that other parts or people use; None if they use none."""
    job: str
    """The job of its own metrics, as its monitor names it; empty if they are not scraped."""
    setting: str = ""
    """What `workloads` calls its replicas and resources, and `storage.sizes` its volumes; empty without settings."""
    needs: Literal["", "aws", "tracing"] = ""
    """The section of the settings without which it is not deployed."""
    read: bool = True
    """Whether an alert or a dashboard reads its metrics, so that they must not be missing without a word."""

    @property
    def address(self) -> str:
        """Where it listens in the cluster, as `host:port`."""
        return f"{self.service}.{NAMESPACE}.svc:{self.port}"

    @property
    def url(self) -> str:
        """The same as an HTTP address."""
        return f"http://{self.address}"

    @property
    def pod(self) -> str:
        """Name of its first pod; of a StatefulSet alone it is known beforehand."""
        return f"{self.workload}-0"


PROMETHEUS = Part(
    release=STACK,
    kind="StatefulSet",
    workload=f"prometheus-{STACK}-prometheus",
    container="prometheus",
    labels=_labels("prometheus", f"{STACK}-prometheus"),
    service=f"{STACK}-prometheus",
    port=9090,
    job=f"{STACK}-prometheus",
    setting="prometheus",
)
ALERTMANAGER = Part(
    release=STACK,
    kind="StatefulSet",
    workload=f"alertmanager-{STACK}-alertmanager",
    container="alertmanager",
    labels=_labels("alertmanager", f"{STACK}-alertmanager"),
    service=f"{STACK}-alertmanager",
    port=9093,
    job=f"{STACK}-alertmanager",
    setting="alertmanager",
)
OPERATOR = Part(
    release=STACK,
    kind="Deployment",
    workload=f"{STACK}-operator",
    container=STACK,
    labels={"app": f"{STACK}-operator"},
    service=f"{STACK}-operator",
    job=f"{STACK}-operator",
)
GRAFANA = Part(
    release=STACK,
    kind="Deployment",
    workload=f"{STACK}-grafana",
    container="grafana",
    labels=_labels("grafana", STACK),
    service=f"{STACK}-grafana",
    port=80,
    job=f"{STACK}-grafana",
    setting="grafana",
)
KUBE_STATE_METRICS = Part(
    release=STACK,
    kind="Deployment",
    workload=f"{STACK}-kube-state-metrics",
    container="kube-state-metrics",
    labels=_labels("kube-state-metrics", STACK),
    service=f"{STACK}-kube-state-metrics",
    job="kube-state-metrics",
)
NODE_EXPORTER = Part(
    release=STACK,
    kind="DaemonSet",
    workload=f"{STACK}-prometheus-node-exporter",
    container="node-exporter",
    labels=_labels("prometheus-node-exporter", STACK),
    service=f"{STACK}-prometheus-node-exporter",
    job="node-exporter",
)
BLACKBOX_EXPORTER = Part(
    release="blackbox-exporter",
    kind="Deployment",
    workload="blackbox-exporter",
    container="blackbox-exporter",
    labels=_labels("prometheus-blackbox-exporter", "blackbox-exporter"),
    service="blackbox-exporter",
    port=9115,
    job="blackbox-exporter",
)
ROUTE_SUMS = Part(
    release="",
    kind="Deployment",
    workload="route-sums",
    container="route-sums",
    labels={"app.kubernetes.io/name": "route-sums"},
    service="route-sums",
    port=9180,
    job="",
)
LOG_AGENT = Part(
    release="log-agent",
    kind="DaemonSet",
    workload="log-agent",
    container="opentelemetry-collector",
    labels=_labels("opentelemetry-collector", "log-agent"),
    service="log-agent",
    job="log-agent",
    setting="log_agent",
)
KUBERNETES_EVENTS = Part(
    release="kubernetes-events",
    kind="Deployment",
    workload="kubernetes-events",
    container="opentelemetry-collector",
    labels=_labels("opentelemetry-collector", "kubernetes-events"),
    service="kubernetes-events",
    job="kubernetes-events",
)
LOKI = Part(
    release="loki",
    kind="StatefulSet",
    workload="loki",
    container="loki",
    labels=_labels("loki", "loki"),
    service="loki",
    port=3100,
    job=f"{NAMESPACE}/loki",  # the chart prefixes its jobs with the namespace
    setting="loki",
)
LOKI_GATEWAY = Part(
    release="loki",
    kind="Deployment",
    workload="loki-gateway",
    container="nginx",
    labels=_labels("loki", "loki") | {"app.kubernetes.io/component": "gateway"},
    service="loki-gateway",
    port=80,
    job="",
)
"""In front of Loki's parts where they run apart."""
LOKI_DISTRIBUTOR = Part(
    release="loki",
    kind="Deployment",
    workload="loki-distributor",
    container="distributor",
    labels=_labels("loki", "loki") | {"app.kubernetes.io/component": "distributor"},
    service="loki-distributor",
    job=f"{NAMESPACE}/loki-distributor",
)
"""The part of Loki that every log line passes, where they run apart."""
CLOUDWATCH_EXPORTER = Part(
    release="cloudwatch-exporter",
    kind="Deployment",
    workload="cloudwatch-exporter",
    container="prometheus-yet-another-cloudwatch-exporter",
    labels=_labels("prometheus-yet-another-cloudwatch-exporter", "cloudwatch-exporter"),
    service="cloudwatch-exporter",
    job="cloudwatch-exporter",
    needs="aws",
)
TRACE_SAMPLER = Part(
    release="trace-sampler",
    kind="Deployment",
    workload="trace-sampler",
    container="opentelemetry-collector",
    labels=_labels("opentelemetry-collector", "trace-sampler"),
    service="trace-sampler",
    port=4317,
    job="trace-sampler",
    needs="tracing",
    read=False,
)
"""Which traces are kept, where that is not all of them."""
TEMPO = Part(
    release="tempo",
    kind="StatefulSet",
    workload="tempo",
    container="tempo",
    labels=_labels("tempo", "tempo"),
    service="tempo",
    port=3200,
    job="tempo",
    needs="tracing",
    read=False,
    setting="tempo",
)


ALL = (
    PROMETHEUS,
    ALERTMANAGER,
    OPERATOR,
    GRAFANA,
    KUBE_STATE_METRICS,
    NODE_EXPORTER,
    BLACKBOX_EXPORTER,
    ROUTE_SUMS,
    LOG_AGENT,
    KUBERNETES_EVENTS,
    LOKI,
    LOKI_GATEWAY,
    LOKI_DISTRIBUTOR,
    CLOUDWATCH_EXPORTER,
    TRACE_SAMPLER,
    TEMPO,
)
"""Every part, in the order in which they are spoken of; no stack has all of Loki's."""


def of_stack(settings: Settings) -> tuple[Part, ...]:
    """The parts that a stack deploys."""
    left_out = (LOKI,) if settings.logs.mode == "distributed" else (LOKI_GATEWAY, LOKI_DISTRIBUTOR)
    unsampled = () if settings.samples else (TRACE_SAMPLER,)
    known = (part for part in ALL if part not in (*left_out, *unsampled))
    return tuple(part for part in known if not part.needs or getattr(settings, part.needs) is not None)
