"""What people look at: Loki, and Grafana with its dashboards and data sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

import parts
from facts import NAMESPACE
from verify.cluster import Cluster, behind_service
from verify.expectations import Expected
from verify.finding import Finding
from verify.objects import items, listing
from verify.prometheus import label_of, query


def loki(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Loki answers questions."""
    answer = cluster.get(behind_service(expected.loki, "loki/api/v1/labels"))
    if answer.get("status") == "success":
        return []
    return [Finding(f"Loki does not answer: {answer}", "kubectl logs statefulset/loki")]


def dashboards(cluster: Cluster, _: Expected) -> list[Finding]:
    """Grafana works, and has loaded as many dashboards as it is given."""
    found = []
    health = cluster.get(behind_service(parts.GRAFANA.url, "api/health"))
    if health.get("database") != "ok":
        found.append(Finding(f"Grafana's database is {health.get('database')!r}", "see Grafana's log and its volume"))
    given = len(list(_provisioned(cluster, "grafana_dashboard")))
    loaded = query(cluster, "max(grafana_stat_totals_dashboard)")
    number = int(float(loaded[0]["value"][1])) if loaded else 0
    if number < given:
        found.append(
            Finding(
                f"Grafana counts {number} dashboards and is given {given}",
                "it counts now and then; if it stays, see the log of its container grafana-sc-dashboard",
            )
        )
    return found


def data_sources(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Grafana can read the data sources that it is given, and has some of each type."""
    unusable = [
        Finding(f"{name} {problem}", "correct or delete it: Grafana does not start with a file that it cannot read")
        for name, text in _provisioned(cluster, "grafana_datasource")
        if (problem := _problem(text))
    ]
    counted = query(cluster, "sum by (plugin_id) (grafana_stat_totals_datasource) > 0")
    return unusable + [
        Finding(
            f"Grafana counts no data source of type {kind}",
            "it counts now and then; if it stays, see the log of its container grafana-sc-datasources",
        )
        for kind in sorted(expected.data_sources - {label_of(sample, "plugin_id") for sample in counted})
    ]


def _provisioned(cluster: Cluster, label: str) -> Iterator[tuple[str, str]]:
    """The files of every ConfigMap that Grafana's sidecar picks up by this label: where each is, and its text."""
    for item in items(cluster, listing("v1", "ConfigMap", NAMESPACE)):
        metadata = item["metadata"]
        if (metadata.get("labels") or {}).get(label) == "1":
            for file, text in (item.get("data") or {}).items():
                yield f"configmap/{metadata['name']}, file {file},", text


def _problem(text: str) -> str:
    """Why Grafana cannot read a file of data sources; nothing if it can. It may be empty, as the chart's own is."""
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        return f"is not YAML: {' '.join(str(error).split())}"
    sources: Any = document.get("datasources") or [] if isinstance(document, Mapping) else None
    if not isinstance(sources, list) or not all(isinstance(source, Mapping) for source in sources):
        return "has no list of data sources"
    return ""
