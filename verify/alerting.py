"""What Alertmanager runs and sends."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import yaml

from components.addresses import ALERTMANAGER
from components.alerting import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.routing import HEARTBEAT
from verify.cluster import Cluster, behind_service
from verify.configuration import differences
from verify.expectations import Expected
from verify.finding import Finding
from verify.prometheus import label_of, query


def configuration(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Every Alertmanager runs the configuration that was deployed."""
    path = f"/api/v1/namespaces/{expected.namespace}/secrets/{CONFIGURATION_SECRET}"
    deployed = yaml.safe_load(base64.b64decode(cluster.get(path)["data"][CONFIGURATION_KEY]))
    running = yaml.safe_load(_alertmanager(cluster, expected, "status")["config"]["original"])
    see = "kubectl describe alertmanager: an undefined receiver or a refused key keeps the old configuration"
    found = [
        Finding(f"Alertmanager does not run what was deployed: {text}", see) for text in differences(deployed, running)
    ]
    versions = query(cluster, expected, 'count_values("hash", alertmanager_config_hash)')
    if len(versions) != 1:
        found.append(Finding(f"the Alertmanagers run {len(versions)} different configurations, not 1", see))
    failed = query(
        cluster,
        expected,
        "alertmanager_config_last_reload_successful == 0 or prometheus_config_last_reload_successful == 0",
    )
    found += [
        Finding(f"{label_of(sample, 'pod')} refused its last configuration", "its log says why") for sample in failed
    ]
    return found


def heartbeat(cluster: Cluster, expected: Expected) -> list[Finding]:
    """The alert that always fires reaches Alertmanager, and leaves it every minute."""
    parameters = {"filter": 'alertname="Watchdog"', "silenced": "false", "inhibited": "false"}
    alerts = _alertmanager(cluster, expected, "alerts", parameters)
    if not alerts:
        return [
            Finding(
                "Alertmanager has no firing Watchdog",
                "is it silenced? do Prometheus' rules and targets hold? it sends it",
            )
        ]
    receivers = {receiver["name"] for alert in alerts for receiver in alert["receivers"]}
    if HEARTBEAT.name in receivers:
        return _heartbeat_leaves(cluster, expected)
    if expected.heartbeat_required:
        return [Finding("the Watchdog is not routed to the heartbeat", "set heartbeatUrl and run pulumi up")]
    return []


def _heartbeat_leaves(cluster: Cluster, expected: Expected) -> list[Finding]:
    recent = '{integration="webhook"}[5m]'
    failed = query(cluster, expected, f"sum(increase(alertmanager_notifications_failed_total{recent})) > 0")
    sent = query(cluster, expected, f"sum(increase(alertmanager_notifications_total{recent})) > 0")
    if failed:
        return [
            Finding(
                f"about {float(failed[0]['value'][1]):.0f} heartbeats of the last 5 minutes did not arrive",
                "is heartbeatUrl right, and may Alertmanager reach it? its log has the answer of the other side",
            )
        ]
    if not sent:
        return [
            Finding("no heartbeat was sent in the last 5 minutes", "wait a minute or two; then see Alertmanager's log")
        ]
    return []


def _alertmanager(cluster: Cluster, expected: Expected, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    return cluster.get(behind_service(expected.namespace, ALERTMANAGER, f"api/v2/{path}", parameters))
