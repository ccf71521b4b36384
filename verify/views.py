"""What people look at: Loki, and Grafana with its dashboards and data sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from components.addresses import GRAFANA
from verify.cluster import Cluster, behind_service
from verify.expectations import Expected
from verify.finding import Finding
from verify.kubernetes import items
from verify.prometheus import label_of, query


def loki(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Loki answers questions."""
    answer = cluster.get(behind_service(expected.namespace, expected.loki, "loki/api/v1/labels"))
    if answer.get("status") == "success":
        return []
    return [Finding(f"Loki does not answer: {answer}", "kubectl logs statefulset/loki")]


def dashboards(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Grafana works, is given our dashboards, and has loaded as many as it is given."""
    files = _provisioned(cluster, expected, "grafana_dashboard")
    uids = {_loads(text).get("uid") for text in files}
    found = [
        Finding(f"no ConfigMap labelled grafana_dashboard has the dashboard {uid}", "run pulumi up")
        for uid in sorted(expected.dashboards - uids)
    ]
    health = cluster.get(behind_service(expected.namespace, GRAFANA, "api/health"))
    if health.get("database") != "ok":
        found.append(Finding(f"Grafana's database is {health.get('database')!r}", "see Grafana's log and its volume"))
    loaded = query(cluster, expected, "max(grafana_stat_totals_dashboard)")
    number = int(float(loaded[0]["value"][1])) if loaded else 0
    if number < len(files):
        found.append(
            Finding(
                f"Grafana counts {number} dashboards and is given {len(files)}",
                "it counts now and then; if it stays, see the log of its container grafana-sc-dashboard",
            )
        )
    return found


def data_sources(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Grafana is given our data sources, and has some of each type."""
    files = _provisioned(cluster, expected, "grafana_datasource")
    uids = {source["uid"] for text in files for source in _loads(text).get("datasources", [])}
    given = [
        Finding(f"no ConfigMap labelled grafana_datasource has the data source {uid}", "run pulumi up")
        for uid in sorted(expected.data_sources - uids)
    ]
    counted = query(cluster, expected, "sum by (plugin_id) (grafana_stat_totals_datasource) > 0")
    return given + [
        Finding(
            f"Grafana counts no data source of type {kind}",
            "it counts now and then; if it stays, see the log of its container grafana-sc-datasources",
        )
        for kind in sorted(expected.data_sources - {label_of(sample, "plugin_id") for sample in counted})
    ]


def _provisioned(cluster: Cluster, expected: Expected, label: str) -> list[str]:
    """The files of every ConfigMap that Grafana's sidecar picks up by this label."""
    path = f"/api/v1/namespaces/{expected.namespace}/configmaps?labelSelector={label}%3D1"
    return [text for item in items(cluster, path) for text in item.get("data", {}).values()]


def _loads(text: str) -> Mapping[str, Any]:
    """A provisioned file; the chart's own data sources are YAML, and JSON is YAML too."""
    try:
        document = json.loads(text)
    except ValueError:
        document = yaml.safe_load(text)
    return document if isinstance(document, Mapping) else {}
