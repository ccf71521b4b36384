"""Which requests fail or are refused, and what is logged of it?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, logs, timeseries, to_logs, to_service
from dashboards.promql import series
from dashboards.system_health.selectors import ERROR_RATIO, SERVICE


def row() -> Row:
    """Refused and failed requests, and error log lines."""
    return board.row(
        "Errors",
        timeseries(
            "Refused requests",
            Query(series("service:http_requests_unmatched:rate5m", SERVICE), "{{service}} unknown"),
            Query(series("service:http_requests_refused:rate5m", SERVICE), "{{service}} refused"),
            shows="Unknown: requests per second to paths that the service does not have, which none of its other "
            "metrics count. Refused: those answered with 401, 403 or 429, which count as requests but in no ratio.",
            wrong="A steep rise is a scan (alert PathsScanned) or password guessing: block it at the load balancer. "
            "If users are turned away, look at auth-service.",
            unit=units.RequestsPerSecond,
            width=12,
        ),
        timeseries(
            "Error rate",
            Query(series("service:http_errors:ratio_rate5m", SERVICE), "{{service}}"),
            shows="Share of requests answered with a 5xx status over 5 minutes; requests that were turned away (401, "
            "403, 429) do not count. Target: below 1 %; critical above 5 %.",
            wrong="Click the service: its detail has the failing endpoints, its logs the cause.",
            unit=units.PercentUnit,
            limits=ERROR_RATIO,
            drill=[*to_service(), *to_logs()],
            width=12,
        ),
        timeseries(
            "Errors per second",
            Query(series("service:http_errors:rate5m", SERVICE), "{{service}}"),
            shows="Requests answered with a 5xx status per second, averaged over 5 minutes.",
            wrong="A high ratio with few errors is low traffic, not an outage: judge both graphs together.",
            unit=units.RequestsPerSecond,
            stacked=True,
            drill=[*to_service(), *to_logs()],
            width=12,
        ),
        timeseries(
            "Error log lines",
            Query(
                """
                60 * sum by (service_name) (
                  rate(log_records_total{service_name=~"$service", severity=~"ERROR|CRITICAL|FATAL"}[$__rate_interval])
                )
                or
                0 * sum by (service_name) (rate(log_records_total{service_name=~"$service"}[$__rate_interval]))
                """,
                "{{service_name}}",
            ),
            shows="Log lines of level ERROR or above per minute. Includes failures without an error status.",
            wrong="Read the lines below. Errors here without 5xx answers are often refused logins or retries.",
            unit=units.EventsPerMinute,
            limits=above(10, 60),
            drill=[*to_service("service_name"), *to_logs("service_name")],
            width=12,
        ),
        timeseries(
            "Gateway proxy errors",
            Query(
                """
                60 * sum by (target_service, error_type)
                  (rate(gateway_proxy_errors_total{namespace=~"$namespace"}[$__rate_interval]))
                or
                60 * label_replace(
                  label_replace(service:gateway_proxy_errors:rate5m, "error_type", "request_failed", "", ""),
                  "target_service", "all services", "", ""
                )
                """,
                "{{target_service}} {{error_type}}",
            ),
            shows="Calls per minute that the gateway could not complete, by the service called and the kind of "
            "failure. `all services` is the sum of those without an answer, over 5 minutes.",
            wrong="`request_failed` means no connection: check that service's pods. A 5xx code is its own answer.",
            unit=units.EventsPerMinute,
            limits=above(1, 10),
            width=24,
        ),
        logs(
            "Recent error logs",
            '{service_name=~"$service", k8s_namespace_name=~"$namespace"} | detected_level=~"error|critical|fatal"',
            shows="The newest log lines of level ERROR or above.",
            wrong="Open a line and search the Logs dashboard for its `request_id` to see what else the request did.",
            empty="No error line here; do all lines arrive?",
        ),
    )
