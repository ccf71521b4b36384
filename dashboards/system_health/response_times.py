"""How fast do the services answer, and how many requests?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, below, timeseries, to_logs, to_service
from dashboards.promql import series
from dashboards.system_health.selectors import P95_SECONDS, SERVICE


def row() -> Row:
    """Percentiles, the share answered in time, and the request rate."""
    return board.row(
        "Response times and traffic",
        *(
            timeseries(
                f"Response time P{percentile}",
                Query(
                    f"{series(f'service:http_request_latency_seconds:p{percentile}_rate5m', SERVICE)} >= 0",
                    "{{service}}",
                ),
                shows=f"{percentile} % of each service's requests of the last 5 minutes were faster than this. "
                "Interpolated between histogram bounds. " + note,
                wrong="See whether traffic rose, CPU is throttled or a dependency is slow (Infrastructure, DynamoDB).",
                unit=units.Seconds,
                limits=limits,
                drill=[*to_service(), *to_logs()],
            )
            for percentile, note, limits in (
                (50, "The typical request, which should be well below the target for P95.", above(0.1, 0.2)),
                (95, "Target: below 200 ms; the alert's bound is 250 ms.", P95_SECONDS),
                (99, "The slowest requests that users still meet often.", above(0.5, 1)),
            )
        ),
        timeseries(
            "Requests answered in time",
            Query(f"1 - {series('service:http_requests_slow:ratio_rate5m', SERVICE)}", "{{service}}"),
            shows="Share of the requests of the last 5 minutes answered within the service's objective, by default "
            "250 ms. Exact, unlike the percentiles, because it is a histogram bound.",
            wrong="Below 95 % the objective is being missed: find the service, then its resource use below.",
            unit=units.PercentUnit,
            limits=below(0.95, 0.9),
            drill=[*to_service(), *to_logs()],
            width=12,
        ),
        timeseries(
            "Request rate",
            Query(series("service:http_requests:rate5m", SERVICE), "{{service}}"),
            shows="Requests per second that each service answered, averaged over 5 minutes. Redirects are left out.",
            wrong="A fall to zero with the service up means that calls no longer arrive: check the gateway.",
            unit=units.RequestsPerSecond,
            drill=[*to_service(), *to_logs()],
            width=12,
        ),
    )
