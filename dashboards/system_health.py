"""System Health: are the services up, fast and free of errors, and have they room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue, Service
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import Query, above, bars, below, logs, stat, states, table, timeseries, to_service

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

CONTAINER = 'namespace=~"$namespace", container=~"$service"'
PROCESS = 'namespace=~"$namespace", service=~"$service"'


def build(catalogue: Catalogue) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace and the services' metric names."""
    return board.dashboard(
        "system-health",
        "System Health",
        "Service status, response times, error rates, alerts and resource use of the order processor's services.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            board.choice("service", "Service", "label_values(service:probe_success:ratio, service)"),
            board.namespace(catalogue.namespace),
        ],
        rows=[
            _status(),
            _alerts(),
            _response_times(),
            _errors(catalogue.measured),
            _resources(),
            _one_service(),
        ],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )


def _status() -> Row:
    return row(
        "Service status and health",
        stat(
            "Service status",
            Query(HEALTH, "{{service}}"),
            shows="Each service now: up when all its targets answer the scrape and its health probe succeeds.",
            wrong="Click the service, read its recent error logs below, then `kubectl get pods` in its namespace.",
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
            width=12,
        ),
        bars(
            "Availability",
            Query('avg_over_time(service:probe_success:ratio{service=~"$service"}[$__range])', "{{service}}"),
            shows="Share of the chosen time range in which the health probe succeeded. The stated target is 99.9 %.",
            wrong="Find the outage in the status over time; one short outage is enough to miss the target in an hour.",
            unit=units.PercentUnit,
            limits=below(0.999, 0.99),
            maximum=1,
            drill=to_service(),
            width=12,
        ),
        timeseries(
            "Health probe duration",
            Query(
                'max by (service) (probe_duration_seconds{job="service-probes", service=~"$service"})',
                "{{service}}",
            ),
            shows="Time that the probe of the health endpoint took, from name resolution to the last byte.",
            wrong="A slow probe beside normal response times points at DNS or the network, not at the service.",
            unit=units.Seconds,
            width=12,
        ),
    )


def _alerts() -> Row:
    return row(
        "Alerts",
        *(
            stat(
                f"{severity.capitalize()} alerts",
                Query(f'count(ALERTS{{{FIRING}, severity="{severity}"}}) or vector(0)', f"firing, {severity}"),
                shows=f"Alerts of severity {severity} that fire now, silenced ones included.",
                wrong="Read the table beside it; each alert's notification links to its runbook.",
                unit=units.Short,
                decimals=0,
                limits=[(None, "green"), (1, colour)],
                width=3,
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
                  ALERTS{{{FIRING}}}
                )
                """,
                "Active",
            ),
            by=["severity", "alertname", "service", "owner"],
            shows="Every alert that fires now, silenced ones included, and since when its condition has held.",
            wrong="Start with the critical one that is active longest; follow its runbook.",
            unit=units.DateTimeFromNow,
            empty="No alert is firing",
            width=18,
        ),
        timeseries(
            "Firing alerts by severity",
            Query(f"count by (severity) (ALERTS{{{FIRING}}})", "{{severity}}"),
            shows="How many alerts fired at each moment.",
            wrong="Many at once are usually one cause: look for the first one in the status over time.",
            unit=units.Short,
            colours={"critical": "red", "warning": "orange", "info": "blue"},
            empty="No alert has fired",
            stacked=True,
            width=24,
            height=6,
        ),
    )


def _response_times() -> Row:
    return row(
        "Response times and traffic",
        *(
            timeseries(
                f"Response time P{percentile}",
                Query(
                    f'service:http_request_latency_seconds:p{percentile}_rate5m{{service=~"$service"}}',
                    "{{service}}",
                ),
                shows=f"{percentile} % of each service's requests of the last 5 minutes were faster than this. "
                "Interpolated between histogram bounds. " + note,
                wrong="See whether traffic rose, CPU is throttled or a dependency is slow (Infrastructure, DynamoDB).",
                unit=units.Seconds,
                limits=P95_SECONDS if percentile == 95 else [(None, "green")],
                drill=to_service(),
            )
            for percentile, note in (
                (50, "The typical request."),
                (95, "Target: below 200 ms; the alert's bound is 250 ms."),
                (99, "The slowest requests that users still meet often."),
            )
        ),
        timeseries(
            "Requests within 250 ms",
            Query(f"{_requests_up_to('0.25')}\n  /\n{_requests_up_to('+Inf')}", "{{service}}"),
            shows="Share of requests answered within 250 ms: a histogram bound, so exact, unlike the percentiles.",
            wrong="Below 95 % the 95th percentile is over the bound: find the service, then its resource use below.",
            unit=units.PercentUnit,
            limits=below(0.95, 0.9),
            maximum=1,
            width=12,
        ),
        timeseries(
            "Request rate",
            Query('service:http_requests:rate5m{service=~"$service"}', "{{service}}"),
            shows="Requests per second that each service answered, averaged over 5 minutes. Redirects are left out.",
            wrong="A fall to zero with the service up means that calls no longer arrive: check the gateway.",
            unit=units.RequestsPerSecond,
            width=12,
        ),
    )


def _requests_up_to(seconds: str) -> str:
    # rate() over a sum is right here: the sum is of one process, whose counters restart together.
    buckets = f'instance:http_request_latency_seconds_bucket:sum{{service=~"$service", le="{seconds}"}}'
    return f"sum by (service) (rate({buckets}[$__rate_interval]))"


def _errors(measured: tuple[Service, ...]) -> Row:
    return row(
        "Errors",
        timeseries(
            "Error rate",
            Query('service:http_errors:ratio_rate5m{service=~"$service"}', "{{service}}"),
            shows="Share of requests answered with a 5xx status over 5 minutes. Target: below 1 %; critical above 5 %.",
            wrong="Find the endpoint in the table of failing endpoints and the cause in the error logs.",
            unit=units.PercentUnit,
            limits=ERROR_RATIO,
            drill=to_service(),
            width=12,
        ),
        timeseries(
            "Errors per second",
            Query('service:http_errors:rate5m{service=~"$service"}', "{{service}}"),
            shows="Requests answered with a 5xx status per second, averaged over 5 minutes.",
            wrong="A high ratio with few errors is low traffic, not an outage: judge both graphs together.",
            unit=units.RequestsPerSecond,
            stacked=True,
            width=12,
        ),
        table(
            "Failing endpoints",
            Query(_failing_endpoints(measured), "Errors"),
            by=["service", "endpoint", "status_code"],
            shows="Endpoints with the most 5xx answers in the chosen time range. The path is as the client sent it, "
            "so ids spread one route over many rows.",
            wrong="One failing route points at code or data; all routes of a service at the service or its stores.",
            unit=units.Short,
            decimals=0,
            empty="No request has failed",
            width=12,
        ),
        timeseries(
            "Gateway proxy errors",
            Query(
                "60 * sum by (target_service, error_type) "
                '(rate(gateway_proxy_errors_total{namespace=~"$namespace"}[$__rate_interval]))',
                "{{target_service}} {{error_type}}",
            ),
            shows="Calls per minute that the gateway could not complete, by the service called and the kind of "
            "failure. The first failure of each kind after the gateway starts is not counted.",
            wrong="`request_failed` means no connection: check that service's pods. A 5xx code is its own answer.",
            unit=units.EventsPerMinute,
            empty="No call has failed",
            width=6,
        ),
        timeseries(
            "Error log lines",
            Query(
                """
                60 * sum by (service_name, severity) (
                  rate(log_records_total{service_name=~"$service", severity=~"ERROR|CRITICAL|FATAL"}[$__rate_interval])
                )
                """,
                "{{service_name}} {{severity}}",
            ),
            shows="Log lines of level ERROR or above per minute. Sees failures that no status code shows.",
            wrong="Read the lines below. Errors here without 5xx answers are often refused logins or retries.",
            unit=units.EventsPerMinute,
            empty="No error was logged",
            width=6,
        ),
        logs(
            "Recent error logs",
            '{service_name=~"$service", k8s_namespace_name=~"$namespace"} | detected_level=~"error|critical|fatal"',
            shows="The newest log lines of level ERROR or above.",
            wrong="Open a line and search for its `request_id` to see what else the request did.",
        ),
    )


def _failing_endpoints(measured: tuple[Service, ...]) -> str:
    # A counter's growth is its value now less its value at the start of the range, or all of it if it was born or its
    # process restarted since. increase() would miss the first error of every path, which is often the only one.
    grown = "\n    or\n".join(
        "    {now} - {now} offset $__range >= 0 or {now}".format(
            now=f'{service.prefix}_requests_total{{service=~"$service", status_code=~"5.."}}'
        )
        for service in measured
    )
    return f"topk(15,\n  sum by (service, endpoint, status_code) (\n{grown}\n  ) > 0\n)"


def _resources() -> Row:
    return row(
        "Resource utilisation",
        timeseries(
            "CPU by service",
            Query(
                f"sum by (service) (rate(process_cpu_seconds_total{{{PROCESS}}}[$__rate_interval]))",
                "{{service}}",
            ),
            shows="CPU cores that each service's processes use, as they count it themselves.",
            wrong="Compare with the request rate: more CPU for the same traffic came with a change of code or data.",
            unit=units.Short,
        ),
        timeseries(
            "Memory by service",
            Query(f"sum by (service) (process_resident_memory_bytes{{{PROCESS}}})", "{{service}}"),
            shows="Resident memory of each service's processes.",
            wrong="A steady climb over hours is a leak: the container will be killed at its limit.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Open file descriptors",
            Query(
                f"max by (service) (process_open_fds{{{PROCESS}}} / process_max_fds{{{PROCESS}}})",
                "{{service}}",
            ),
            shows="Open files and sockets as a share of what the process may open; the fullest instance.",
            wrong="A climb means that connections are not closed: look for a slow or failing dependency.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
        ),
        timeseries(
            "Container memory against limit",
            Query(
                f"""
                max by (container) (
                  max by (namespace, pod, container) (container_memory_working_set_bytes{{{CONTAINER}}})
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
        ),
        timeseries(
            "Container CPU against limit",
            Query(
                f"""
                max by (container) (
                  sum by (namespace, pod, container)
                    (rate(container_cpu_usage_seconds_total{{{CONTAINER}}}[$__rate_interval]))
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
        ),
        timeseries(
            "CPU throttling",
            Query(
                f"""
                sum by (container) (rate(container_cpu_cfs_throttled_periods_total{{{CONTAINER}}}[$__rate_interval]))
                  /
                sum by (container) (rate(container_cpu_cfs_periods_total{{{CONTAINER}}}[$__rate_interval]))
                """,
                "{{container}}",
            ),
            shows="Share of scheduling periods in which a container was stopped because its CPU limit was used up.",
            wrong="Explains slow answers at low average CPU: short bursts meet the limit. Raise it.",
            unit=units.PercentUnit,
            limits=above(0.25, 0.5),
        ),
    )


def _limit(resource: str) -> str:
    return (
        f'max by (namespace, pod, container) (kube_pod_container_resource_limits{{{CONTAINER}, resource="{resource}"}})'
    )


def _one_service() -> Row:
    return row(
        "$service in detail",
        timeseries(
            "$service: response time percentiles",
            *(
                Query(
                    f'service:http_request_latency_seconds:p{percentile}_rate5m{{service=~"$service"}}',
                    f"P{percentile}",
                )
                for percentile in (50, 95, 99)
            ),
            shows="The three percentiles of one service over 5 minutes, together.",
            wrong="P99 alone rising is a few slow requests; all three rising is the service or a store as a whole.",
            unit=units.Seconds,
            limits=P95_SECONDS,
        ),
        timeseries(
            "$service: request and error rate",
            Query('service:http_requests:rate5m{service=~"$service"}', "requests"),
            Query('service:http_errors:rate5m{service=~"$service"}', "errors"),
            shows="Requests and failed requests (5xx) per second over 5 minutes.",
            wrong="Errors that follow traffic are a defect in one route; errors at steady traffic are an outage.",
            unit=units.RequestsPerSecond,
            colours={"errors": "red"},
        ),
        timeseries(
            "$service: error rate",
            Query('service:http_errors:ratio_rate5m{service=~"$service"}', "5xx"),
            shows="Share of requests answered with a 5xx status over 5 minutes.",
            wrong="Above 1 % users notice; above 5 % for 5 minutes somebody is paged.",
            unit=units.PercentUnit,
            limits=ERROR_RATIO,
        ),
        repeat="service",
    )
