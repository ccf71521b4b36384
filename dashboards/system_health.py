"""System Health: are the services up, fast and free of errors, and have they room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import (
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
    to_service,
)
from dashboards.promql import growth, series
from dashboards.stack import EVERYTHING, Stack
from facts import BURN_RATES
from parts import PROBES_JOB

ERROR_RATIO = above(0.01, 0.05)
"""The application's stated error rate: below 1 %, critical above 5 %."""

P95_SECONDS = above(0.2, 0.25)
"""The stated target of 200 ms, and the histogram bound nearest above it, which the alert uses."""

# A service is healthy to the share of its targets that are up, and not at all if its probe fails. Either may be
# missing: a service without metrics has no targets, and without the blackbox exporter there are no probes.
HEALTH = """
max by (service) (
  service:up:ratio{service=~"$service"} * on (service) service:probe_success:ratio{service=~"$service"}
    or on (service)
  service:up:ratio{service=~"$service"}
    or on (service)
  service:probe_success:ratio{service=~"$service"}
)
"""

# An alert without a `service` label belongs to the platform and is shown whatever service is chosen.
FIRING = 'alertstate="firing", severity!="none", service=~"$service|"'

BY_SEVERITY = [("Severity", False), ("Active", False)]
"""Critical alerts first, and of those the oldest."""

SERVICE = 'service=~"$service"'
PROBE = f'job="{PROBES_JOB}"'
REQUESTS = series("instance:http_requests:sum", SERVICE)
ERRORS = series("instance:http_errors:sum", SERVICE)
CONTAINER = 'namespace=~"$namespace", container=~"$service"'
PROCESS = f'namespace=~"$namespace", {SERVICE}'

BUDGET_MEANS = "1 minus the objective is what may fail within 14 days; availability counts 5xx, latency slow answers."


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace, the stack where alerts lead.

    A service without metrics is shown with all the others and cannot be chosen alone: only its status is known.
    """
    return board.dashboard(
        "system-health",
        "System Health",
        "Status, alerts, error budgets, response times, errors and saturation of the order processor's services.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            board.choice("service", "Service", "label_values(service:up:ratio, service)"),
            board.choice(
                "namespace",
                "Namespace",
                "label_values(instance:http_requests:sum, namespace)",
                catalogue.namespace,
            ),
        ],
        rows=[
            _status(),
            _alerts(stack),
            _probes(),
            _objectives(),
            _response_times(),
            _errors(),
            _resources(),
        ],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )


def _status() -> Row:
    return row(
        "Service status and health",
        stat(
            "Service status",
            Query(f"sort({HEALTH})", "{{service}}"),
            shows="Each service now: up when all its targets answer the scrape and its health probe succeeds.",
            wrong="Click the service for its detail and its logs, then `kubectl get pods` in its namespace.",
            unit=units.PercentUnit,
            limits=below(1, 0.01),
            words={0: "Down", 1: "Up"},
            drill=to_service(),
            width=12,
        ),
        states(
            "Service status over time",
            Query(HEALTH, "{{service}}"),
            shows="When each service was up (green), partly up (orange) or down (red).",
            wrong="Compare the start of a band with deployments and with the alerts marked on the graphs.",
            unit=units.PercentUnit,
            limits=below(1, 0.01),
            words={0: "Down", 1: "Up"},
            drill=to_service(),
            width=12,
        ),
    )


def _probes() -> Row:
    return row(
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


def _alerts(stack: Stack) -> Row:
    return row(
        "Alerts",
        *(
            stat(
                severity.capitalize(),
                Query(_firing(severity), f"firing, {severity}"),
                shows=f"Alerts of severity {severity} that fire now, silenced ones included.",
                wrong="Read the table beside it; each alert's notification links to its runbook.",
                unit=units.Short,
                decimals=0,
                limits=[(None, "green"), (1, colour)],
                width=4,
            )
            for severity, colour in (("critical", "red"), ("warning", "orange"))
        ),
        table(
            "Firing alerts",
            Query(
                f"""
                1000 * min by (severity, alertname, service, owner) (
                  ALERTS_FOR_STATE{{severity!="none", service=~"$service|"}}
                    and ignoring (alertstate)
                  {series("ALERTS", FIRING)}
                )
                """,
                "Active",
            ),
            by=["severity", "alertname", "service", "owner"],
            shows="Every alert that fires now, silenced ones included, and since when its condition has held.",
            wrong="Start with the critical one that is active longest: a click on it opens its runbook, a click on the "
            "service its detail.",
            unit=units.DateTimeFromNow,
            order=BY_SEVERITY,
            drills={"alertname": row_to_runbook(stack.runbooks), "service": row_to_service()},
            empty="No alert is firing",
            width=16,
        ),
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


def _objectives() -> Row:
    return row(
        "Availability and error budget",
        bars(
            "Availability",
            Query(
                f"""
                sort(
                  1
                    -
                  sum_over_time({series("service:sli_errors:increase3m", SERVICE, sli="availability")}[$__range])
                    /
                  (sum_over_time({series("service:sli_events:increase3m", SERVICE, sli="availability")}[$__range]) > 0)
                )
                """,
                "{{service}}",
            ),
            Query(f"sort(1 - {series('service:http_errors:ratio_rate5m', SERVICE)})", "{{service}}, last 5 min"),
            shows="Share of requests in the chosen time range that did not fail with 5xx; those turned away (401, "
            "403, 429) do not count. Target: 99.9 %. It is updated every 3 minutes, so a new outage shows up to 3 "
            "minutes late: the bars of the last 5 minutes, below, show it at once.",
            wrong="See in the error rate below when they failed, and in Service detail which endpoints.",
            unit=units.PercentUnit,
            decimals=3,
            limits=below(0.999, 0.99),
            maximum=1,
            drill=to_service(),
            height=11,
        ),
        bars(
            "Error budget left",
            Query(f"sort({series('service:slo_error_budget_remaining:ratio', SERVICE)})", "{{service}} {{sli}}"),
            shows="What is left of the error budget of the last 14 days; below 0 the objective is missed. "
            f"{BUDGET_MEANS} Updated every 3 minutes.",
            wrong="Little left: put off risky releases and fix what fails first. Without a fast burn beside it, this "
            "can wait until working hours.",
            unit=units.PercentUnit,
            decimals=1,
            limits=below(0.25, 0),
            maximum=1,
            drill=to_service(),
        ),
        timeseries(
            "Error budget left over time",
            Query(series("service:slo_error_budget_remaining:ratio", SERVICE), "{{service}} {{sli}}"),
            shows="The error budget left at each moment. It recovers as failures become older than 14 days. "
            f"{BUDGET_MEANS}",
            wrong="A step down is one outage, a slope a defect that is still there: see the burn rates.",
            unit=units.PercentUnit,
            limits=below(0.25, 0),
            drill=to_service(),
        ),
        *(
            timeseries(
                f"Burn rate over {window}",
                Query(series(f"service:slo_burn_rate:{record}", SERVICE), "{{service}} {{sli}}"),
                shows=f"How fast the last {window} spent the error budget: 1 spends it in exactly 14 days. "
                f"Above {critical} {consequence}.",
                wrong=wrong,
                unit=units.Short,
                limits=above(1, critical),
                drill=[*to_service(), *to_logs()],
            )
            for window, record, critical, consequence, wrong in (
                (
                    "30 minutes",
                    "ratio_rate30m",
                    BURN_RATES["30m"],
                    "on-call is paged if this is sustained",
                    "Act now: roll back what was deployed last, or find the failing endpoints in Service detail.",
                ),
                (
                    "3 hours",
                    "ratio_rate3h",
                    BURN_RATES["3h"],
                    "on-call is paged if this is sustained",
                    "A slower fault, or one that is over: the rate over 30 minutes says which.",
                ),
                (
                    "12 hours",
                    "ratio_increase12h",
                    BURN_RATES["12h"],
                    "a warning is sent if this is sustained",
                    "Something fails a little all day: look for it in working hours, before the budget is gone.",
                ),
            )
        ),
    )


def _response_times() -> Row:
    return row(
        "Response times and traffic",
        *(
            timeseries(
                f"Response time P{percentile}",
                Query(series(f"service:http_request_latency_seconds:p{percentile}_rate5m", SERVICE), "{{service}}"),
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


def _errors() -> Row:
    return row(
        "Errors",
        timeseries(
            "Refused requests",
            Query(series("service:http_requests_unmatched:rate5m", SERVICE), "{{service}}: unknown path"),
            Query(series("service:http_requests_refused:rate5m", SERVICE), "{{service}}: turned away"),
            shows="Requests per second to paths that the service does not have, which none of its other metrics "
            "count; and those answered with 401, 403 or 429, which count as requests but in no ratio.",
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


def _resources() -> Row:
    throttled = series("container_cpu_cfs_throttled_periods_total", CONTAINER)
    periods = series("container_cpu_cfs_periods_total", CONTAINER)
    return row(
        "Saturation and resource utilisation",
        timeseries(
            "CPU by service",
            Query(
                f"sum by (service) (rate({series('process_cpu_seconds_total', PROCESS)}[$__rate_interval]))",
                "{{service}}",
            ),
            shows="CPU cores that each service's processes use, as they count it themselves.",
            wrong="Compare with the request rate: more CPU for the same traffic came with a change of code or data.",
            unit=units.Short,
            soft_max=0.1,
            drill=to_service(),
        ),
        timeseries(
            "Memory by service",
            Query(f"sum by (service) ({series('process_resident_memory_bytes', PROCESS)})", "{{service}}"),
            shows="Resident memory of each service's processes.",
            wrong="A steady climb over hours is a leak: the container will be killed at its limit.",
            unit=units.BytesIEC,
            drill=to_service(),
        ),
        timeseries(
            "Open file descriptors",
            Query(
                f"max by (service) ({series('process_open_fds', PROCESS)} / {series('process_max_fds', PROCESS)})",
                "{{service}}",
            ),
            shows="Open files and sockets as a share of what the process may open; the fullest instance.",
            wrong="A climb means that connections are not closed: look for a slow or failing dependency.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
            drill=to_service(),
        ),
        timeseries(
            "Container memory against limit",
            Query(
                f"""
                max by (container) (
                  max by (namespace, pod, container) ({series("container_memory_working_set_bytes", CONTAINER)})
                    /
                  {_limit("memory")}
                )
                """,
                "{{container}}",
            ),
            shows="Memory in use as a share of the container's limit; the fullest pod. At 100 % it is killed.",
            wrong="Raise the limit or find the leak before 100 %; see Infrastructure for restarts.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            drill=to_service("container"),
        ),
        timeseries(
            "Container CPU against limit",
            Query(
                f"""
                max by (container) (
                  sum by (namespace, pod, container)
                    (rate({series("container_cpu_usage_seconds_total", CONTAINER)}[$__rate_interval]))
                    /
                  {_limit("cpu")}
                )
                """,
                "{{container}}",
            ),
            shows="CPU in use as a share of the container's limit; the busiest pod.",
            wrong="Near 100 % requests wait for CPU: raise the limit or add replicas.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            drill=to_service("container"),
        ),
        timeseries(
            "CPU throttling",
            Query(
                f"""
                sum by (container) (rate({throttled}[$__rate_interval]))
                  /
                sum by (container) (rate({periods}[$__rate_interval]))
                """,
                "{{container}}",
            ),
            shows="Share of scheduling periods in which a container was stopped because its CPU limit was used up.",
            wrong="Explains slow answers at low average CPU: short bursts meet the limit. Raise it.",
            unit=units.PercentUnit,
            limits=above(0.25, 0.5),
            drill=to_service("container"),
        ),
    )


def _limit(resource: str) -> str:
    limits = series("kube_pod_container_resource_limits", CONTAINER, resource=resource)
    return f"max by (namespace, pod, container) ({limits})"
