"""The checks: each asks the cluster one thing and says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verify import alerting, kubernetes, prometheus, views
from verify.cluster import Cluster
from verify.expectations import Expected
from verify.finding import Finding


@dataclass(frozen=True)
class Check:
    """One thing that must hold."""

    name: str
    """Short name, for the progress."""
    holds: str
    """What it shows when it finds nothing."""
    run: Callable[[Cluster, Expected], list[Finding]]
    """Finds what is wrong. Raises ClusterError where the cluster does not answer."""
    leaves_open: str = ""
    """What it does not show, although one might think so."""


_NOT_SEEN = "that Grafana shows data: its own API needs a log-in, which the API server's proxy does not pass on"

CHECKS = (
    Check("definitions", "the operator's resource definitions are served", kubernetes.definitions),
    Check(
        "conditions", "the operator made Prometheus and Alertmanager as they are described now", kubernetes.conditions
    ),
    Check("workloads", "every release has its workloads and all their pods are ready", kubernetes.workloads),
    Check("pods", "no pod waits for an image, a node or a restart", kubernetes.pods),
    Check("targets", "every target is up and no job is without one", prometheus.targets),
    Check("services", "every service of the catalogue is scraped and probed", prometheus.services),
    Check("rules", "the rules that run are those of the objects, and all can be evaluated", prometheus.rules),
    Check("configuration", "every Alertmanager runs the configuration that was deployed", alerting.configuration),
    Check(
        "heartbeat",
        "the Watchdog fires and its notifications leave",
        alerting.heartbeat,
        "that people are reached: no message was sent to Slack, PagerDuty or e-mail",
    ),
    Check("loki", "Loki answers", views.loki, "that every pod's lines arrive in Loki"),
    Check("dashboards", "Grafana is given our dashboards and counts as many", views.dashboards, _NOT_SEEN),
    Check("data sources", "Grafana is given our data sources and counts some of each type", views.data_sources),
)
"""Every check, causes before what they cause."""
