"""How many requests, which fail, and how long do they take?"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from catalogue import Service
from dashboards import board
from dashboards.board import Row
from dashboards.heatmaps import heatmap
from dashboards.panels import Query, timeseries, to_logs
from dashboards.promql import series
from dashboards.service_detail.selectors import DOTS, SERVICE, each
from dashboards.stack import Stack
from dashboards.system_health.selectors import ERROR_RATIO, P95_SECONDS

BUCKETS = series("<prefix>_request_latency_seconds_bucket", SERVICE, "<endpoints>")


def row(measured: Sequence[Service], stack: Stack) -> Row:
    """Requests by status and by response time, error rate and percentiles."""
    return board.row(
        "Requests, errors and latency",
        timeseries(
            "Request rate",
            Query(series("service:http_requests:rate5m", SERVICE), "{{service}}"),
            shows="Requests per second answered, averaged over 5 minutes. Redirects are left out.",
            wrong="A fall to zero with the service up means that calls no longer arrive: check the gateway.",
            unit=units.RequestsPerSecond,
            drill=to_logs(),
        ),
        timeseries(
            "Error rate",
            Query(series("service:http_errors:ratio_rate5m", SERVICE), "{{service}}"),
            shows="Share of requests answered with a 5xx status over 5 minutes. Target: below 1 %; critical above 5 %.",
            wrong="Find the endpoint below; if all fail, look at the dependencies.",
            unit=units.PercentUnit,
            limits=ERROR_RATIO,
            drill=to_logs(),
        ),
        timeseries(
            "Response time",
            *(
                Query(
                    f"{series(f'service:http_request_latency_seconds:p{percentile}_rate5m', SERVICE)} >= 0",
                    "{{service}} " + f"P{percentile}",
                )
                for percentile in (50, 95, 99)
            ),
            shows="50, 95 and 99 % of the requests of the last 5 minutes were faster than this. Interpolated between "
            "histogram bounds.",
            wrong="P99 alone rising is a few slow requests; all three rising is the service or a store as a whole.",
            unit=units.Seconds,
            limits=P95_SECONDS,
            drill=to_logs(),
        ),
        heatmap(
            "Requests by response time",
            f"sum by (le) (\n{each(measured, f'rate({BUCKETS}[$__rate_interval])')}\n)",
            shows="Requests per second between each two bounds of the histogram, by how long they took: the lighter, "
            "the more. The line of a bound is the longest time below it." + (DOTS if stack.traces else ""),
            wrong="Two bands are two kinds of requests, of which a percentile shows one: find the slow one by its "
            "endpoint below. All of it moving up is the service or a store as a whole.",
            unit=units.Seconds,
            counted=units.RequestsPerSecond,
            exemplars=stack.traces,
        ),
        timeseries(
            "Requests by status code",
            Query(
                "sum by (service, status_code) (\n"
                + each(measured, f"rate({series('<prefix>_requests_total', SERVICE)}[$__rate_interval])")
                + "\n)",
                "{{service}} {{status_code}}",
            ),
            shows="Requests per second by the status that they were answered with, redirects included. Without the "
            "instrumentation package, the first request of each path is not counted here.",
            wrong="4xx are the clients' errors: many of one kind after a deployment point at a changed interface.",
            unit=units.RequestsPerSecond,
            stacked=True,
            width=12,
        ),
        timeseries(
            "Requests in progress",
            Query(
                f"sum by (service) (\n{each(measured, series('<prefix>_requests_in_flight', SERVICE))}\n)",
                "{{service}}",
            ),
            shows="Requests that have begun and are not yet answered. Only reported by services with the "
            "instrumentation package.",
            wrong="A number that only grows means hanging requests: see which dependency does not answer.",
            unit=units.Short,
            empty="Unknown: no process with the instrumentation package answers",
            width=12,
        ),
    )
