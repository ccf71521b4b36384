"""The checks: each asks the cluster one thing and says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verify import alerting, kubernetes, objects, policies, prometheus, releases, views
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
    wanted: Callable[[Expected], bool] = lambda _: True
    """Whether a stack's settings ask for it."""


def _releases(cluster: Cluster, expected: Expected) -> list[Finding]:
    return releases.compared(cluster, expected.releases, expected.stack)


def _charts(cluster: Cluster, _: Expected) -> list[Finding]:
    return releases.missing(cluster)


def _objects(cluster: Cluster, expected: Expected) -> list[Finding]:
    return objects.compared(cluster, expected.objects, expected.stack)


_NOT_SEEN = "that Grafana shows data: its own API needs a log-in"

CHECKS = (
    Check("definitions", "the operator's resource definitions are served", kubernetes.definitions),
    Check("releases", "every Helm release is deployed as the program says", _releases, releases.NOT_NOTED),
    Check("scale", "every workload has the replicas that it should have", kubernetes.scale),
    Check(
        "charts",
        "what the charts have made is there",
        _charts,
        "that nobody changed what a chart has made: of that, only that it is there, and the replicas, are compared",
    ),
    Check("objects", "every object that the program deploys is there and as it says", _objects),
    Check("pods", "no pod waits for an image, a node or a restart", kubernetes.pods),
    Check("workloads", "all pods of every workload are new and ready", kubernetes.workloads),
    Check(
        "conditions", "the operator made Prometheus and Alertmanager as they are described now", kubernetes.conditions
    ),
    Check(
        "policies",
        "the cluster enforces network policies",
        policies.enforced,
        "that each policy is enforced: of all that they refuse, one connection was tried",
        lambda expected: expected.policies_enforced,
    ),
    Check("targets", "every target is up and no job is without one", prometheus.targets),
    Check("services", "every service of the catalogue is scraped and probed", prometheus.services),
    Check("rules", "the rules that run are those that were deployed, and all can be evaluated", prometheus.rules),
    Check("configuration", "every Alertmanager runs the configuration that was deployed", alerting.configuration),
    Check(
        "heartbeat",
        "the Watchdog fires and its notifications leave",
        alerting.heartbeat,
        "that people are reached: no message was sent to Slack, PagerDuty or e-mail",
    ),
    Check("loki", "Loki answers", views.loki, "that every pod's lines arrive in Loki"),
    Check("dashboards", "Grafana works and counts as many dashboards as it is given", views.dashboards, _NOT_SEEN),
    Check("data sources", "Grafana can read its data sources and counts some of each type", views.data_sources),
)
"""Every check, causes before what they cause."""
