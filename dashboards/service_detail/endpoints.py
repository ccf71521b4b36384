"""Which endpoints are busy, slow or failing?"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

from catalogue import Service
from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, table, timeseries, to_logs
from dashboards.promql import growth_from_birth, series
from dashboards.service_detail.selectors import DOTS, SERVICE, each
from dashboards.stack import Stack
from dashboards.system_health.selectors import P95_SECONDS

BY_PATH = (
    "Paths that hold an id are shown as one, with {id}. A service without the instrumentation package names each path "
    "as the client sent it"
)

ESTIMATED = (
    "Estimated for processes that started or stopped in that time; their first answer of each kind is not counted."
)


def row(measured: Sequence[Service], stack: Stack) -> Row:
    """The busiest, slowest and failing endpoints, and the answers of each."""
    requests = series("<prefix>_requests_total", SERVICE, "<endpoints>", "<statuses>")
    failed = series("<prefix>_requests_total", SERVICE, "<endpoints>", 'status_code=~"5.."')
    buckets = series("<prefix>_request_latency_seconds_bucket", SERVICE, "<endpoints>")
    slowest = (
        "histogram_quantile(0.95,\n"
        f"  sum by (service, route, le) (\n{_by_route(each(measured, f'rate({buckets}[$__rate_interval])'))}\n  )\n"
        ") > 0"  # without a request there is no quantile
    )
    return board.row(
        "By endpoint",
        timeseries(
            "Busiest endpoints",
            Query(
                _top("sum by (service, route)", each(measured, f"rate({requests}[$__rate_interval])")),
                "{{service}} {{route}}",
            ),
            shows=f"Requests per second of the ten busiest endpoints. {BY_PATH}; its first request is not counted "
            "here.",
            wrong="One endpoint that rises alone is one client or a retry; compare with its errors.",
            unit=units.RequestsPerSecond,
            drill=to_logs(),
        ),
        timeseries(
            "Endpoints that fail",
            Query(
                _top("sum by (service, route)", each(measured, f"rate({failed}[$__rate_interval])")) + " > 0",
                "{{service}} {{route}}",
            ),
            shows=f"Requests per second answered with a 5xx status, of the ten endpoints with most. {BY_PATH}; its "
            "first failure is only in the table below.",
            wrong="Compare with what is slow: a timeout is both.",
            unit=units.RequestsPerSecond,
            empty="No failed request is known",
            drill=to_logs(),
        ),
        timeseries(
            "Slowest endpoints",
            Query(f"topk(10,\n{slowest}\n)", "{{service}} {{route}}", exemplars=stack.traces),
            shows=f"95th percentile of the ten slowest endpoints, interpolated between histogram bounds. {BY_PATH}."
            + (DOTS if stack.traces else ""),
            wrong="A route that is slow alone does too much work; all of them slow: a store, or too little CPU.",
            unit=units.Seconds,
            limits=P95_SECONDS,
            drill=to_logs(),
        ),
        table(
            "Failing endpoints",
            Query(
                _top("sum by (service, route, status_code)", each(measured, growth_from_birth(failed)), 15) + " > 0",
                "Errors",
            ),
            by=["service", "route", "status_code"],
            shows=f"The endpoints with the most 5xx answers in the chosen time range. {ESTIMATED} {BY_PATH}.",
            wrong="One failing route points at code or data; all routes at the service or its stores.",
            unit=units.Short,
            decimals=0,
            empty="No failed request is known",
            width=12,
        ),
        table(
            "Requests by endpoint",
            Query(
                _top("sum by (service, route, status_code)", each(measured, growth_from_birth(requests)), 30),
                "Requests",
            ),
            by=["service", "route", "status_code"],
            shows=f"The 30 most frequent answers in the chosen time range, by endpoint and status code. {ESTIMATED} "
            f"{BY_PATH}.",
            wrong="Look for an endpoint with more errors than successes.",
            unit=units.Short,
            decimals=0,
            width=12,
        ),
    )


def _top(aggregation: str, vector: str, number: int = 10) -> str:
    return f"topk({number},\n  {aggregation} (\n{_by_route(vector)}\n  )\n)"


def _by_route(vector: str) -> str:
    # The label `route` is the path, and one for all paths that differ in an id: a segment of digits, or with three.
    # Routes of the instrumentation package, with their parameters in braces, stay as they are.
    path_with_id = "(.*/)(?:[0-9]+|[^/{]*(?:[0-9][^/{]*){3})(/[^/]*)?"
    copied = f'label_join(\n{vector},\n    "route", "", "endpoint")'
    return f'label_replace({copied},\n    "route", "$1{{id}}$2", "endpoint", "{path_with_id}")'
