"""What Grafana needs of every dashboard, and what an operator needs.

Every rule comes with a counter-example: a change to a good dashboard that the rule must report, so that no rule passes
because it looks at nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from checks.dashboard_json import BOARDS, Board, Rule, panels, variables
from checks.dashboard_links import links_lead_somewhere
from checks.dashboard_rules import (
    a_panel_asks_one_data_source,
    behaves_as_every_dashboard,
    counters_are_read_by_their_growth,
    data_sources_are_variables,
    data_sources_can_be_chosen,
    fields_to_type_in_start_empty,
    ids_and_titles_are_unique,
    log_queries_select_streams,
    log_selectors_are_bound_to_the_variables,
    metrics_exist,
    numbers_have_a_unit,
    panels_fit_the_grid,
    panels_have_a_query,
    panels_say_what_they_show_and_what_to_do,
    queries_go_where_their_language_is_spoken,
    queries_use_only_declared_variables,
    ranges_stay_within_retention,
    rates_use_the_rate_interval,
    selectors_are_bound_to_the_variables,
    series_have_a_legend,
    the_rate_interval_is_for_rates,
    the_resolution_can_be_chosen,
    variables_are_fresh_and_used,
    variables_ask_in_promql,
)
from checks.dashboard_values import values_are_numbers


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
    (values_are_numbers, "histogram", with_query("histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m])))")),
    (values_are_numbers, "highest of NaN", with_query("max(histogram_quantile(0.9, rate(a_bucket[5m])))")),
    (values_are_numbers, "0 or 1", with_query("histogram_quantile(0.9, rate(a_bucket[5m])) >= bool 0")),
    (values_are_numbers, "guards another", with_query("(up >= 0) + histogram_quantile(0.9, rate(a_bucket[5m]))")),
    (values_are_numbers, "summary", with_query('max(prometheus_notifications_latency_seconds{quantile="0.9"})')),
    (values_are_numbers, "recorded", with_query("service:http_request_latency_seconds:p95_rate5m")),
    (values_are_numbers, "ratio of rates", with_query("rate(a_total[5m]) / rate(b_total[5m])")),
    (values_are_numbers, "guards the ratio", with_query("rate(a_total[5m]) / rate(b_total[5m]) > 0")),
    (values_are_numbers, "clamped to 0", with_query("rate(a_total[5m]) / clamp_min(rate(b_total[5m]), 0)")),
    (metrics_exist, "misspelt metric", with_query('sum by (up) (probe_duration_second{service=~"$service"})')),
    (metrics_exist, "misspelt series", lambda b: variables(b)["service"]["query"].update(query="label_values(u, s)")),
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
    found = rule(BOARDS[uid])
    assert not found, "\n".join([*found, rule.__doc__ or ""])


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}-{name}") for rule, name, spoil in COUNTER_EXAMPLES],
)
def test_rule_reports_its_counter_example(rule: Rule, spoil: Callable[[Board], Any]) -> None:
    board = json.loads(json.dumps(BOARDS["service-detail"]))
    assert rule(board) == []
    spoil(board)
    assert rule(board)
