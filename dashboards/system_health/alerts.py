"""Which alerts fire?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.firing import firing_alerts
from dashboards.panels import Query, stat, timeseries
from dashboards.promql import series
from dashboards.stack import Stack

# An alert without a `service` label belongs to the platform and is shown whatever service is chosen.
SELECTED = 'service=~"$service|"'
FIRING = f'alertstate="firing", severity!="none", {SELECTED}'


def row(stack: Stack) -> Row:
    """How many alerts fire, which ones, and when others did."""
    return board.row(
        "Alerts",
        *(
            stat(
                severity.capitalize(),
                Query(_firing(severity), f"firing, {severity}"),
                shows=f"Alerts of severity {severity} that fire now, silenced ones included.",
                wrong="Read the table below; each alert's notification links to its runbook.",
                unit=units.Short,
                decimals=0,
                limits=[(None, "green"), (1, colour)],
                width=12,
                height=4,
            )
            for severity, colour in (("critical", "red"), ("warning", "orange"))
        ),
        firing_alerts(stack, SELECTED, ["alertname", "service", "owner"], width=24, of_charts=True),
        timeseries(
            "Firing alerts by severity",
            *(Query(_firing(severity), severity) for severity in ("critical", "warning", "info")),
            shows="How many alerts fired at each moment.",
            wrong="Many at once are usually one cause: look for the first one in the status over time.",
            unit=units.Short,
            decimals=0,
            colours={"critical": "red", "warning": "orange", "info": "blue"},
            stacked=True,
            width=24,
            height=6,
        ),
    )


def _firing(severity: str) -> str:
    return f"count({series('ALERTS', FIRING, severity=severity)}) or vector(0)"
