"""Which scrape jobs of the infrastructure a stack must have. Pure functions.

The rule: what an alert or a dashboard reads must be there, or it would be silent and empty without a word. The rest
(the API server, the control plane, Tempo) has the alerts of kube-prometheus-stack, or nobody who would miss its series.
"""

from __future__ import annotations

from components.metrics.monitors import REDIS_PROBE
from facts import NAMESPACE
from settings import Settings


def expected_jobs(settings: Settings) -> tuple[str, ...]:
    """The jobs, as the pinned charts' monitors name them."""
    return (
        "kube-prometheus-stack-prometheus",
        "kube-prometheus-stack-alertmanager",
        "kube-prometheus-stack-operator",
        "kube-prometheus-stack-grafana",
        "kube-state-metrics",
        "node-exporter",
        "kubelet",
        "blackbox-exporter",
        "log-agent",
        "kubernetes-events",
        _loki(settings),
        *(["cloudwatch-exporter"] if settings.aws else []),
        *([REDIS_PROBE] if settings.redis else []),
    )


def _loki(settings: Settings) -> str:
    """Loki's job, or that of its part which every log line passes; the chart prefixes its jobs with the namespace."""
    service = "loki-distributor" if settings.logs.mode == "distributed" else "loki"
    return f"{NAMESPACE}/{service}"
