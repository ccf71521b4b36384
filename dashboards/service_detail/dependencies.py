"""Is what the service depends on up, and do its callers reach it?"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from catalogue import Service
from dashboards import board
from dashboards.board import Row
from dashboards.panels import Limits, Query, above, states, timeseries, to_logs
from dashboards.promql import series
from dashboards.service_detail.selectors import SERVICE, each

DEPENDENCY: Limits = [(None, "blue"), (0, "red"), (0.01, "orange"), (1, "green")]

NOT_TOLD = -1
"""Stands for a dependency of which nothing tells whether it is up."""


def row(measured: Sequence[Service], services: int) -> Row:
    """The state of each dependency, and the gateway's failed calls."""
    told = each(measured, series("<prefix>_dependency_up", SERVICE))
    needs = series("service:dependency:info", SERVICE)
    all_of_them = f"{needs} or {series('service:used_dependency:info', SERVICE)}"
    health = f"""min by (service, dependency) (\n{told}\n)
  or
({all_of_them})
  * on (dependency) group_left ()
label_replace(
  service:up:ratio or on (service) service:probe_success:ratio,
  "dependency", "$1", "service", "(.+)"
)
  or
{NOT_TOLD} * ({all_of_them})"""
    return board.row(
        "Dependencies and callers",
        states(
            "Dependencies",
            Query(f"sum by (service, dependency) (\n{health}\n)", "{{service}}: {{dependency}}"),
            shows="Whether the service's dependencies are up: as the service itself reports, otherwise by the share "
            "of the dependency's targets that answer, or its probe.",
            wrong="If a required dependency is down, it explains the errors: act there. Infrastructure shows Redis "
            "and DynamoDB.",
            unit=units.PercentUnit,
            limits=DEPENDENCY,
            empty="The service has no known dependencies",
            words={NOT_TOLD: "Unknown", 0: "Down", 1: "Up"},
            bands=services,
            width=6,
        ),
        timeseries(
            "Services that fail with the same dependency",
            Query(
                f"{needs}\n  * on (dependency) group_left ()\ndependency:services_failing:ratio\n  or\n0 * {needs}",
                "{{service}}: {{dependency}}",
            ),
            shows="Of all services that require the same dependency, the share that fails too many requests.",
            wrong="Above one half, and with several services, the dependency is the cause and not this service.",
            unit=units.PercentUnit,
            limits=above(0.25, 0.5),
            maximum=1,
            empty="It shares no required dependency with another service",
            width=9,
        ),
        timeseries(
            "Calls that the gateway could not complete",
            Query(
                f"""
                60 * sum by (service, error_type) (
                  label_replace(
                    rate(gateway_proxy_errors_total{{namespace=~"$namespace"}}[$__rate_interval]),
                    "service", "$1-$2", "target_service", "(.+)[-_](.+)"
                  )
                    and on (service)
                  {series("service:expected:info", SERVICE)}
                )
                """,
                "{{service}} {{error_type}}",
            ),
            shows="Failed calls per minute from the gateway to the service, by kind of failure. The first failure of "
            "each kind after the gateway starts is not counted.",
            wrong="`request_failed` means no connection: check the service's pods. A 5xx code is its own answer.",
            unit=units.EventsPerMinute,
            empty="No failed call is known",
            drill=to_logs(),
            width=9,
        ),
    )
