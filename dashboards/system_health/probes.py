"""Do the health probes succeed, and how many requests arrive?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, bars, below, row_to_service, table, timeseries, to_service
from dashboards.promql import growth, series
from dashboards.system_health.selectors import SERVICE
from parts import PROBES_JOB

PROBE = f'job="{PROBES_JOB}"'

REQUESTS = series("instance:http_requests:sum", SERVICE)

ERRORS = series("instance:http_errors:sum", SERVICE)


def row() -> Row:
    """Probe success and duration, and the requests of the time range."""
    return board.row(
        "Probes and requests",
        bars(
            "Probe success",
            Query(f"sort(avg_over_time({series('service:probe_success:ratio', SERVICE)}[$__range]))", "{{service}}"),
            shows="Share of the chosen time range in which the health probe succeeded. Availability counts answers, "
            "so it does not show an outage without answers.",
            wrong="Find the outage in the status over time; one short outage is enough to miss 99.9 % in an hour.",
            unit=units.PercentUnit,
            limits=below(0.999, 0.99),
            maximum=1,
            drill=to_service(),
        ),
        table(
            "Requests in the time range",
            Query(f"sort_desc({growth(REQUESTS, 'service')})", "Requests"),
            Query(growth(ERRORS, "service"), "Failed"),
            by=["service"],
            shows="Requests that each service answered in the chosen time range, and those of them answered with a "
            "5xx status. Exact counts, but estimates for pods that started or stopped in that time. Redirects and "
            "health checks are left out.",
            wrong="No requests at all: calls do not arrive, check the gateway and the load balancer. Failed ones: "
            "Service detail says of which endpoints.",
            unit=units.LocaleFormat,
            decimals=0,
            drills={"service": row_to_service()},
        ),
        timeseries(
            "Health probe duration",
            Query(f"max by (service) ({series('probe_duration_seconds', PROBE, SERVICE)})", "{{service}}"),
            shows="Time that the probe of the health endpoint took, from name resolution to the last byte. It is given "
            "up after 10 s.",
            wrong="A slow probe beside normal response times points at DNS or the network, not at the service.",
            unit=units.Seconds,
            limits=above(1, 5),
            drill=to_service(),
        ),
    )
