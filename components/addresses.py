"""In-cluster addresses of the stack's parts: fixed, because the releases' names are."""

from __future__ import annotations

from facts import NAMESPACE
from settings import Settings

PROMETHEUS = f"http://kube-prometheus-stack-prometheus.{NAMESPACE}.svc:9090"
ALERTMANAGER = f"http://kube-prometheus-stack-alertmanager.{NAMESPACE}.svc:9093"
GRAFANA = f"http://kube-prometheus-stack-grafana.{NAMESPACE}.svc:80"
TEMPO = f"http://tempo.{NAMESPACE}.svc:3200"
TEMPO_OTLP = f"tempo.{NAMESPACE}.svc:4317"
BLACKBOX = f"blackbox-exporter.{NAMESPACE}.svc:9115"
ROUTE_SUMS = f"route-sums.{NAMESPACE}.svc:9180"
OTLP_RECEIVER = f"{PROMETHEUS}/api/v1/otlp"


GRAFANA_ACCESS = f"kubectl --namespace {NAMESPACE} port-forward service/kube-prometheus-stack-grafana 3000:80"
"""How to reach Grafana from outside the cluster."""


def prometheus_replica(index: int) -> str:
    """Address of one Prometheus of several."""
    pod = f"prometheus-kube-prometheus-stack-prometheus-{index}"
    return f"http://{pod}.prometheus-operated.{NAMESPACE}.svc:9090"


def loki(settings: Settings) -> str:
    """Loki's address: the process itself, or the gateway in front of the distributed parts."""
    host = "loki-gateway" if settings.logs.mode == "distributed" else "loki"
    port = 80 if settings.logs.mode == "distributed" else 3100
    return f"http://{host}.{NAMESPACE}.svc:{port}"
