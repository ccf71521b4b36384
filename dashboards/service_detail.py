"""Service detail: everything about one service, by endpoint, with its dependencies, processes, logs and traces."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from catalogue import Catalogue, Service
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import (
    Limits,
    Query,
    above,
    bars,
    below,
    logs,
    row_to_runbook,
    row_to_service,
    stat,
    states,
    table,
    timeseries,
    to_logs,
    traces,
)
from dashboards.promql import growth_from_birth, series, union
from dashboards.stack import EVERYTHING, Stack
from dashboards.system_health import BY_SEVERITY, ERROR_RATIO, HEALTH, P95_SECONDS
from facts import BURN_RATES
from screen import GRID_COLUMNS

SERVICE = 'service=~"$service"'
PROCESS = f'namespace=~"$namespace", {SERVICE}'
LINES = '{service_name=~"$service", k8s_namespace_name=~"$namespace"}'

DEPENDENCY: Limits = [(None, "blue"), (0, "red"), (0.01, "orange"), (1, "green")]
NOT_TOLD = -1
"""Stands for a dependency of which nothing tells whether it is up."""

BY_PATH = (
    "Paths that hold an id are shown as one, with {id}. A service without the instrumentation package names each path "
    "as the client sent it"
)

ESTIMATED = (
    "Estimated for processes that started or stopped in that time; their first answer of each kind is not counted."
)


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace and the services' metric names.

    Nothing of it asks for traces in a stack that keeps none: Grafana would mark the whole dashboard with an error.

    Raises ValueError if no service exposes metrics.
    """
    measured = catalogue.measured
    if not measured:
        raise ValueError(
            "services.yaml: no service exposes metrics, Service detail needs one: give a service a `prefix`"
        )
    return board.dashboard(
        "service-detail",
        "Service detail",
        "One service: its promises, requests by endpoint, dependencies, processes, alerts and logs"
        f"{', and its traces' if stack.traces else ''}. Services that expose no metrics are on System Health and Logs "
        "only.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            *([board.tempo_datasource()] if stack.traces else []),
            board.choice("service", "Service", "label_values(service:slo_objective:ratio, service)", measured[0].name),
            board.logging_namespace(catalogue.namespace),
        ],
        rows=[
            _promises(stack),
            _requests(measured),
            _endpoints(measured),
            _dependencies(measured, len(catalogue.services)),
            _processes(),
            _logs_and_traces(stack),
        ],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )


def _promises(stack: Stack) -> Row:
    return row(
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
            Query(series("service:slo_error_budget_remaining:ratio", SERVICE), "{{service}} {{sli}}"),
            shows="The share left of the failures that the objective allows in 14 days. Below 0 the objective is "
            "missed.",
            wrong="Stop risky changes while it is low; the burn rate beside it shows when it was spent.",
            unit=units.PercentUnit,
            limits=below(0.25, 0),
            maximum=1,
            width=11,
            height=6,
        ),
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
            width=12,
        ),
        table(
            "Firing alerts",
            Query(
                f"""
                1000 * min by (severity, alertname, service) (
                  {series("ALERTS_FOR_STATE", 'severity!="none"', SERVICE)}
                    and ignoring (alertstate)
                  {series("ALERTS", 'alertstate="firing"', 'severity!="none"', SERVICE)}
                )
                """,
                "Active",
            ),
            by=["severity", "alertname", "service"],
            shows="The service's alerts that fire now, silenced ones too, and since when their condition has held.",
            wrong="Start with the critical one that is active longest: a click on it opens its runbook.",
            unit=units.DateTimeFromNow,
            order=BY_SEVERITY,
            drills={"alertname": row_to_runbook(stack.runbooks), "service": row_to_service()},
            empty="No alert is firing",
            width=12,
        ),
    )


def _requests(measured: Sequence[Service]) -> Row:
    return row(
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
                    series(f"service:http_request_latency_seconds:p{percentile}_rate5m", SERVICE),
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
        timeseries(
            "Requests by status code",
            Query(
                "sum by (service, status_code) (\n"
                + _each(measured, f"rate({series('<prefix>_requests_total', SERVICE)}[$__rate_interval])")
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
                f"sum by (service) (\n{_each(measured, series('<prefix>_requests_in_flight', SERVICE))}\n)",
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


def _endpoints(measured: Sequence[Service]) -> Row:
    requests = series("<prefix>_requests_total", SERVICE, "<endpoints>", "<statuses>")
    failed = series("<prefix>_requests_total", SERVICE, "<endpoints>", 'status_code=~"5.."')
    buckets = series("<prefix>_request_latency_seconds_bucket", SERVICE, "<endpoints>")
    slowest = (
        "histogram_quantile(0.95,\n"
        f"  sum by (service, route, le) (\n{_by_route(_each(measured, f'rate({buckets}[$__rate_interval])'))}\n  )\n"
        ") > 0"  # without a request there is no quantile
    )
    return row(
        "By endpoint",
        timeseries(
            "Busiest endpoints",
            Query(
                _top("sum by (service, route)", _each(measured, f"rate({requests}[$__rate_interval])")),
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
                _top("sum by (service, route)", _each(measured, f"rate({failed}[$__rate_interval])")) + " > 0",
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
            Query(f"topk(10,\n{slowest}\n)", "{{service}} {{route}}"),
            shows=f"95th percentile of the ten slowest endpoints, interpolated between histogram bounds. {BY_PATH}.",
            wrong="A route that is slow alone does too much work; all of them slow: a store, or too little CPU.",
            unit=units.Seconds,
            limits=P95_SECONDS,
            drill=to_logs(),
        ),
        table(
            "Failing endpoints",
            Query(
                _top("sum by (service, route, status_code)", _each(measured, growth_from_birth(failed)), 15) + " > 0",
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
                _top("sum by (service, route, status_code)", _each(measured, growth_from_birth(requests)), 30),
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


def _dependencies(measured: Sequence[Service], services: int) -> Row:
    told = _each(measured, series("<prefix>_dependency_up", SERVICE))
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
    return row(
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


def _processes() -> Row:
    return row(
        "Processes",
        timeseries(
            "CPU",
            Query(
                f"sum by (service, pod) (rate({series('process_cpu_seconds_total', PROCESS)}[$__rate_interval]))",
                "{{pod}}",
            ),
            shows="CPU cores that each process uses, as it counts them itself.",
            wrong="Compare with the request rate: more CPU for the same traffic came with a change of code or data.",
            unit=units.Short,
            soft_max=0.1,
            width=6,
        ),
        timeseries(
            "Memory",
            Query(f"sum by (service, pod) ({series('process_resident_memory_bytes', PROCESS)})", "{{pod}}"),
            shows="Resident memory of each process.",
            wrong="A steady climb over hours is a leak: the container will be killed at its limit.",
            unit=units.BytesIEC,
            width=6,
        ),
        timeseries(
            "Open file descriptors",
            Query(
                f"max by (service, pod) ({series('process_open_fds', PROCESS)} / {series('process_max_fds', PROCESS)})",
                "{{pod}}",
            ),
            shows="Open files and sockets as a share of what the process may open.",
            wrong="A climb means that connections are not closed: look for a slow or failing dependency.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
            width=6,
        ),
        bars(
            "Restarts",
            Query(
                "sum by (container, pod) (increase("
                'kube_pod_container_status_restarts_total{namespace=~"$namespace", container=~"$service"}[$__range]))',
                "{{pod}}",
            ),
            shows="Restarts of the service's containers in the chosen time range.",
            wrong="Read the last lines before the restart below; `kubectl describe pod` gives the reason.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 3),
            width=6,
        ),
    )


def _logs_and_traces(stack: Stack) -> Row:
    return row(
        "Logs and traces" if stack.traces else "Logs",
        timeseries(
            "Log lines by level",
            Query(
                """
                60 * sum by (service_name, severity) (
                  rate(log_records_total{service_name=~"$service", k8s_namespace_name=~"$namespace"}[$__rate_interval])
                )
                """,
                "{{service_name}} {{severity}}",
            ),
            shows="Log lines per minute by level, as the log agents count them.",
            wrong="Errors without 5xx answers are often refused logins or retries. No line at all: see Logs.",
            unit=units.EventsPerMinute,
            stacked=True,
            drill=to_logs("service_name"),
            width=12 if stack.traces else GRID_COLUMNS,
        ),
        *([_traces()] if stack.traces else []),
        logs(
            "Error logs",
            f'{LINES} | detected_level=~"error|critical|fatal"',
            shows="The newest log lines of level ERROR or above.",
            wrong="Open a line: its `request_id` leads to all lines of the request"
            + (", its `trace_id` to the trace." if stack.traces else "."),
            empty="No line of an error was found; do all lines arrive?",
            width=12,
        ),
        logs(
            "All logs",
            LINES,
            shows="The newest log lines of the service.",
            wrong="No line while requests are answered: see Logs for the agents. To search, open Logs.",
            width=12,
        ),
    )


def _traces() -> Panel:
    return traces(
        "Slow or failed traces",
        '{resource.service.name=~"$service" && (duration > 250ms || status = error)}',
        shows="Traces of the chosen time range with a span of the service that took longer than 250 ms or failed. "
        "Needs services that send spans.",
        wrong="Open a trace: its longest span is where the time was spent.",
        width=12,
    )


def _each(measured: Sequence[Service], vector: str) -> str:
    """A vector of every service: `<prefix>` stands for what its metrics are named after.

    `<endpoints>` and `<statuses>` stand for matchers that leave out what counts as no request: what the monitoring
    itself asks for, and redirects.
    """
    return union([_of(service, vector) for service in measured])


def _of(service: Service, vector: str) -> str:
    endpoints = "|".join((service.health_path, service.metrics_path, *service.ignored_endpoints))
    vector = vector.replace("<endpoints>", f'endpoint!~"{endpoints}"')
    vector = vector.replace("<statuses>", f'status_code!~"{"|".join(service.ignored_statuses)}"')
    return vector.replace("<prefix>", str(service.prefix))


def _top(aggregation: str, vector: str, number: int = 10) -> str:
    return f"topk({number},\n  {aggregation} (\n{_by_route(vector)}\n  )\n)"


def _by_route(vector: str) -> str:
    # The label `route` is the path, and one for all paths that differ in an id: a segment of digits, or with three.
    # Routes of the instrumentation package, with their parameters in braces, stay as they are.
    path_with_id = "(.*/)(?:[0-9]+|[^/{]*(?:[0-9][^/{]*){3})(/[^/]*)?"
    copied = f'label_join(\n{vector},\n    "route", "", "endpoint")'
    return f'label_replace({copied},\n    "route", "$1{{id}}$2", "endpoint", "{path_with_id}")'
