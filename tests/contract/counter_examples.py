"""Counter-examples of the checks of rules: a good rule with one mistake, beside all our rules."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

from checks.expression_checks import (
    bucket_bounds_are_written_as_stored,
    comparisons_depend_on_data,
    counters_are_read_by_their_growth,
    divisors_are_not_zero,
    labels_that_are_used_are_there,
    nothing_looks_beyond_retention,
    operands_can_match,
    quantiles_have_their_buckets,
    rates_are_of_counters,
    rates_use_their_whole_window,
    series_exist,
    services_and_alerts_that_are_named_exist,
    shared_series_say_whose,
    windows_hold_four_samples,
)
from checks.pint import pint_has_nothing_to_say
from checks.routing_checks import (
    alerts_of_a_message_have_one_name,
    alerts_reach_somebody,
    always_firing_alerts_have_their_own_route,
    inhibition_compares_labels_that_are_there,
    no_page_is_muted,
    no_relabeling_merges_series,
    routes_delay_nothing,
    severities_of_one_alert_compare_what_tells_it_apart,
    symptoms_know_what_pages_for_them,
    symptoms_wait_for_what_pages_for_them,
    what_is_muted_waits_for_what_mutes_it,
)
from checks.rule_checks import (
    absence_waits,
    alerts_are_of_what_somebody_can_act_on,
    alerts_say_whose_they_are_and_how_bad,
    alerts_wait_long_enough_and_not_too_long,
    annotations_are_a_sentence_details_and_links,
    annotations_survive_pagerduty,
    chains_stay_in_one_group,
    labels_are_not_prometheus_own,
    names_follow_the_policy,
    records_have_the_label_of_their_level,
    rules_are_unique,
    slow_groups_bridge_their_evaluations,
    templates_query_what_is_there,
    templates_read_what_is_there,
    values_are_written_for_people,
)
from checks.rule_set import Check, Stack, flat

Spoil = Callable[[Stack], Stack]

ALERT = {
    "alert": "ExampleWrong",
    "expr": "max by (service) (service:up:ratio) < 1",
    "for": "5m",
    "labels": {"severity": "warning", "owner": "platform"},
    "annotations": {
        "summary": "Something is wrong.",
        "description": "{{ $labels.service }} is wrong.",
        "runbook_url": "https://runbooks.test/ExampleWrong.md",
        "dashboard_url": "https://grafana.test/d/system-health",
    },
}
RECORD = {"record": "service:example:max", "expr": "max by (service) (service:up:ratio)"}
READER = ALERT | {"expr": "service:example:max < 1"}
ORDERS = "sum by (service) (rate(order_requests_total[5m]))"
ORDERS_15M = "sum by (service) (rate(order_requests_total[15m]))"
BUCKETS = "order_request_latency_seconds_bucket"


def beside(*bodies: dict[str, Any], group: str = "example", **settings: Any) -> Spoil:
    """Our rules and a group with these."""

    def add(stack: Stack) -> Stack:
        groups = [{"name": group, "rules": list(bodies), **settings}]
        return replace(stack, rules=(*stack.rules, *flat({"example": groups}, stack.infrastructure)))

    return add


def changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The rule with changes to keys, or to keys within labels and annotations; None removes one."""
    result = deepcopy(body)
    for key, value in changes.items():
        key = {"for_": "for"}.get(key, key)
        result[key] = result[key] | value if isinstance(value, dict) else value
    return {key: _given(value) if isinstance(value, dict) else value for key, value in _given(result).items()}


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def alert(expr: str | None = None, **changes: Any) -> Spoil:
    """A good alert with changes."""
    return beside(changed(ALERT, changes | ({"expr": expr} if expr else {})))


def told(description: str, expr: str | None = None) -> Spoil:
    """A good alert with another description."""
    return alert(expr, annotations={"description": description})


def record(expr: str, **changes: Any) -> Spoil:
    """A good recording rule with another expression and changes."""
    return beside(changed(RECORD, {"expr": expr} | changes))


def symptom(expr: str = "service:up:ratio < 1", unless: str = "", **changes: Any) -> Spoil:
    """An alert of a symptom, which is silent where these alerts fire."""
    known = f" unless on (service) ALERTS{{{unless}}}" if unless else ""
    return alert(expr + known, labels={"symptom": "errors"}, **changes)


def routed(change: Callable[[dict[str, Any]], Any]) -> Spoil:
    """Our rules with a change to Alertmanager's configuration."""

    def spoil(stack: Stack) -> Stack:
        configuration = deepcopy(stack.routing)
        change(configuration)
        return replace(stack, routing=configuration)

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(stack: Stack) -> Stack:
        for each in spoils:
            stack = each(stack)
        return stack

    return spoil


def warnings(configuration: dict[str, Any]) -> dict[str, Any]:
    """The route of the warnings."""
    routes = configuration["route"]["routes"]
    return next(route for route in routes if route["matchers"] == ['severity="warning"'])


def muting(source: str, target: str, *equal: str) -> Spoil:
    """Another inhibition rule."""
    rule = {"source_matchers": [source], "target_matchers": [target], "equal": list(equal)}
    return routed(lambda c: c["inhibit_rules"].append(rule))


def relabeled(**relabeling: Any) -> Spoil:
    return lambda stack: replace(stack, relabelings=(*stack.relabelings, ("example", relabeling)))


def without_slack(configuration: dict[str, Any]) -> None:
    for receiver in configuration["receivers"]:
        receiver.pop("slack_configs", None)


TWO_SEVERITIES = [
    changed(ALERT, {"expr": 'max by (zone) (up{job="kubelet"}) < 1', "labels": {"severity": severity}})
    for severity in ("warning", "critical")
]

COUNTER_EXAMPLES: list[tuple[Check, str, Spoil]] = [
    (pint_has_nothing_to_say, "no condition", alert("max by (service) (service:up:ratio)")),
    (pint_has_nothing_to_say, "answers 0 or 1", alert("max by (service) (service:up:ratio) < bool 1")),
    (pint_has_nothing_to_say, "one branch without", alert("service:up:ratio < 1 or service:expected:info")),
    (comparisons_depend_on_data, "two numbers", alert("vector(1) > 0")),
    (comparisons_depend_on_data, "itself", alert("service:up:ratio == service:up:ratio")),
    (comparisons_depend_on_data, "count of nothing", alert("count(service:up:ratio == 1) == 0")),
    (absence_waits, "no wait", alert('absent(up{job="kubelet"})', for_=None)),
    (absence_waits, "one scrape", alert('absent_over_time(up{job="kubelet"}[5m])', for_="30s")),
    (alerts_wait_long_enough_and_not_too_long, "not at all", alert(for_=None)),
    (alerts_wait_long_enough_and_not_too_long, "two evaluations", alert(for_="30s")),
    (alerts_wait_long_enough_and_not_too_long, "a day", alert(for_="1d")),
    (pint_has_nothing_to_say, "for", alert(for_="0s")),
    (pint_has_nothing_to_say, "keep_firing_for", alert(keep_firing_for="0m")),
    (slow_groups_bridge_their_evaluations, "ten minutes", beside(ALERT, interval="10m")),
    (alerts_say_whose_they_are_and_how_bad, "no severity", alert(labels={"severity": None})),
    (alerts_say_whose_they_are_and_how_bad, "another severity", alert(labels={"severity": "page"})),
    (alerts_say_whose_they_are_and_how_bad, "almost a severity", alert(labels={"severity": "noncritical"})),
    (alerts_say_whose_they_are_and_how_bad, "nobody's", alert(labels={"owner": None})),
    (alerts_say_whose_they_are_and_how_bad, "empty label", alert(labels={"symptom": ""})),
    (alerts_are_of_what_somebody_can_act_on, "not aggregated", alert('up{job="kubelet"} == 0')),
    (alerts_are_of_what_somebody_can_act_on, "by pod", alert('max by (pod) (up{job="kubelet"}) == 0')),
    (alerts_are_of_what_somebody_can_act_on, "one branch", alert('service:up:ratio < 1 or up{job="kubelet"} == 0')),
    (labels_are_not_prometheus_own, "sets cluster", alert(labels={"cluster": "prod"})),
    (labels_are_not_prometheus_own, "sets alertname", alert(labels={"alertname": "Other"})),
    (labels_are_not_prometheus_own, "by cluster", alert('min by (cluster) (up{job="kubelet"}) == 0')),
    (labels_are_not_prometheus_own, "matches cluster", record('min by (service) (up{cluster="prod"})')),
    (annotations_are_a_sentence_details_and_links, "no summary", alert(annotations={"summary": None})),
    (annotations_are_a_sentence_details_and_links, "template", alert(annotations={"summary": "{{ $value }} wrong."})),
    (annotations_are_a_sentence_details_and_links, "no full stop", alert(annotations={"summary": "It is wrong"})),
    (annotations_are_a_sentence_details_and_links, "no details", told("It is wrong.")),
    (annotations_are_a_sentence_details_and_links, "no runbook", alert(annotations={"runbook_url": None})),
    (annotations_are_a_sentence_details_and_links, "no address", alert(annotations={"dashboard_url": "d/x"})),
    (annotations_are_a_sentence_details_and_links, "one too many", alert(annotations={"message": "Wrong."})),
    (annotations_survive_pagerduty, "colon", told("{{ $labels.service }}: down.")),
    (templates_read_what_is_there, "aggregated away", told("{{ $labels.pod }} is wrong.")),
    (templates_read_what_is_there, "own label", told("{{ $labels.severity }} is wrong.")),
    (templates_read_what_is_there, "by on()", alert("service:up:ratio < on () vector(1)")),
    (templates_read_what_is_there, "one branch", alert("service:up:ratio < 1 or sum(service:up:ratio) < 6")),
    (templates_read_what_is_there, "in a label", alert(labels={"service": "{{ $labels.container }}"})),
    (templates_read_what_is_there, "external", told("{{ $externalLabels.zone }} is wrong.")),
    (templates_query_what_is_there, "misspelt", told('{{ query "upp" | first }} is wrong.')),
    (pint_has_nothing_to_say, "$value", alert(labels={"share": "{{ $value }}"})),
    (pint_has_nothing_to_say, ".Value", alert(labels={"share": "{{ .Value | humanize }}"})),
    (values_are_written_for_people, "ratio", told("{{ $value }} fail.", "service:http_errors:ratio_rate5m > 0.5")),
    (values_are_written_for_people, "average", told("{{ $value }} up.", "avg by (service) (service:up:ratio) < 1")),
    (counters_are_read_by_their_growth, "as it is", alert("sum by (service) (order_requests_total) > 9")),
    (counters_are_read_by_their_growth, "of a process", record("sum by (service) (instance:http_requests:sum)")),
    (counters_are_read_by_their_growth, "buckets", record(f"histogram_quantile(0.9, {BUCKETS})")),
    (counters_are_read_by_their_growth, "largest", record("max_over_time(order_requests_total[5m])")),
    (rates_are_of_counters, "gauge", record("sum by (service) (rate(business_active_users[5m]))")),
    (rates_are_of_counters, "rate of a rate", record("rate(service:http_requests:rate5m[5m])")),
    (rates_are_of_counters, "rate of a sum", record("rate(sum by (service) (order_requests_total)[5m:30s])")),
    (rates_use_their_whole_window, "irate", record("sum by (service) (irate(order_requests_total[5m]))")),
    (windows_hold_four_samples, "service", record("sum by (service) (rate(order_requests_total[1m]))")),
    (windows_hold_four_samples, "named service", record('avg_over_time(up{job="order-service"}[90s])')),
    (windows_hold_four_samples, "infrastructure", record('avg_over_time(up{job="kubelet"}[30s])')),
    (windows_hold_four_samples, "through a record", record("avg_over_time(service:up:ratio[1m])")),
    (windows_hold_four_samples, "of CloudWatch", record("max_over_time(aws_dynamodb_system_errors_sum[3m])")),
    (windows_hold_four_samples, "subquery", record("max_over_time(service:up:ratio[5m:2m])")),
    (nothing_looks_beyond_retention, "range", record("avg_over_time(service:up:ratio[30d])")),
    (nothing_looks_beyond_retention, "offset", record("service:up:ratio offset 3w")),
    (nothing_looks_beyond_retention, "both together", record("avg_over_time(service:up:ratio[14d] offset 2d)")),
    (nothing_looks_beyond_retention, "subquery", record("max_over_time(rate(order_requests_total[1d])[15d:1h])")),
    (divisors_are_not_zero, "no guard", record("service:http_errors:rate5m / service:http_requests:rate5m")),
    (divisors_are_not_zero, "within a sum", record("sum by (service) (service:up:ratio % service:up:ratio)")),
    (pint_has_nothing_to_say, "topk", alert("topk(3, service:up:ratio) < 1")),
    (pint_has_nothing_to_say, "a name", record('max by (service) (up{job=~"kubelet"})')),
    (pint_has_nothing_to_say, "not a name", record('max by (service) (up{job!~"kubelet"})')),
    (pint_has_nothing_to_say, "anchored", record('max by (service) (up{job=~"^kube.*"})')),
    (pint_has_nothing_to_say, "anchored at the end", record('max by (service) (up{job=~"kube.*$"})')),
    (pint_has_nothing_to_say, "anything", record('max by (service) (up{job="kubelet", pod=~".*"})')),
    (bucket_bounds_are_written_as_stored, "one", record(f'sum by (service) (rate({BUCKETS}{{le="1"}}[5m]))')),
    (
        bucket_bounds_are_written_as_stored,
        "one of two",
        record(f'sum by (service) (rate({BUCKETS}{{le=~"0.5|1"}}[5m]))'),
    ),
    (quantiles_have_their_buckets, "no le", record(f"histogram_quantile(0.9, sum by (service) (rate({BUCKETS}[5m])))")),
    (operands_can_match, "other labels", record(f"{ORDERS} / (sum by (job) (rate(user_requests_total[5m])) > 0)")),
    (operands_can_match, "one side on", record("service:up:ratio * on (pod) service:expected:info")),
    (operands_can_match, "ignoring too little", record("service:up:ratio * ignoring (owner) service:expected:info")),
    (operands_can_match, "and", alert("service:up:ratio < 1 and count(service:up:ratio) > 3")),
    (operands_can_match, "unless on", alert("service:up:ratio < 1 unless on (node) service:up:ratio == 1")),
    (operands_can_match, "copies nothing", record("service:up:ratio * on (service) group_left (pod) service:up:ratio")),
    (labels_that_are_used_are_there, "matcher", record('service:up:ratio{pod="a"}')),
    (labels_that_are_used_are_there, "by", record("sum by (service, pod) (service:up:ratio)")),
    (labels_that_are_used_are_there, "without", record("sum without (pod) (service:up:ratio)")),
    (labels_that_are_used_are_there, "replaced", record('label_replace(service:up:ratio, "a", "$1", "pod", "(.*)")')),
    (series_exist, "misspelt", record("max by (service) (probe_sucess)")),
    (series_exist, "misspelt record", record("service:up:ration")),
    (series_exist, "misspelt pattern", record('max by (service) ({__name__=~"probe_sucess.*"})')),
    (services_and_alerts_that_are_named_exist, "service", record('max by (service) (up{service="orders"})')),
    (
        services_and_alerts_that_are_named_exist,
        "one of two",
        record('max by (service) (up{service=~"gateway|shop"})'),
    ),
    (services_and_alerts_that_are_named_exist, "alert", record('max by (service) (ALERTS{alertname="ServiceGone"})')),
    (
        services_and_alerts_that_are_named_exist,
        "on a dashboard",
        alert(annotations={"dashboard_url": "https://grafana.test/d/system-health?var-service=orders"}),
    ),
    (services_and_alerts_that_are_named_exist, "in a template", told("{{ query \"up{service='orders'}\" | first }}")),
    (shared_series_say_whose, "up", record("sum(up)", record="all:up:sum")),
    (shared_series_say_whose, "by something else", record('max by (pod) (up{instance="a"})', record="pod:up:max")),
    (names_follow_the_policy, "alert", beside(changed(ALERT, {"alert": "example_wrong"}))),
    (names_follow_the_policy, "long alert", beside(changed(ALERT, {"alert": "E" + "x" * 40}))),
    (names_follow_the_policy, "record", record("service:up:ratio", record="service_example")),
    (names_follow_the_policy, "still a total", record(ORDERS, record="service:orders_total:rate5m")),
    (names_follow_the_policy, "group", beside(RECORD, group="Example Group")),
    (names_follow_the_policy, "long group", beside(RECORD, group="e" * 41)),
    (records_have_the_label_of_their_level, "service", record("max(service:up:ratio)")),
    (records_have_the_label_of_their_level, "one branch", record("service:up:ratio or vector(0)")),
    (records_have_the_label_of_their_level, "instance", record(ORDERS, record="instance:orders:rate5m")),
    (rules_are_unique, "alert", beside(ALERT, ALERT)),
    (rules_are_unique, "record", beside(RECORD, changed(RECORD, {"expr": "service:up:ratio"}))),
    (rules_are_unique, "expression", beside(RECORD, changed(RECORD, {"record": "service:other:max"}))),
    (chains_stay_in_one_group, "other group", both(beside(RECORD), beside(READER, group="other"))),
    (chains_stay_in_one_group, "later", beside(READER, RECORD)),
    (alerts_reach_somebody, "no route", alert(labels={"severity": "page"})),
    (alerts_reach_somebody, "no channel", routed(without_slack)),
    (always_firing_alerts_have_their_own_route, "no route", routed(lambda c: c["route"]["routes"].pop(0))),
    (routes_delay_nothing, "of its own", routed(lambda c: warnings(c).update(group_wait="15m"))),
    (routes_delay_nothing, "inherited", routed(lambda c: c["route"].update(group_wait="2m"))),
    (alerts_of_a_message_have_one_name, "by node", routed(lambda c: warnings(c).update(group_by=["node"]))),
    (
        inhibition_compares_labels_that_are_there,
        "both without",
        muting('alertname="Watchdog"', 'alertname="NodeNotReady"', "service"),
    ),
    (
        inhibition_compares_labels_that_are_there,
        "target without",
        muting('alertname="ServiceDown"', 'alertname="NodeNotReady"', "service"),
    ),
    (severities_of_one_alert_compare_what_tells_it_apart, "zone", beside(*TWO_SEVERITIES)),
    (
        what_is_muted_waits_for_what_mutes_it,
        "route at once",
        both(beside(*TWO_SEVERITIES), routed(lambda c: warnings(c).update(group_wait="0s"))),
    ),
    (no_page_is_muted, "by a service", muting('alertname="ServiceDown"', 'symptom="errors"', "service")),
    (symptoms_know_what_pages_for_them, "of nothing", symptom()),
    (symptoms_know_what_pages_for_them, "of dependencies alone", symptom(unless='dependency=~"dynamodb|redis"')),
    (symptoms_know_what_pages_for_them, "of ServiceDown alone", symptom(unless='alertname="ServiceDown"')),
    (symptoms_wait_for_what_pages_for_them, "at once", symptom(for_="30s")),
    (
        symptoms_wait_for_what_pages_for_them,
        "before a dependency",
        both(symptom(for_="2m"), alert(labels={"severity": "critical", "dependency": "queue"})),
    ),
    (symptoms_wait_for_what_pages_for_them, "keeps firing", symptom(keep_firing_for="10m")),
    (symptoms_wait_for_what_pages_for_them, "long window", symptom(f"{ORDERS_15M} > 1")),
    (
        symptoms_wait_for_what_pages_for_them,
        "through a record",
        both(record(ORDERS_15M), symptom("service:example:max > 1")),
    ),
    (no_relabeling_merges_series, "replace", relabeled(action="replace", targetLabel="endpoint")),
    (no_relabeling_merges_series, "default action", relabeled(targetLabel="endpoint", replacement="/orders")),
    (no_relabeling_merges_series, "labeldrop", relabeled(action="labeldrop", regex="endpoint")),
]
