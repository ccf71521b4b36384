"""What Alertmanager runs and sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

import parts
from components.alerting.routing import HEARTBEAT
from verify.cluster import Cluster, behind_service
from verify.configuration import differences
from verify.expectations import Expected
from verify.finding import Finding
from verify.prometheus import label_of, query


def configuration(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Every Alertmanager runs the configuration that the program deploys."""
    running = yaml.load(_alertmanager(cluster, "status")["config"]["original"], Loader=yaml.CSafeLoader)
    see = "kubectl describe alertmanager: an undefined receiver or a refused key keeps the old configuration"
    found = [
        Finding(f"Alertmanager does not run what was deployed: {text}", see)
        for text in differences(expected.alertmanager, running)
    ]
    versions = query(cluster, 'count_values("hash", alertmanager_config_hash)')
    if len(versions) != 1:
        found.append(Finding(f"the Alertmanagers run {len(versions)} different configurations, not 1", see))
    failed = query(
        cluster,
        "alertmanager_config_last_reload_successful == 0 or prometheus_config_last_reload_successful == 0",
    )
    found += [
        Finding(f"{label_of(sample, 'pod')} refused its last configuration", "its log says why") for sample in failed
    ]
    return found


def heartbeat(cluster: Cluster, expected: Expected) -> list[Finding]:
    """The alert that always fires reaches Alertmanager, and leaves it every minute."""
    parameters = {"filter": 'alertname="Watchdog"', "silenced": "false", "inhibited": "false"}
    alerts = _alertmanager(cluster, "alerts", parameters)
    if not alerts:
        return [
            Finding(
                "Alertmanager has no firing Watchdog",
                "is it silenced? do Prometheus' rules and targets hold? it sends it",
            )
        ]
    receivers = {receiver["name"] for alert in alerts for receiver in alert["receivers"]}
    if HEARTBEAT.name in receivers:
        return _heartbeat_leaves(cluster)
    if expected.heartbeat:
        return [Finding("the Watchdog is not routed to the heartbeat", f"pulumi up --stack {expected.stack}")]
    return []


def _heartbeat_leaves(cluster: Cluster) -> list[Finding]:
    recent = '{integration="webhook"}[5m]'
    failed = query(cluster, f"sum(increase(alertmanager_notifications_failed_total{recent})) > 0")
    sent = query(cluster, f"sum(increase(alertmanager_notifications_total{recent})) > 0")
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


def _alertmanager(cluster: Cluster, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    return cluster.get(behind_service(parts.ALERTMANAGER.url, f"api/v2/{path}", parameters))
