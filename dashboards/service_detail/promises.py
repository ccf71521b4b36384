"""Is the service up, and does it keep its objectives?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.firing import firing_alerts
from dashboards.panels import (
    Query,
    above,
    bars,
    below,
    stat,
    table,
    timeseries,
    to_logs,
)
from dashboards.promql import series
from dashboards.service_detail.selectors import SERVICE
from dashboards.stack import Stack
from dashboards.system_health.selectors import ALARM, HEALTH, MARKED, named
from facts import BURN_RATES


def row(stack: Stack) -> Row:
    """Status, objectives, error budget and alerts."""
    return board.row(
        "Status and objectives",
        stat(
            "Status",
            Query(HEALTH, "{{service}}"),
            shows="The service now: up when all its targets answer the scrape and its health probe succeeds.",
            wrong="Read the error logs at the end, then `kubectl get pods` in its namespace.",
            unit=units.PercentUnit,
            limits=below(1, 0.01),
            words={0: "Down", 1: "Up"},
            width=5,
            height=6,
        ),
        table(
            "Objectives",
            Query(f"max by (service, sli) ({series('service:slo_objective:ratio', SERVICE)})", "Objective"),
            by=["service", "sli"],
            shows="The catalogue's objectives: the share of requests that succeed, and that are answered in time.",
            wrong="If they are wrong, change the service's `objectives` in the catalogue.",
            unit=units.PercentUnit,
            order=[("Service", False)],
            width=8,
            height=6,
        ),
        bars(
            "Error budget left",
            Query(named(series("service:slo_error_budget_remaining:ratio", SERVICE), "service", "sli"), "{{name}}"),
            shows="The share left of the failures that the objective allows in 14 days. Below 0 the objective is "
            f"missed. {MARKED}",
            wrong="Stop risky changes while it is low; the burn rate below shows when it was spent.",
            unit=units.PercentUnit,
            limits=below(0.25, 0),
            alarm=ALARM,
            maximum=1,
            width=11,
            height=6,
        ),
        firing_alerts(stack, SERVICE, ["alertname", "service"], width=24),
        timeseries(
            "Budget burn rate",
            Query(series("service:slo_burn_rate:ratio_rate30m", SERVICE), "{{service}} {{sli}} 30 min"),
            Query(series("service:slo_burn_rate:ratio_rate3h", SERVICE), "{{service}} {{sli}} 3 h"),
            shows="How fast the error budget is spent: at 1 it lasts exactly its 14 days. On-call is paged at "
            f"{BURN_RATES['30m']} over 30 minutes, or {BURN_RATES['3h']} over 3 hours.",
            wrong="Find the endpoint that fails or is slow below, and what was deployed when it began.",
            unit=units.Short,
            limits=above(1, BURN_RATES["3h"]),
            drill=to_logs(),
            width=24,
        ),
    )
