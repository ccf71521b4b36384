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
from dashboards import business_operations, system_health
from dashboards.board import row
from tests.contract.dashboard_rules import (
    BOARDS,
    CATALOGUE,
    Board,
    Rule,
    behaves_as_every_dashboard,
    counters_are_read_by_their_growth,
    data_sources_are_variables,
    data_sources_can_be_chosen,
    expanded,
    ids_and_titles_are_unique,
    log_queries_select_streams,
    metrics_exist,
    numbers_have_a_unit,
    panels,
    panels_fit_the_grid,
    panels_have_a_query,
    panels_say_what_they_show_and_what_to_do,
    promql_parses,
    promtool,
    queries,
    queries_use_only_declared_variables,
    ranges_stay_within_retention,
    rates_use_the_rate_interval,
    selectors_are_bound_to_the_variables,
    series_have_a_legend,
    the_rate_interval_is_for_rates,
    variables,
    variables_are_fresh_and_used,
    variables_ask_in_promql,
)

REQUIRED_PANELS: dict[str, dict[str, list[str]]] = {
    "system-health": {
        "Service status and health indicators": [
            "Service status",
            "Service status over time",
            "Availability",
            "Health probe duration",
        ],
        "Response time percentiles (P50, P95, P99)": [
            "Response time P50",
            "Response time P95",
            "Response time P99",
        ],
        "Error rate trends and alerts": ["Error rate", "Firing alerts", "Firing alerts by severity"],
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
            "Executed orders by side",
            "Executed orders by asset",
            "Trading volume",
            "Trading volume by side",
            "Trading volume by asset",
        ],
        "User registration and activity metrics": [
            "Registrations",
            "Logins",
            "Registrations and logins per hour",
            "Active users",
            "Transactions per minute",
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
        "Kubernetes cluster health": ["Nodes ready", "Pods by phase", "Node conditions", "Container restarts"],
        "AWS service metrics": [
            "DynamoDB consumed capacity",
            "DynamoDB latency",
            "EKS API requests",
            "Load balancer traffic",
            "Redis CPU and memory",
        ],
        "AWS costs": ["Charges this month", "Cost by service"],
        "Network performance and latency": ["Node traffic", "Pod traffic", "Probe duration"],
        "Storage and memory utilization": ["Node memory", "Pod memory", "Node disk", "Persistent volumes"],
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
    (required_panels_exist, "missing panel", without_panel("Response time P99")),
    (behaves_as_every_dashboard, "editable", lambda b: b.update(editable=True)),
    (behaves_as_every_dashboard, "no tag", lambda b: b.update(tags=[])),
    (behaves_as_every_dashboard, "no annotations", lambda b: b["annotations"]["list"].clear()),
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
    board = json.loads(json.dumps(BOARDS["system-health"]))
    spoil(board)
    assert rule(board)


@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_is_promql(uid: str, tmp_path: Path) -> None:
    assert promql_parses(BOARDS[uid], tmp_path) == []


def test_broken_promql_is_reported(tmp_path: Path) -> None:
    board = json.loads(json.dumps(BOARDS["system-health"]))
    with_query("sum by (service (up)")(board)
    assert "parse error" in promql_parses(board, tmp_path)[0]


QUERY_CASES = [
    pytest.param(
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
        "Failing endpoints",
        {
            'order_requests_total{service="a", endpoint="/born", status_code="500"}': "_x30 1x30",
            'order_requests_total{service="a", endpoint="/grown", status_code="503"}': "3x29 7x30",
            'order_requests_total{service="a", endpoint="/restarted", status_code="500"}': "8x29 2x30",
            'order_requests_total{service="a", endpoint="/old", status_code="500"}': "5x60",
            'order_requests_total{service="a", endpoint="/client", status_code="404"}': "_x30 9x30",
        },
        {
            '{service="a", endpoint="/born", status_code="500"}': 1,
            '{service="a", endpoint="/grown", status_code="503"}': 4,
            '{service="a", endpoint="/restarted", status_code="500"}': 2,
        },
        id="the first error of a path counts, also after a restart; old errors and clients' errors do not",
    ),
    pytest.param(
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
]
"""Panel, the series given for ten hours, and the samples expected at the end."""


@pytest.mark.parametrize(("title", "given", "expected"), QUERY_CASES)
def test_query_gives(title: str, given: dict[str, str], expected: dict[str, float], tmp_path: Path) -> None:
    expr = next(expr for name, expr in queries(BOARDS["system-health"]) if name == title)
    outcome = {
        "expr": expanded(expr),
        "eval_time": "10h",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
    }
    series = [{"series": name, "values": values} for name, values in given.items()]
    test = {"interval": "10m", "input_series": series, "promql_expr_test": [outcome]}
    file = tmp_path / "queries.test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "10m", "tests": [test]}))
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


def test_a_panel_keeps_its_id_when_others_come_or_go_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {panel["title"]: panel["id"] for panel in panels(BOARDS["system-health"])}
    monkeypatch.setattr(system_health, "_status", lambda: row("A first row without the panels of before"))
    shifted = json.loads(dashboards.load(CATALOGUE)["system-health"])
    after = {panel["title"]: panel["id"] for panel in panels(shifted)}
    assert after["Error rate"] == before["Error rate"]
    assert len(after) < len(before)


def test_a_new_service_is_looked_at_for_failing_endpoints() -> None:
    refund = Service(name="refund-service", port=8005, prefix="refund")
    larger = CATALOGUE.model_copy(update={"services": (*CATALOGUE.services, refund)})
    assert "refund_requests_total" in dashboards.load(larger)["system-health"]
    assert "refund_requests_total" not in dashboards.load(CATALOGUE)["system-health"]


def test_the_sdk_is_the_maintained_line() -> None:
    """Resolvers prefer "10.1.0", an epoch build for Grafana 10.1 that writes an old schema."""
    assert metadata.version("grafana-foundation-sdk").removeprefix("v") == "0.0.21"
