"""Which services are up, now and before?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, below, stat, states, to_service
from dashboards.system_health.selectors import HEALTH


def row() -> Row:
    """Each service's status now and over the time range."""
    return board.row(
        "Service status and health",
        stat(
            "Service status",
            Query(f"sort({HEALTH})", "{{service}}"),
            shows="Each service now: up when all its targets answer the scrape and its health probe succeeds.",
            wrong="Click the service for its detail and its logs, then `kubectl get pods` in its namespace.",
            unit=units.PercentUnit,
            limits=below(1, 0.01),
            words={0: "Down", 1: "Up"},
            drill=to_service(),
            width=12,
        ),
        states(
            "Service status over time",
            Query(HEALTH, "{{service}}"),
            shows="When each service was up (green), partly up (orange) or down (red).",
            wrong="Compare the start of a band with deployments and with the alerts marked on the graphs.",
            unit=units.PercentUnit,
            limits=below(1, 0.01),
            words={0: "Down", 1: "Up"},
            drill=to_service(),
            width=12,
        ),
    )
