"""Addresses of the stack's parts in the cluster, beyond those that `parts.py` states."""

from __future__ import annotations

import parts
from facts import NAMESPACE
from settings import Settings

SAMPLER_OTLP = parts.TRACE_SAMPLER.address
TEMPO_OTLP = f"{parts.TEMPO.service}.{NAMESPACE}.svc:4317"
OTLP_RECEIVER = f"{parts.PROMETHEUS.url}/api/v1/otlp"

GRAFANA_ACCESS = f"kubectl --namespace {NAMESPACE} port-forward service/{parts.GRAFANA.service} 3000:80"
"""How to reach Grafana from outside the cluster."""


def prometheus_replica(index: int) -> str:
    """Address of one Prometheus of several."""
    pod = f"{parts.PROMETHEUS.workload}-{index}"
    return f"http://{pod}.prometheus-operated.{NAMESPACE}.svc:{parts.PROMETHEUS.port}"


def loki(settings: Settings) -> str:
    """Loki's address: the process itself, or the gateway in front of the distributed parts."""
    return (parts.LOKI_GATEWAY if settings.logs.mode == "distributed" else parts.LOKI).url
