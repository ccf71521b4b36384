"""A panel changes its colour where the alert on the same figure fires: rules and panels state the bounds separately."""

from __future__ import annotations

import re

import pytest

from checks.alert_tests import ALERTS
from checks.dashboard_json import BOARDS, panels
from documents import read

EXPRESSIONS = {
    rule["alert"]: rule["expr"]
    for path in ALERTS.glob("*.yaml")
    if not path.name.endswith(".test.yaml")
    for group in read(path)["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
LAST_COMPARISON = re.compile(r"[<>]=?\s*([\d.]+)(?!.*[<>])", re.DOTALL)


@pytest.mark.parametrize(
    ("board", "title", "alert"),
    [
        ("system-health", "Container memory against limit", "ContainerMemoryNearLimit"),
        ("system-health", "Container CPU against limit", "ContainerCpuNearLimit"),
        ("system-health", "CPU throttling", "ContainerThrottled"),
        ("infrastructure", "Node memory", "NodeMemoryNearlyFull"),
        ("infrastructure", "Node disk", "NodeDiskFilling"),
        ("infrastructure", "Persistent volumes", "VolumeFilling"),
        ("infrastructure", "Persistent volumes over time", "VolumeFilling"),
        ("infrastructure", "Redis CPU and memory", "RedisMemoryNearlyFull"),
        ("infrastructure", "Redis CPU and memory", "RedisCpuNearlyFull"),
        ("monitoring", "Volumes used", "VolumeFilling"),
        ("monitoring", "Memory of its limit", "ContainerMemoryNearLimit"),
        ("monitoring", "CPU of its limit", "ContainerCpuNearLimit"),
        ("monitoring", "Last retention sweep", "LokiRetentionNotApplied"),
    ],
)
def test_a_panel_turns_where_its_alert_fires(board: str, title: str, alert: str) -> None:
    (panel,) = (found for found in panels(BOARDS[board]) if found["title"] == title)
    fires = LAST_COMPARISON.search(EXPRESSIONS[alert])
    assert fires, alert
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert float(fires[1]) in {step["value"] for step in steps}
