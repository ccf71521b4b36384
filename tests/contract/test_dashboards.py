"""The dashboards against their contract: what the specification lists, what Grafana needs, what an operator needs.

Every rule comes with a counter-example: a change to a good dashboard that the rule must report, so that no rule passes
because it looks at nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

import dashboards
from catalogue import Service
from checks.dashboard_rules import (
    BOARDS,
    CATALOGUE,
    Board,
    Rule,
    a_panel_asks_one_data_source,
    behaves_as_every_dashboard,
    counters_are_read_by_their_growth,
    data_sources_are_variables,
    data_sources_can_be_chosen,
    expanded,
    fields_to_type_in_start_empty,
    ids_and_titles_are_unique,
    links_lead_somewhere,
    log_queries_select_streams,
    log_selectors_are_bound_to_the_variables,
    metrics_exist,
    numbers_have_a_unit,
    panels,
    panels_fit_the_grid,
    panels_have_a_query,
    panels_say_what_they_show_and_what_to_do,
    promql_parses,
    promtool,
    queries,
    queries_go_where_their_language_is_spoken,
    queries_use_only_declared_variables,
    ranges_stay_within_retention,
    rates_use_the_rate_interval,
    selectors_are_bound_to_the_variables,
    series_have_a_legend,
    the_rate_interval_is_for_rates,
    the_resolution_can_be_chosen,
    variables,
    variables_are_fresh_and_used,
    variables_ask_in_promql,
)
from dashboards import business_operations, infrastructure, monitoring, service_detail, system_health
from dashboards.board import row
from dashboards.panels import LogQuery, table
from dashboards.promql import series

REQUIRED_PANELS: dict[str, dict[str, list[str]]] = {
    "system-health": {
        "Service status and health indicators": [
            "Service status",
            "Service status over time",
            "Availability",
            "Probe success",
            "Health probe duration",
        ],
        "Availability and error budget left": [
            "Availability",
            "Error budget left",
            "Error budget left over time",
            "Burn rate over 30 minutes",
            "Burn rate over 3 hours",
            "Burn rate over 12 hours",
        ],
        "Response time percentiles (P50, P95, P99)": [
            "Response time P50",
            "Response time P95",
            "Response time P99",
        ],
        "Error rate trends and alerts": [
            "Requests in the time range",
            "Error rate",
            "Firing alerts",
            "Firing alerts by severity",
        ],
        "Resource utilization graphs": [
            "CPU by service",
            "Memory by service",
            "Container CPU against limit",
            "Container memory against limit",
        ],
    },
    "business-operations": {
        "Trading volume and order statistics": [
            "Orders",
            "Orders per minute",
            "Orders by side",
            "Orders by asset",
            "Order success rate",
            "Rejected orders",
            "Executed orders by side",
            "Executed orders by asset",
            "Trading volume",
            "Trading volume by side",
            "Trading volume by asset",
        ],
        "User registration and activity metrics": [
            "Registrations",
            "Logins",
            "Login success rate",
            "Registrations and logins per hour",
            "Active users",
        ],
        "Deposits and withdrawals": [
            "Transactions",
            "Transaction value",
            "Net deposits",
            "Transactions per minute",
            "Transaction value per minute",
        ],
        "Portfolio performance indicators": ["Portfolio value", "Profit and loss", "Return on cost"],
        "Asset price and balance trends": [
            "Asset prices",
            "Asset price change",
            "Asset balances",
            "Asset balance change",
        ],
    },
    "infrastructure": {
        "Kubernetes cluster health": [
            "Nodes ready",
            "Pods by phase",
            "Pods not ready",
            "Pods without a node",
            "Node conditions",
            "Resources requested",
        ],
        "Workloads": [
            "Replicas of workloads",
            "Replicas missing",
            "Rollouts under way",
            "Container restarts",
            "Restarts by container",
            "Containers killed for memory",
        ],
        "AWS service metrics": [
            "DynamoDB consumed capacity",
            "DynamoDB latency",
            "DynamoDB throttled requests",
            "DynamoDB errors",
            "EKS API requests",
            "EKS API latency",
            "Load balancer traffic",
            "Load balancer resets",
            "Redis CPU and memory",
        ],
        "AWS costs": [
            "Charges this month",
            "Charges at month's end",
            "Share of the budget",
            "Cost against budget",
            "Cost by service",
        ],
        "Network performance and latency": [
            "Node traffic",
            "Pod traffic",
            "Network errors and drops",
            "TCP retransmissions",
            "Probe duration",
            "Probe phases",
        ],
        "Storage and memory utilization": [
            "Node memory",
            "Pod memory",
            "Node disk",
            "Persistent volumes",
            "Files on persistent volumes",
        ],
    },
    "service-detail": {
        "Everything of one service": [
            "Status",
            "Error budget left",
            "Budget burn rate",
            "Firing alerts",
            "Request rate",
            "Error rate",
            "Response time",
            "Requests by status code",
            "Requests in progress",
            "Dependencies",
            "Calls that the gateway could not complete",
            "CPU",
            "Memory",
            "Open file descriptors",
            "Restarts",
        ],
        "By endpoint": [
            "Busiest endpoints",
            "Endpoints that fail",
            "Slowest endpoints",
            "Failing endpoints",
            "Requests by endpoint",
        ],
        "With its logs and traces beside it": ["Log lines by level", "Error logs", "All logs", "Slow or failed traces"],
    },
    "logs": {
        "Search by request id, text, level, user": ["Lines found", "Newest errors", "One request"],
        "Volume and error patterns": ["Lines by service", "Lines by level", "Messages of errors", "Errors by action"],
    },
    "monitoring": {
        "Ingestion": ["Samples ingested", "Active series", "Series created and removed"],
        "Cardinality by job": ["Samples by job", "Series added by job", "Sample limit used"],
        "Rule and query cost": ["Rule evaluation time of the interval", "Query duration P99 by phase"],
        "Notification latency and failures": ["Send latency", "Notification latency P95", "Notifications failed"],
        "Retention and volume forecast": ["History kept", "Size against the limit", "Days until a volume is full"],
        "Agent throughput and loss": ["Log lines read and sent", "Agent queue used", "Lines refused and lost"],
    },
}
"""The specification's words for each dashboard, and the panels that answer them."""


def required_panels_exist(board: Board) -> list[str]:
    titles = {panel["title"] for panel in panels(board)}
    return [
        f"the specification's {words!r} needs a panel {title!r}"
        for words, wanted in REQUIRED_PANELS.get(board["uid"], {}).items()
        for title in wanted
        if title not in titles
    ]


def first(board: Board, kind: str = "timeseries") -> Board:
    return next(panel for panel in panels(board) if panel["type"] == kind)


def with_query(expr: str) -> Callable[[Board], None]:
    return lambda b: first(b)["targets"][0].update(expr=expr)


def with_log_query(expr: str) -> Callable[[Board], None]:
    return lambda b: first(b, "logs")["targets"][0].update(expr=expr)


def with_log_numbers(expr: str) -> Callable[[Board], None]:
    """A graph that asks Loki instead of Prometheus."""
    return lambda b: first(b)["targets"][0].update(expr=expr, queryType="range")


def with_link(url: str, kind: str = "timeseries") -> Callable[[Board], None]:
    return lambda b: first(b, kind)["fieldConfig"]["defaults"].update(links=[{"url": url}])


def with_text(**started: Any) -> Callable[[Board], None]:
    return lambda b: variables(b)["service"].update(
        {"type": "textbox", "query": "", "current": {"value": ""}} | started
    )


def asks(board: Board, query: str) -> None:
    variables(board)["service"]["query"].update(query=query)


def same_place(board: Board) -> None:
    board["panels"][2]["gridPos"] = dict(board["panels"][1]["gridPos"])


def off_the_grid(board: Board) -> None:
    board["panels"][1]["gridPos"]["x"] = 20


def same_id(board: Board) -> None:
    board["panels"][2]["id"] = board["panels"][1]["id"]


def without_panel(title: str) -> Callable[[Board], None]:
    def remove(board: Board) -> None:
        board["panels"] = [panel for panel in board["panels"] if panel.get("title") != title]

    return remove


COUNTER_EXAMPLES: list[tuple[Rule, str, Callable[[Board], Any]]] = [
    (panels_say_what_they_show_and_what_to_do, "no title", lambda b: first(b).pop("title")),
    (panels_say_what_they_show_and_what_to_do, "no advice", lambda b: first(b).update(description="Shows x.")),
    (numbers_have_a_unit, "no unit", lambda b: first(b)["fieldConfig"]["defaults"].pop("unit")),
    (numbers_have_a_unit, "odd unit", lambda b: first(b)["fieldConfig"]["defaults"].update(unit="dollars")),
    (series_have_a_legend, "hidden", lambda b: first(b)["options"]["legend"].update(showLegend=False)),
    (series_have_a_legend, "no legend", lambda b: first(b)["targets"][0].pop("legendFormat")),
    (ids_and_titles_are_unique, "same id", same_id),
    (ids_and_titles_are_unique, "no id", lambda b: first(b).pop("id")),
    (ids_and_titles_are_unique, "no refId", lambda b: first(b)["targets"][0].pop("refId")),
    (ids_and_titles_are_unique, "same refId", lambda b: first(b)["targets"].append(first(b)["targets"][0])),
    (panels_fit_the_grid, "overlap", same_place),
    (panels_fit_the_grid, "too far right", off_the_grid),
    (data_sources_are_variables, "fixed uid", lambda b: first(b)["datasource"].update(uid="prometheus")),
    (data_sources_are_variables, "query without", lambda b: first(b)["targets"][0].pop("datasource")),
    (data_sources_are_variables, "wrong kind", lambda b: first(b)["datasource"].update(type="loki")),
    (variables_are_fresh_and_used, "stale", lambda b: variables(b)["service"].update(refresh=1)),
    (variables_are_fresh_and_used, "one value only", lambda b: variables(b)["service"].update(multi=False)),
    (variables_are_fresh_and_used, "unused", lambda b: variables(b)["service"].update(name="spare")),
    (queries_use_only_declared_variables, "undeclared", with_query('up{pod="$pod"}')),
    (selectors_are_bound_to_the_variables, "unbound", with_query('probe_duration_seconds{job="service-probes"}')),
    (selectors_are_bound_to_the_variables, "bare name", with_query("sum(service:up:ratio)")),
    (log_selectors_are_bound_to_the_variables, "lines of all", with_log_query('{k8s_namespace_name=~"$namespace"}')),
    (
        log_selectors_are_bound_to_the_variables,
        "one half of a ratio",
        with_log_numbers(
            'sum(rate({service_name=~"$service", k8s_namespace_name=~"$namespace"} [$__auto])) '
            '/ sum(rate({service_name=~".+"} [$__auto]))'
        ),
    ),
    (log_queries_select_streams, "numbers of a fixed window", with_log_numbers('sum(rate({service_name="a"}[5m]))')),
    (queries_go_where_their_language_is_spoken, "LogQL to Prometheus", with_log_numbers('rate({a="b"} [$__auto])')),
    (a_panel_asks_one_data_source, "two", lambda b: first(b)["targets"][1].update(datasource={"type": "loki"})),
    (the_resolution_can_be_chosen, "no choice", lambda b: b["templating"]["list"].remove(variables(b)["interval"])),
    (
        the_resolution_can_be_chosen,
        "no duration",
        lambda b: variables(b)["interval"]["options"][0].update(value="auto"),
    ),
    (the_resolution_can_be_chosen, "not used", lambda b: first(b).pop("interval")),
    (the_resolution_can_be_chosen, "on the query", lambda b: first(b)["targets"][0].update(interval="$interval")),
    (fields_to_type_in_start_empty, "a text", with_text(query="error")),
    (fields_to_type_in_start_empty, "a current text", with_text(current={"value": "error"})),
    (links_lead_somewhere, "no such dashboard", with_link("/d/service?var-service=${__field.labels.service}")),
    (links_lead_somewhere, "no such variable", with_link("/d/logs?var-pod=${__field.labels.service}")),
    (links_lead_somewhere, "no such label", with_link("/d/logs?var-service=${__field.labels.pod}")),
    (
        links_lead_somewhere,
        "a table's label",
        with_link("/d/logs?var-service=${__field.labels.service}", "table"),
    ),
    (links_lead_somewhere, "no such column", with_link("/d/logs?var-service=${__data.fields.service}", "table")),
    (
        links_lead_somewhere,
        "no time",
        lambda b: first(b, "stat")["fieldConfig"]["defaults"].update(links=[{"url": "/d/logs?time=${__value.time}"}]),
    ),
    (variables_ask_in_promql, "no selector", lambda b: asks(b, "label_values(sum(up), service)")),
    (variables_ask_in_promql, "broken", lambda b: asks(b, 'label_values(up{job="a}, service)')),
    (variables_ask_in_promql, "names only", lambda b: asks(b, "label_names()")),
    (panels_have_a_query, "none", lambda b: first(b)["targets"].clear()),
    (data_sources_can_be_chosen, "no Prometheus", lambda b: variables(b)["datasource"].update(query="loki")),
    (data_sources_can_be_chosen, "another name", lambda b: variables(b)["datasource"].update(name="prometheus")),
    (data_sources_can_be_chosen, "no label", lambda b: variables(b)["datasource"].pop("label")),
    (log_queries_select_streams, "no selector", with_log_query('|= "error"')),
    (log_queries_select_streams, "everything", with_log_query('{service_name=~".*"}')),
    (log_queries_select_streams, "nothing but what is not", with_log_query('{service_name!="a"}')),
    (log_queries_select_streams, "fixed window", with_log_query('count_over_time({service_name="a"}[5m])')),
    (counters_are_read_by_their_growth, "as it is", with_query("sum(gateway_proxy_errors_total)")),
    (counters_are_read_by_their_growth, "largest", with_query("max_over_time(order_requests_total[$__range])")),
    (the_rate_interval_is_for_rates, "average", with_query("avg_over_time(up[$__rate_interval])")),
    (the_rate_interval_is_for_rates, "subquery", with_query("max_over_time(sum(up)[$__rate_interval:])")),
    (rates_use_the_rate_interval, "fixed window", with_query('sum by (job) (rate(up{a=~"b[c]"}[5m]))')),
    (rates_use_the_rate_interval, "second rate", with_query("rate(up[$__rate_interval]) / rate(up[1m])")),
    (rates_use_the_rate_interval, "irate", with_query("irate(up[$__interval])")),
    (ranges_stay_within_retention, "range", with_query("avg_over_time(up[30d])")),
    (ranges_stay_within_retention, "compound range", with_query("avg_over_time(up[14d25h])")),
    (ranges_stay_within_retention, "offset", with_query("up offset 3w")),
    (ranges_stay_within_retention, "opens too wide", lambda b: b["time"].update({"from": "now-30d"})),
    (metrics_exist, "misspelt metric", with_query('sum by (up) (probe_duration_second{service=~"$service"})')),
    (metrics_exist, "misspelt series", lambda b: variables(b)["service"]["query"].update(query="label_values(u, s)")),
    (required_panels_exist, "missing panel", without_panel("Response time")),
    (behaves_as_every_dashboard, "editable", lambda b: b.update(editable=True)),
    (behaves_as_every_dashboard, "no tag", lambda b: b.update(tags=[])),
    (behaves_as_every_dashboard, "alerts not marked", lambda b: b["annotations"]["list"].pop(0)),
    (behaves_as_every_dashboard, "deployments not marked", lambda b: b["annotations"]["list"].pop(1)),
    (behaves_as_every_dashboard, "no links", lambda b: b["links"].pop()),
]

RULES: list[Rule] = list(dict.fromkeys(rule for rule, _, _ in COUNTER_EXAMPLES))


@pytest.mark.parametrize("uid", BOARDS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dashboard_obeys(rule: Rule, uid: str) -> None:
    assert rule(BOARDS[uid]) == []


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}-{name}") for rule, name, spoil in COUNTER_EXAMPLES],
)
def test_rule_reports_its_counter_example(rule: Rule, spoil: Callable[[Board], Any]) -> None:
    board = json.loads(json.dumps(BOARDS["service-detail"]))
    assert rule(board) == []
    spoil(board)
    assert rule(board)


@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_is_promql(uid: str, tmp_path: Path) -> None:
    assert promql_parses(BOARDS[uid], tmp_path) == []


def test_broken_promql_is_reported(tmp_path: Path) -> None:
    board = json.loads(json.dumps(BOARDS["system-health"]))
    with_query("sum by (service (up)")(board)
    assert "parse error" in promql_parses(board, tmp_path)[0]


AN_ALERTMANAGER = 'job="kube-prometheus-stack-alertmanager"'
SENT = ("total", "failed_total")

QUERY_CASES = [
    pytest.param(
        "system-health",
        "Service status",
        {
            'service:up:ratio{service="up"}': "1x60",
            'service:probe_success:ratio{service="up"}': "1x60",
            'service:up:ratio{service="half up"}': "0.5x60",
            'service:probe_success:ratio{service="half up"}': "1x60",
            'service:up:ratio{service="failing its probe"}': "1x60",
            'service:probe_success:ratio{service="failing its probe"}': "0x60",
            'service:up:ratio{service="not probed"}': "1x60",
            'service:probe_success:ratio{service="without metrics"}': "1x60",
        },
        {
            '{service="up"}': 1,
            '{service="half up"}': 0.5,
            '{service="failing its probe"}': 0,
            '{service="not probed"}': 1,
            '{service="without metrics"}': 1,
        },
        id="a service is as healthy as its targets, and down if its probe fails; either may be missing",
    ),
    pytest.param(
        "service-detail",
        "Failing endpoints",
        {
            "up": "1x60",
            'order_requests_total{service="a", endpoint="/born", status_code="500"}': "_x30 1x30",
            'order_requests_total{service="a", endpoint="/grown", status_code="503"}': "3x29 7x30",
            'order_requests_total{service="a", endpoint="/restarted", status_code="500"}': "8x29 0+1x30",
            'order_requests_total{service="a", endpoint="/old", status_code="500"}': "5x60",
            'order_requests_total{service="a", endpoint="/client", status_code="404"}': "_x30 9x30",
        },
        {
            '{service="a", route="/born", status_code="500"}': 1,
            '{service="a", route="/grown", status_code="503"}': 4,
            '{service="a", route="/restarted", status_code="500"}': 30 * 36 / 35,
        },
        id="the first error of a path counts, and what came after a restart; old errors and clients' errors do not",
    ),
    pytest.param(
        "service-detail",
        "Failing endpoints",
        {
            'up{instance="1"}': "1x23 0 1x35",
            'order_requests_total{service="a", endpoint="/a", status_code="500", instance="1"}': "50000x23 _ 50000x35",
            'up{instance="2"}': "_x40 1x19",
            'order_requests_total{service="a", endpoint="/b", status_code="500", instance="2"}': "_x40 50000x19",
            'up{instance="3"}': "1x50 _x9",
            'order_requests_total{service="a", endpoint="/c", status_code="500", instance="3"}': "0x29 400x20 _x10",
        },
        {'{service="a", route="/c", status_code="500"}': 400 * 255 / 250},
        id="errors of a pod that is gone count; those from before a gap, or before the data begin, do not",
    ),
    pytest.param(
        "service-detail",
        "Requests by endpoint",
        {"up": "1x60"}
        | {
            f'order_requests_total{{service="a", endpoint="{path}", status_code="200"}}': f"_x30 {count}x30"
            for path, count in {
                "/api/v1/orders/{order_id}": 1,
                "/orders/8f14e45f-ceea-467f-9575-4a1dcf9e1f6b": 2,
                "/orders/c9f0f895-fb98-4b91-a3d8-5b1a1d1e2f3a": 3,
                "/orders/17/cancel": 4,
                "/orders/18/cancel": 5,
                "/assets/BTC/balance": 6,
                "/assets/ETH2": 7,
                "/": 8,
                "/users/u1a2b3": 9,
                "/users/u1a2": 10,
            }.items()
        },
        {
            f'{{service="a", route="{route}", status_code="200"}}': count
            for route, count in {
                "/api/v1/orders/{order_id}": 1,
                "/orders/{id}": 5,
                "/orders/{id}/cancel": 9,
                "/assets/BTC/balance": 6,
                "/assets/ETH2": 7,
                "/": 8,
                "/users/{id}": 9,
                "/users/u1a2": 10,
            }.items()
        },
        id="paths that differ in an id are one, and routes stay as they are",
    ),
    pytest.param(
        "service-detail",
        "Dependencies",
        {
            'service:dependency:info{service="a", dependency="redis"}': "1x60",
            'service:dependency:info{service="a", dependency="b"}': "1x60",
            'service:dependency:info{service="a", dependency="without metrics"}': "1x60",
            'service:dependency:info{service="a", dependency="dynamodb"}': "1x60",
            'service:used_dependency:info{service="a", dependency="c"}': "1x60",
            'service:used_dependency:info{service="a", dependency="cache"}': "1x60",
            'order_dependency_up{service="a", dependency="redis", pod="1"}': "1x60",
            'order_dependency_up{service="a", dependency="redis", pod="2"}': "0x60",
            'service:up:ratio{service="b"}': "0.5x60",
            'service:up:ratio{service="c"}': "0x60",
            'service:probe_success:ratio{service="b"}': "1x60",
            'service:probe_success:ratio{service="without metrics"}': "1x60",
        },
        {
            '{service="a", dependency="redis"}': 0,
            '{service="a", dependency="b"}': 0.5,
            '{service="a", dependency="without metrics"}': 1,
            '{service="a", dependency="dynamodb"}': -1,
            '{service="a", dependency="c"}': 0,
            '{service="a", dependency="cache"}': -1,
        },
        id="a dependency is as the service says, else as it answers, else unknown",
    ),
    pytest.param(
        "service-detail",
        "Calls that the gateway could not complete",
        {
            'service:expected:info{service="order-service"}': "1x60",
            'gateway_proxy_errors_total{service="gateway", namespace="n", target_service="order_service", '
            'error_type="request_failed"}': "0+600x60",
            'gateway_proxy_errors_total{service="gateway", namespace="n", target_service="other_service", '
            'error_type="request_failed"}': "0+600x60",
        },
        {'{service="order-service", error_type="request_failed"}': 60},
        id="the gateway's name of a service is not the catalogue's",
    ),
    pytest.param(
        "service-detail",
        "Deployments",
        {
            'kube_replicaset_owner{namespace="n", replicaset="a-1", owner_kind="Deployment", owner_name="a"}': "1x60",
            'kube_replicaset_owner{namespace="n", replicaset="a-2", owner_kind="Deployment", owner_name="a"}': "1x60",
            'kube_replicaset_owner{namespace="n", replicaset="b-1", owner_kind="Deployment", owner_name="b"}': "1x60",
            'kube_replicaset_created{namespace="n", replicaset="a-1"}': "100x60",
            'kube_replicaset_created{namespace="n", replicaset="a-2"}': "35950x60",
            'kube_replicaset_created{namespace="n", replicaset="b-1"}': "35860x60",
        },
        {'{namespace="n", replicaset="a-2", owner_name="a"}': 35950e3},
        id="a deployment is marked at the moment of its new replica set, until it has surely been scraped",
    ),
    pytest.param(
        "system-health",
        "Firing alerts",
        {
            f'{series}, alertname="{name}", severity="{severity}", {owner}}}': f"{value}x60"
            for name, state, severity, owner in (
                ("HighErrorRate", "firing", "critical", 'service="a"'),
                ("NodeDown", "firing", "warning", 'owner="platform"'),
                ("LatencyDegraded", "pending", "warning", 'service="a"'),
                ("Watchdog", "firing", "none", 'owner="platform"'),
            )
            for series, value in ((f'ALERTS{{alertstate="{state}"', 1), ('ALERTS_FOR_STATE{job=""', 1700000000))
        },
        {
            '{alertname="HighErrorRate", severity="critical", service="a"}': 1700000000e3,
            '{alertname="NodeDown", severity="warning", owner="platform"}': 1700000000e3,
        },
        id="firing alerts of the service and of the platform, by the millisecond since they are active",
    ),
    pytest.param(
        "logs",
        "Delay of the newest lines",
        {
            'otelcol_exporter_queue_size{data_type="logs", job="log-agent", pod="a"}': "10x60",
            'otelcol_exporter_sent_log_records{job="log-agent", pod="a"}': "0+3000x60",
            'otelcol_exporter_queue_size{data_type="logs", job="kubernetes-events", pod="e"}': "90x60",
        },
        {"{}": 10 / 5},
        id="what waits, at the pace at which it is sent; events of the cluster are no lines of a service",
    ),
    *(
        pytest.param(
            "logs",
            "Delay of the newest lines",
            {
                'otelcol_exporter_queue_size{data_type="logs", pod="stuck"}': "0+1000x60",
                'otelcol_exporter_queue_size{data_type="logs", pod="fine"}': "10x60",
                'otelcol_exporter_sent_log_records{pod="fine"}': "0+6000x60",
            }
            | sent,
            {"{}": 86400},
            id=f"an agent that sends nothing {since} is a day late",
        )
        for since, sent in {
            "any more": {'otelcol_exporter_sent_log_records{pod="stuck"}': "500x60"},
            "from the first": {},
        }.items()
    ),
    pytest.param(
        "business-operations",
        "Orders",
        {
            'pod:business_events:sum{namespace="n", event="order_created", pod="old"}': "5x30 35x30",
            'pod:business_events:sum{namespace="n", asset="ETH", event="order_created", pod="old"}': "3x60",
            'pod:business_events:sum{namespace="n", pod="replaced", event="order_created"}': "7x29 57x20 _x11",
            'pod:business_events:sum{namespace="n", event="order_created", pod="again"}': "35+35x29 0+35x30",
        },
        {"{}": 30 + 0 + 50 * 53 / 50 + 34 * 36},
        id="orders are counted to the last one, and estimated where a pod is gone or a process restarted",
    ),
    pytest.param(
        "business-operations",
        "Asset price change",
        {
            'business_asset_price_usd{namespace="n", asset="BTC", pod="a"}': "100x24 150x36",
            'business_asset_price_usd{namespace="n", asset="BTC", pod="b"}': "_x58 150x2",
            'business_asset_price_usd{namespace="n", asset="new", pod="a"}': "_x48 80x12",
        },
        {'{asset="BTC"}': 0.5, '{asset="new"}': 0},
        id="a price is compared with that at the start of the range, or of its data; never with another instance's",
    ),
    pytest.param(
        "infrastructure",
        "Replicas missing",
        {
            'kube_deployment_spec_replicas{namespace="n", deployment="d"}': "3x60",
            'kube_deployment_status_replicas_ready{namespace="n", deployment="d"}': "1x60",
            'kube_statefulset_replicas{namespace="n", statefulset="s"}': "1x60",
            'kube_statefulset_status_replicas_ready{namespace="n", statefulset="s"}': "1x60",
            'kube_daemonset_status_desired_number_scheduled{namespace="m", daemonset="d"}': "4x60",
            'kube_daemonset_status_number_ready{namespace="m", daemonset="d"}': "3x60",
        },
        {'{workload="n/d"}': 2, '{workload="n/s"}': 0, '{workload="m/d"}': 1},
        id="pods that are missing, of all three kinds of workloads",
    ),
    pytest.param(
        "infrastructure",
        "DynamoDB errors",
        {
            'aws_dynamodb_system_errors_sum{dimension_table_name="a", dimension_operation="Query"}': "2x60",
            'aws_dynamodb_system_errors_sum{dimension_table_name="a", dimension_operation="Scan"}': "1x60",
            'aws_dynamodb_successful_request_latency_sample_count{dimension_table_name="a"}': "10x60",
            'aws_dynamodb_successful_request_latency_sample_count{dimension_table_name="healthy"}': "10x60",
        },
        {'{dimension_table_name="a"}': 3, '{dimension_table_name="healthy"}': 0},
        id="a table that answers and has no figure of errors has none",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {
            'aws:month_charges:usd{dimension_currency="USD"}': "10x60",
            'aws:month_forecast:usd{dimension_currency="USD"}': "310x60",
            "aws:monthly_budget:usd": "1000x60",
        },
        {'{dimension_currency="USD"}': 0.31},
        id="the share of the budget is that of the forecast",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {
            'aws:month_charges:usd{dimension_currency="USD"}': "10x60",
            "aws:monthly_budget:usd": "1000x60",
        },
        {'{dimension_currency="USD"}': 0.01},
        id="in the first week of a month the bill of a day is not made up to a month's",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {'aws:month_charges:usd{dimension_currency="USD"}': "10x60"},
        {'{dimension_currency="USD"}': -1},
        id="no budget is no share of it",
    ),
    pytest.param(
        "monitoring",
        "Last heartbeat",
        {f'alertmanager_notifications_{series}{{{AN_ALERTMANAGER}, integration="webhook"}}': "0x60" for series in SENT},
        {"{}": -1},
        id="a stack that calls no webhook has no heartbeat to wait for",
    ),
    pytest.param(
        "monitoring",
        "Last heartbeat",
        {
            f'alertmanager_notifications_{series}{{{AN_ALERTMANAGER}, integration="webhook"}}': "0+10x60"
            for series in SENT
        },
        {"{}": 3600},
        id="a heartbeat that never arrives is late",
    ),
    pytest.param(
        "monitoring",
        "Rules failed",
        {
            f'prometheus_rule_evaluation_failures_total{{job="kube-prometheus-stack-prometheus", pod="{pod}", '
            f'rule_group="{group}"}}': "0+1x60"
            for pod in "ab"
            for group in "cd"
        },
        {"{}": 72},
        id="two replicas that fail alike are not counted twice",
    ),
]
"""Dashboard, panel, the series given for ten hours, and the samples expected at the end."""


@pytest.mark.parametrize(("uid", "title", "given", "expected"), QUERY_CASES)
def test_query_gives(uid: str, title: str, given: dict[str, str], expected: dict[str, float], tmp_path: Path) -> None:
    expr = next(expr for name, expr in queries(BOARDS[uid]) if name == title)
    outcome = {
        "expr": expanded(expr),
        "eval_time": "10h",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
    }
    series = [{"series": name, "values": values} for name, values in given.items()]
    test = {"interval": "10m", "input_series": series, "promql_expr_test": [outcome]}
    file = tmp_path / "queries.test.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "10m", "fuzzy_compare": True, "tests": [test]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_uids_that_alerts_link_to_stay() -> None:
    assert set(REQUIRED_PANELS) <= set(BOARDS)
    assert all(board["uid"] == uid for uid, board in BOARDS.items())


def test_the_same_catalogue_gives_the_same_text() -> None:
    assert dashboards.load(CATALOGUE) == dashboards.load(CATALOGUE)


def test_two_dashboards_with_one_uid_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(business_operations, "build", system_health.build)
    with pytest.raises(ValueError, match=r"system_health\.py: the uid 'system-health' must be set and unique"):
        dashboards.load(CATALOGUE)


def test_a_uid_that_a_package_gives_again_is_refused_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "build", infrastructure.build)
    with pytest.raises(ValueError, match=r"monitoring/__init__\.py: the uid 'infrastructure' must be set and unique"):
        dashboards.load(CATALOGUE)


def test_a_selector_joins_the_matchers_that_are_not_empty() -> None:
    assert series("up", 'pod!="", zone="a"', "", job="x") == 'up{pod!="", zone="a", job="x"}'
    assert series("up", "") == "up{}"
    assert series("", 'service_name=~".+"') == '{service_name=~".+"}'


def test_a_panel_keeps_its_id_when_others_come_or_go_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {panel["title"]: panel["id"] for panel in panels(BOARDS["system-health"])}
    monkeypatch.setattr(system_health, "_status", lambda: row("A first row without the panels of before"))
    shifted = json.loads(dashboards.load(CATALOGUE)["system-health"])
    after = {panel["title"]: panel["id"] for panel in panels(shifted)}
    assert after["Error rate"] == before["Error rate"]
    assert len(after) < len(before)


def test_a_table_of_several_queries_takes_no_log_query() -> None:
    with pytest.raises(ValueError, match="'Both': a LogQL query must be the only one"):
        table("Both", LogQuery("a", "A"), LogQuery("b", "B"), by=["c"], shows="", wrong="", unit="short")


def test_a_new_service_is_looked_at_for_failing_endpoints() -> None:
    added = Service(name="added-service", port=8999, prefix="added")
    larger = CATALOGUE.model_copy(update={"services": (*CATALOGUE.services, added)})
    assert "added_requests_total" in dashboards.load(larger)["service-detail"]
    assert "added_requests_total" not in dashboards.load(CATALOGUE)["service-detail"]


def test_a_catalogue_without_measured_services_is_refused_in_words() -> None:
    unmeasured = tuple(service.model_copy(update={"prefix": None}) for service in CATALOGUE.services)
    with pytest.raises(ValueError, match=r"services\.yaml: no service exposes metrics.*give a service a `prefix`"):
        service_detail.build(CATALOGUE.model_copy(update={"services": unmeasured}))


def test_the_sdk_is_the_maintained_line() -> None:
    """Resolvers prefer "10.1.0", an epoch build for Grafana 10.1 that writes an old schema."""
    assert metadata.version("grafana-foundation-sdk").removeprefix("v") == "0.0.21"
