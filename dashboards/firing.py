"""Which alerts fire, the gravest first, with what to read of each: on System Health, and on Service detail."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.panels import Query, row_to_runbook, row_to_service, table
from dashboards.promql import series
from dashboards.stack import Stack
from dashboards.tables import RANK, RANKS


def firing_alerts(stack: Stack, selected: str, by: Sequence[str], *, width: int, of_charts: bool = False) -> Panel:
    """A row for each firing alert that `selected` selects, with its labels `by`, and since when it holds.

    `of_charts`: alerts that charts bring are among them, and have a runbook of their own.
    """
    alerts = f"""{series("ALERTS_FOR_STATE", 'severity!="none"', selected)}
    and ignoring (alertstate)
  {series("ALERTS", 'alertstate="firing"', 'severity!="none"', selected)}"""
    return table(
        "Firing alerts",
        Query(f"1000 * min by ({', '.join([RANK, *by])}) (\n  {_ranked(alerts)}\n)", "Holds since"),
        by=[RANK, *by],
        shows="Alerts that fire now, silenced ones included, and since when the condition of each has held, which "
        "includes the minutes before it fired. Critical ones are first, and of those the oldest.",
        wrong="Start with the first: a click on it opens its runbook, a click on the service its detail.",
        unit=units.DateTimeFromNow,
        order=[("Severity", False), ("Holds since", False)],
        drills={"alertname": row_to_runbook(stack.runbooks, of_charts=of_charts), "service": row_to_service()},
        empty="No alert is firing",
        width=width,
    )


def _ranked(alerts: str) -> str:
    """The alerts with a label that sorts as their severities do, which in the order of the alphabet are mixed up."""
    return reduce(
        lambda vector, severity: f'label_replace(\n{vector},\n"{RANK}", "{RANKS[severity]}", "severity", "{severity}")',
        RANKS,
        alerts,
    )
