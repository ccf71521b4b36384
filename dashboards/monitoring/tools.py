"""Do the operator, Grafana and the exporters do their work?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, stat, timeseries
from dashboards.promql import quantile


def row() -> Row:
    """The operator's objects, Grafana's requests, and the calls of the exporters."""
    return board.row(
        "Operator, Grafana and exporters",
        timeseries(
            "Operator: reconciliations",
            Query(
                "sum by (controller) (rate(prometheus_operator_reconcile_operations_total[$__rate_interval]))",
                "{{controller}}",
            ),
            Query(
                "sum by (controller) (rate(prometheus_operator_reconcile_errors_total[$__rate_interval]))",
                "{{controller}} errors",
            ),
            shows="How often the operator reconciles Prometheus and Alertmanager, and how often it fails.",
            wrong="Errors: changed rules and monitors do not take effect. The operator's log names the object.",
            unit=units.OpsPerSecond,
        ),
        timeseries(
            "Operator: objects rejected",
            Query(
                'sum by (resource) (prometheus_operator_managed_resources{state="rejected"})',
                "{{resource}}",
            ),
            shows="Rules, monitors and probes that the operator refuses to use.",
            wrong="Prometheus ignores rejected objects: `kubectl describe` them, the reason is in their events.",
            unit=units.Short,
            limits=above(1, 5),
        ),
        timeseries(
            "kube-state-metrics: lists and watches",
            *(
                Query(
                    f"sum by (result) (rate(kube_state_metrics_{what}_total[$__rate_interval]))",
                    what + " {{result}}",
                )
                for what in ("list", "watch")
            ),
            shows="Requests a second for the cluster's objects; lists only if the API server does not stream them. "
            "The line for errors appears with the first error.",
            wrong="Errors: it lacks permission to read a kind of object, and panels on those are empty. See its "
            "ClusterRole.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Grafana: requests by status",
            Query(
                "sum by (status_code) (rate(grafana_http_request_duration_seconds_count[$__rate_interval]))",
                "{{status_code}}",
            ),
            shows="Requests a second that Grafana answered, by status.",
            wrong="5xx: its log names the request; often its database, on a full volume. 401: an expired session.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Grafana: response time P95",
            Query(quantile(0.95, "grafana_http_request_duration_seconds_bucket"), "P95"),
            shows="Time within which Grafana answers 95 % of its requests, queries of panels included.",
            wrong="Follows its data sources: compare with the latencies of Prometheus and Loki above.",
            unit=units.Seconds,
            limits=above(1, 5),
        ),
        timeseries(
            "Grafana: queries by data source",
            Query(
                "sum by (plugin_id, status) (rate(grafana_plugin_request_total[$__rate_interval]))",
                "{{plugin_id}} {{status}}",
            ),
            shows="Requests a second to each kind of data source, and how they ended.",
            wrong="Errors of one kind: its address or its pods. Cancelled ones are people who did not wait.",
            unit=units.RequestsPerSecond,
            colours={"/.* error/": "red"},
        ),
        stat(
            "Grafana: dashboards",
            Query("max(grafana_stat_totals_dashboard)", "dashboards"),
            shows="Dashboards that Grafana has loaded.",
            wrong="None: its sidecar does not find the ConfigMaps; `make verify` says which are missing.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green")],
            width=6,
        ),
        timeseries(
            "CloudWatch exporter: calls",
            Query(
                "sum by (api_name) (increase(yace_cloudwatch_requests_total[$__rate_interval]))",
                "{{api_name}}",
            ),
            Query("sum(job:yace_cloudwatch_request_errors:increase15m)", "errors in 15 m"),
            shows="Calls to CloudWatch, which AWS charges, and those that failed. Only in a stack with AWS.",
            wrong="Errors: the role's policy, or throttling. More calls than before: a new metric or resource.",
            unit=units.Short,
            width=9,
        ),
        timeseries(
            "Prober: probes it cannot make",
            Query("sum(increase(blackbox_module_unknown_total[$__rate_interval]))", "unknown modules"),
            shows="Probes that name a module unknown to the prober, so they never run.",
            wrong="A Probe names a module that the prober's configuration lacks.",
            unit=units.Short,
            limits=above(1, 10),
            width=9,
        ),
    )
