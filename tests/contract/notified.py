"""Stacks, an alert and amtool, for the tests of routes and of messages."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from engine.toolchain import tool
from facts import ROOT
from settings import Settings, read_stack

NO_CHANNELS = dict.fromkeys(("slack", "pagerduty", "email", "heartbeat"))

LABELS = {
    "alertname": "ServiceDown",
    "service": "order-service",
    "owner": "orders-team",
    "severity": "critical",
    "cluster": "prod",
    "prometheus": "monitoring/kube-prometheus-stack-prometheus",
}


def stack(name: str, **channels: Any) -> Settings:
    settings = read_stack(ROOT / f"Pulumi.{name}.yaml")
    return settings.model_copy(update={"notifications": settings.notifications.model_copy(update=channels)})


STACKS = {
    "dev": stack("dev"),
    "dev with Slack alone": stack("dev", **{name: None for name in NO_CHANNELS if name != "slack"}),
    "dev without channels": stack("dev", **NO_CHANNELS),
    "prod": stack("prod"),
}


def amtool(*arguments: str | Path) -> str:
    command = [str(tool("amtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


UNRESOLVED = LABELS | {"alertname": "PageUnresolved", "page": "ServiceDown", "severity": "none"}
