"""What every rule obeys. A check takes the rules of a stack and returns what is wrong with them.

docs/checks.md says where each check comes from, and what is not checked here and why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import yaml

from checks import promql
from checks.promql import Expr, ast
from checks.rule_set import Rule, Stack, template_labels
from components.metrics.component import FOR_GRACE_PERIOD
from quantities import seconds

Findings = Iterator[str]
Check = Callable[[Stack], Findings]

ALWAYS_FIRING = frozenset({"Watchdog"})
"""It has no threshold and does not wait: as long as Prometheus stores samples it fires."""

OF_ONE_TARGET = frozenset({"pod", "instance", "endpoint", "uid", "id"})
"""Labels of one pod or target: an alert with them is one message for each replica."""

ALERTS_OF_ONE_TARGET = {
    "NodeMemoryNearlyFull": "the instance of the node exporter is the node",
    "NodeDiskFilling": "the instance of the node exporter is the node",
    "CertificateExpiring": "the instance of a probe is the address",
    "CertificateAboutToExpire": "the instance of a probe is the address",
    "PublicUrlDown": "the instance of a probe is the address",
    "RedisDown": "the instance of a probe is the address; of CloudWatch's figures it is the cluster",
    "PrometheusNotConnectedToAlertmanager": "each Prometheus has connections of its own",
    "PrometheusStorageFailing": "each Prometheus has a volume of its own",
}
"""Alerts that have such a label on purpose, and why; those with `scope: pod` may have `pod`."""

SHARED_GROUPS = {
    "normalisation": "every service's series under one name",
    "expectations": "what should be there; constants",
    "services": "the rates of the services",
    "objectives": "the services' events by objective, one for each process",
    "business-hours": "whether it is business hours",
}
"""Groups whose series other groups may read, and what they are. Such a reader is up to one evaluation behind."""

NEVER_ZERO = {
    r"kube_pod_container_resource_limits": "a limit of 0 is no limit and no series",
    r"node_memory_MemTotal_bytes|node_filesystem_size_bytes|kubelet_volume_stats_capacity_bytes": "a size",
    r"otelcol_exporter_queue_capacity": "a size",
    r"service:slo_objective:ratio": "the catalogue refuses objectives of 100 %",
}
"""Series (or 1 less them) that a division needs no guard for, and why."""

DIVISORS = {
    "aws:month_forecast:usd": "the days of the month so far, of which it demands more than a week",
}
"""Rules that divide by something else that is never 0, and why."""

OPTIONAL_SERIES = frozenset({"aws:monthly_budget:usd"})
"""Series that the settings may leave out; without them their alerts are silent on purpose."""

OF_EVERY_TARGET = re.compile(r"up|scrape_.*|process_.*|go_.*|python_.*")
"""Series that every target has: what they mean depends on whose they are."""
WHOSE = frozenset({"job", "service", "namespace", "node"})
"""Labels that tell whose they are."""

PROMETHEUS_LABELS = frozenset({"alertname", "alertstate", "__name__"})
EXTERNAL_LABELS = frozenset({"cluster"})
"""Labels that Prometheus adds to what it sends: nothing that a rule reads has them."""

LONGEST_WAIT = "75m"
"""An hour, and what a warning waits besides."""
LONGEST_NAME = 40
"""Characters that fit into a line of a message."""
LEVELS = {
    "instance": {"instance", "pod"},
    **{name: {name} for name in ("service", "job", "node", "namespace", "region")},
}
"""First parts of recorded names that promise a label, and the labels that keep the promise."""

_FRACTIONS = frozenset({"rate", "irate", "increase", "deriv", "delta", "idelta", "histogram_quantile"})
_AVERAGES = frozenset({"avg", "stddev", "stdvar", "quantile"})
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)


# --- alerts ---


def comparisons_depend_on_data(stack: Stack) -> Findings:
    """Two numbers, twice the same, or `count(…) == 0`, which is absent rather than 0, are always or never true."""
    for rule, node, _ in _nodes(stack.rules):
        if not isinstance(node, ast.BinaryExpr) or str(node.op) not in promql.COMPARISONS:
            continue
        sides = [promql.bare(node.lhs), promql.bare(node.rhs)]
        constant = all(promql.number(side) is not None for side in sides) or str(sides[0]) == str(sides[1])
        if constant or (promql.operator(sides[0]), str(node.op), promql.number(sides[1])) == ("count", "==", 0):
            yield rule.says(f"`{_text(node)}` has the same answer whatever the data", "compare what can differ")


def absence_waits(stack: Stack) -> Findings:
    """A restart loses a scrape, so absent() is true for a moment."""
    for rule in stack.alerts:
        least = 2 * max(stack.applications, stack.infrastructure)
        if promql.calls(rule.expr, "absent", "absent_over_time") and rule.lasts("for") < least:
            yield rule.says("absent() is true while a target restarts", f"wait: `for` of {least}s or more")


def alerts_wait_long_enough_and_not_too_long(stack: Stack) -> Findings:
    """Four evaluations at least, so that one bad sample is no alert; symptoms a minute, as what mutes them does.

    And what is shorter than the grace period begins anew when Prometheus restarts.
    """
    for rule in stack.alerts:
        if rule.name in ALWAYS_FIRING:
            continue
        least, wait = max(4 * stack.infrastructure, seconds(FOR_GRACE_PERIOD)), rule.lasts("for")
        if not least <= wait <= seconds(LONGEST_WAIT):
            yield rule.says(f"`for` is {wait}s", f"choose {least}s to {LONGEST_WAIT}")


def slow_groups_bridge_their_evaluations(stack: Stack) -> Findings:
    """Prometheus takes an alert for resolved that it has not heard of for 4 of its own intervals or resends."""
    for rule in stack.alerts:
        if rule.interval > 300 and rule.lasts("keep_firing_for") < rule.interval:
            yield rule.says(f"evaluated every {rule.interval}s only", "evaluate oftener, or add keep_firing_for")


def alerts_say_whose_they_are_and_how_bad(stack: Stack) -> Findings:
    for rule in stack.alerts:
        wanted = {"none"} if rule.name in ALWAYS_FIRING else {"critical", "warning", "info"}
        if rule.labels.get("severity") not in wanted:
            yield rule.says(f"severity is {rule.labels.get('severity')!r}", f"choose {' or '.join(sorted(wanted))}")
        if not rule.labels.get("owner"):
            yield rule.says("has no owner", "add the label `owner`, or leave that to the generator")
        if any(not str(value).strip() for value in rule.labels.values()):
            yield rule.says("has an empty label", "remove it")


def alerts_are_of_what_somebody_can_act_on(stack: Stack) -> Findings:
    """Aggregated, so that neither ten replicas are ten messages nor the exporter's labels pass for the service's."""
    for rule in stack.alerts:
        allowed = {"pod"} if rule.labels.get("scope") == "pod" else set()
        for labels in stack.shapes(rule.expr):
            extra = labels.names & OF_ONE_TARGET - allowed
            if labels.others:
                yield rule.says("has whatever labels its series have", "aggregate `by` what somebody can act on")
            elif extra and rule.name not in ALERTS_OF_ONE_TARGET:
                yield rule.says(f"is one alert for each {', '.join(sorted(extra))}", "aggregate, or declare it here")


def labels_are_not_prometheus_own(stack: Stack) -> Findings:
    """What Prometheus adds to alerts on their way out is neither in what rules read nor for rules to set."""
    for rule in stack.rules:
        taken = (EXTERNAL_LABELS | PROMETHEUS_LABELS) & rule.labels.keys()
        if taken:
            yield rule.says(f"sets {', '.join(sorted(taken))}, which Prometheus sets", "choose another name")
        if EXTERNAL_LABELS & set().union(*(promql.labels_named(node) for node, _ in promql.walk(rule.expr))):
            yield rule.says("reads an external label, which no series has here", "leave it out")


# --- annotations ---


def annotations_are_a_sentence_details_and_links(stack: Stack) -> Findings:
    """The summary is the same for every alert of the name; the description has the details."""
    wanted = {"summary", "description", "runbook_url", "dashboard_url"}
    for rule in stack.alerts:
        given = rule.annotations
        if set(given) - {"service_runbook_url"} != wanted:
            yield rule.says(f"has the annotations {', '.join(sorted(given))}", f"give it {', '.join(sorted(wanted))}")
        if not re.fullmatch(r"[A-Z][^{}]*\.", given.get("summary", "")):
            yield rule.says("the summary is no plain sentence", "capital letter, full stop, no template")
        if rule.name not in ALWAYS_FIRING and "{{" not in given.get("description", ""):
            yield rule.says("the description says nothing of this alert", "use {{ $labels.… }} or {{ $value }}")
        for key in ("runbook_url", "dashboard_url"):
            if not re.match(r"https?://[^\s/]+/", given.get(key, "")):
                yield rule.says(f"{key} is no address", "give the whole URL")


def annotations_survive_pagerduty(stack: Stack) -> Findings:
    """Alertmanager reads them as YAML for PagerDuty's details: "down: no target" would become an object."""
    for rule in stack.alerts:
        for key, text in rule.annotations.items():
            if not isinstance(yaml.safe_load(_ACTION.sub("x", text)), str):
                yield rule.says(f"{key} is not read as a text by PagerDuty", "avoid a colon before a space")


def templates_read_what_is_there(stack: Stack) -> Findings:
    """`$labels` are those of the expression's result, in every branch of it; the rule's own are not among them."""
    for rule in stack.alerts:
        results = stack.shapes(rule.expr)
        for key, text in (*rule.labels.items(), *rule.annotations.items()):
            for label in sorted(template_labels(text)):
                if not all(labels.states(label) for labels in results):
                    yield rule.says(f"{key} reads $labels.{label}", f"keep {label} in the expression's result")
            for label in re.findall(r"\$externalLabels\.(\w+)", text):
                if label not in EXTERNAL_LABELS:
                    yield rule.says(f"{key} reads $externalLabels.{label}", "there is only cluster")


def templates_query_what_is_there(stack: Stack) -> Findings:
    """The series that templates look up exist; the query itself is parsed."""
    for rule in stack.alerts:
        for key, text in (*rule.labels.items(), *rule.annotations.items()):
            for query in _template_queries(text):
                names = [selector.name for selector in promql.selectors(query)]
                if not set(names) <= stack.metrics | stack.recording.keys():
                    yield rule.says(f"{key} queries {', '.join(map(str, names))}", "name a series that exists")


def values_are_written_for_people(stack: Stack) -> Findings:
    """0.0533333333 is 5.333 % to people."""
    for rule in stack.alerts:
        for key, text in rule.annotations.items():
            raw = any("$value" in action and "|" not in action for action in _ACTION.findall(text))
            if raw and _fractional(stack, rule.expr):
                yield rule.says(f"{key} has a raw $value", "pipe it through humanize, humanizePercentage or …Duration")


def _fractional(stack: Stack, expr: Expr) -> bool:
    for value in promql.values(expr):
        for node, above in promql.walk(value):
            if {promql.operator(parent) for parent in above} & {"count", "group"}:
                continue
            if isinstance(node, ast.Call) and (node.func.name in _FRACTIONS or "_over_time" in node.func.name):
                return True
            if promql.operator(node) in _AVERAGES | {"/"}:
                return True
            if isinstance(node, ast.VectorSelector) and any(
                _fractional(stack, rule.expr) for rule in stack.recording.get(node.name or "", []) if rule.expr != expr
            ):
                return True
    return False


# --- expressions ---


def counters_are_read_by_their_growth(stack: Stack) -> Findings:
    """Since when a counter counts is chance. The series of one process or pod are counters of the same kind."""
    for rule in stack.rules:
        if rule.name.startswith("instance:") or re.fullmatch("pod:.*:sum", rule.name):
            continue  # the sum of a process' counters is one
        for selector in promql.unrated(rule.expr):
            yield rule.says(f"reads the counter {_text(selector)} as it is", "use rate() or increase()")


def rates_are_of_counters(stack: Stack) -> Findings:
    """rate() takes every decrease for a restart: of a gauge, or of a sum over processes, it is nonsense."""
    for rule in stack.rules:
        for call in promql.calls(rule.expr, *promql.RATES):
            for node, _ in promql.walk(call):
                name = node.name or "" if isinstance(node, ast.VectorSelector) else ""
                across = name in stack.recording and not name.startswith("instance:")
                if isinstance(node, ast.AggregateExpr) or across or (name and not promql.is_counter(name)):
                    yield rule.says(f"`{_text(call)}` is not of the counter of one process", "sum after the rate")
                    break


def rates_use_their_whole_window(stack: Stack) -> Findings:
    """irate() and idelta() look at two samples only: what happens between evaluations is never seen."""
    for rule in stack.rules:
        if promql.calls(rule.expr, "irate", "idelta"):
            yield rule.says("uses irate() or idelta()", "use rate() or delta()")


def windows_hold_four_samples(stack: Stack) -> Findings:
    """With fewer, one lost scrape is a gap in the result."""
    for rule, node, _ in _nodes(stack.rules):
        if isinstance(node, ast.MatrixSelector):
            least, window = 4 * stack.interval(node.vector_selector), round(node.range.total_seconds())
        elif isinstance(node, ast.SubqueryExpr) and node.range:
            step = node.step.total_seconds() if node.step else stack.infrastructure
            least, window = round(4 * step), round(node.range.total_seconds())
        else:
            continue
        if window < least:
            yield rule.says(f"`{_text(node)}` holds fewer than four samples", f"look back {least}s at least")


def nothing_looks_beyond_retention(stack: Stack) -> Findings:
    """Prometheus answers such a query with what it has, and does not say so."""
    kept = seconds(stack.settings.retention.metrics)
    for rule in stack.rules:
        back = promql.lookback(rule.expr)
        if back > kept:
            yield rule.says(f"looks back {back}s, and metrics are kept for {kept}s", "shorten the window")


def divisors_are_not_zero(stack: Stack) -> Findings:
    """x / 0 is infinite, above every threshold, and 0 / 0 makes a whole sum or average NaN."""
    for rule, node, above in _nodes(stack.rules):
        if promql.operator(node) not in {"/", "%"} or rule.name in DIVISORS:
            continue
        if not _never_zero(promql.children(node)[1]) and not any(map(_asks_for_more, above)):
            yield rule.says(f"`{_text(node)}` divides by what may be 0", "divide by (… > 0)")


def _asks_for_more(parent: Expr) -> bool:
    """`… and requests > 3`: where there is nothing to divide by, nothing is left."""
    if promql.operator(parent) != "and":
        return False
    condition = promql.bare(promql.children(parent)[1])
    return promql.is_filter(condition) and promql.operator(condition) in {">", ">="}


def _never_zero(expr: Expr) -> bool:
    node = promql.bare(expr)
    value = promql.number(node)
    if value is not None:
        return value != 0
    if promql.is_filter(node) or promql.operator(node) == "count":  # the count of nothing is absent
        return True
    selectors = promql.selectors(node)
    return bool(selectors) and all(
        any(re.fullmatch(pattern, selector.name or "") for pattern in NEVER_ZERO) for selector in selectors
    )


def bucket_bounds_are_written_as_stored(stack: Stack) -> Findings:
    """`le="1"` is stored as `1.0`: a rule that reads `1` finds nothing, which its promtool test would not show."""
    for rule in stack.rules:
        for matcher in (m for s in promql.selectors(rule.expr) for m in s.matchers.matchers):
            if matcher.name in {"le", "quantile"} and any(re.fullmatch(r"\d+", part) for part in _parts(matcher.value)):
                yield rule.says(f"{matcher} matches no bucket", "write whole numbers as 1.0")


def _parts(pattern: str) -> list[str]:
    return re.split(r"[|()]", pattern)


def quantiles_have_their_buckets(stack: Stack) -> Findings:
    """Without `le` there are no buckets left to read."""
    for rule in stack.rules:
        for call in promql.calls(rule.expr, "histogram_quantile"):
            if not all(labels.has("le") for labels in stack.shapes(call.args[1])):
                yield rule.says(f"`{_text(call)}` has no label le", "keep le in the aggregation")


# --- labels and matching ---


def operands_can_match(stack: Stack) -> Findings:
    """Two sides with different labels give nothing, without an error."""
    for rule, node, _ in _nodes(stack.rules):
        if not isinstance(node, ast.BinaryExpr) or promql.is_scalar(node.lhs) or promql.is_scalar(node.rhs):
            continue
        if str(node.op) == "or" and not (node.modifier and node.modifier.matching):
            continue  # joins what is different on purpose
        pairs = list(product(stack.shapes(node.lhs), stack.shapes(node.rhs)))
        if not any(promql.matched_on(node, *pair) for pair in pairs):
            left, right = (" or ".join(map(str, side)) for side in zip(*pairs, strict=True)) if pairs else ("?", "?")
            yield rule.says(
                f"the sides of `{node.op}` never match: labels {left}, and {right}", "aggregate both by the same labels"
            )
        for label in (node.modifier and node.modifier.group_labels) or ():
            if not any(labels.has(label) for labels in stack.shapes(_one_side(node))):
                yield rule.says(f"copies {label}, which the other side does not have", "keep it there, or drop it")


def _one_side(node: ast.BinaryExpr) -> Expr:
    grouped_left = node.modifier and node.modifier.card == ast.VectorMatchCardinality.ManyToOne
    return node.rhs if grouped_left else node.lhs


def labels_that_are_used_are_there(stack: Stack) -> Findings:
    """A matcher or an aggregation by a label that was aggregated away: it selects nothing, or it is dead code."""
    for rule, node, _ in _nodes(stack.rules):
        for label, inner in _uses(node, stack):
            if not any(labels.has(label) for labels in inner):
                yield rule.says(f"uses {label}, which `{_text(node)}` no longer has", "keep it, or do not use it")


def _uses(node: Expr, stack: Stack) -> Iterator[tuple[str, promql.Shapes]]:
    """The labels that a node needs, and the label sets that it finds."""
    match node:
        case ast.VectorSelector(name=name, matchers=matchers) if name in stack.recording:
            found = stack.shapes(promql.parse(str(name)))
            yield from ((matcher.name, found) for matcher in matchers.matchers if matcher.value)
        case ast.AggregateExpr(modifier=modifier) if modifier:
            yield from ((label, stack.shapes(node.expr)) for label in modifier.labels)
        case ast.Call(func=function, args=[vector, _, _, source, _]) if function.name == "label_replace":
            yield from ((label, stack.shapes(vector)) for label in [source.val] if label)


def series_exist(stack: Stack) -> Findings:
    """Every series is scraped (metrics.yaml) or recorded by a rule."""
    known = stack.metrics | stack.recording.keys() | OPTIONAL_SERIES
    for rule in stack.rules:
        for selector in promql.selectors(rule.expr):
            name = promql.metric(selector)
            if name and not any(name == series if selector.name else re.fullmatch(name, series) for series in known):
                yield rule.says(f"nothing provides {name}", "correct it, or list it in metrics.yaml")


def services_and_alerts_that_are_named_exist(stack: Stack) -> Findings:
    """What compares with a name selects nothing once that service, or that alert, is called something else."""
    known = {"service": stack.catalogue, "alertname": {rule.name for rule in stack.alerts}}
    for rule in stack.rules:
        for label, name in _named(rule):
            if label in known and not any(re.fullmatch(name, value) for value in known[label]):
                yield rule.says(f"{label} {name!r} does not exist", "correct it")


def _named(rule: Rule) -> Iterator[tuple[str, str]]:
    """The labels and values, each alternative alone, that a rule and its annotations name."""
    texts = rule.annotations.values()
    for expr in (rule.expr, *(query for text in texts for query in _template_queries(text))):
        for matcher in (matcher for selector in promql.selectors(expr) for matcher in selector.matchers.matchers):
            yield from ((matcher.name, part) for part in _parts(matcher.value) if part)
    yield from (("service", name) for text in texts for name in re.findall(r"var-service=([\w-]+)", text))


def shared_series_say_whose(stack: Stack) -> Findings:
    """`up` of every target in the cluster is rarely what is meant."""
    for rule, node, above in _nodes(stack.rules):
        if not isinstance(node, ast.VectorSelector) or not OF_EVERY_TARGET.fullmatch(promql.metric(node)):
            continue
        if not WHOSE & set().union(*map(promql.labels_named, (node, *above))):
            yield rule.says(f"{_text(node)} is that of every target", "match, or aggregate by, job or service")


# --- rules among each other ---


def names_follow_the_policy(stack: Stack) -> Findings:
    """Alerts in CamelCase, records as level:metric:operations, groups in lower case; none too long for a message."""
    for rule in stack.rules:
        form = r"[A-Z][A-Za-z0-9]*" if rule.is_alert else r"[a-z0-9_]+:[a-z0-9_]+:[a-z0-9_]+"
        if not re.fullmatch(form, rule.name) or "_total:" in rule.name:
            yield rule.says("the name is not in the form of its kind", "AlertName or level:metric:operations")
        if rule.is_alert and len(rule.name) > LONGEST_NAME:
            yield rule.says(f"the name is longer than {LONGEST_NAME} characters", "shorten it")
        if not re.fullmatch(rf"[a-z][a-z0-9-]{{0,{LONGEST_NAME - 1}}}", rule.group):
            yield rule.says(f"the group's name is {rule.group!r}", f"{LONGEST_NAME} lower-case letters at most")


def records_have_the_label_of_their_level(stack: Stack) -> Findings:
    """`service:…` is one series for each service."""
    for name, found in stack.recording.items():
        level = name.partition(":")[0]
        for rule in found:
            results = [labels.plus(frozenset(rule.labels)) for labels in stack.shapes(rule.expr)]
            if level in LEVELS and not all(any(map(labels.has, LEVELS[level])) for labels in results):
                yield rule.says(f"has no label {level}", f"keep {level}, or name another level")


def rules_are_unique(stack: Stack) -> Findings:
    """Twice the same series is an error at evaluation; twice the same expression or alert is a mistake."""
    names = Counter((rule.name, tuple(sorted(rule.labels.items()))) for rule in stack.rules)
    expressions = Counter((rule.is_alert, str(rule.expr), tuple(sorted(rule.labels.items()))) for rule in stack.rules)
    for rule in stack.rules:
        labels = tuple(sorted(rule.labels.items()))
        if names[rule.name, labels] > 1:
            yield rule.says("is there twice with the same labels", "remove or rename one")
        if expressions[rule.is_alert, str(rule.expr), labels] > 1 and not _is_constant(rule):
            yield rule.says("has the expression and the labels of another rule", "remove one")


def _is_constant(rule: Rule) -> bool:
    return promql.number(rule.expr) is not None


def chains_stay_in_one_group(stack: Stack) -> Findings:
    """Rules of a group run in order, so a chain is consistent; groups run in any order, and each at its own time."""
    order = {id(rule): number for number, rule in enumerate(stack.rules)}
    for rule in stack.rules:
        for selector in promql.selectors(rule.expr):
            for source in stack.sources(selector):
                if source.group != rule.group and source.group not in SHARED_GROUPS:
                    yield rule.says(
                        f"reads {source.name} of the group {source.group}", "move it there, or declare the group"
                    )
                elif source.group == rule.group and order[id(source)] > order[id(rule)]:
                    yield rule.says(f"reads {source.name}, which is recorded after it", "put it further down")


# --- helpers ---


def _template_queries(text: str) -> Iterator[Expr]:
    """The expressions that a template looks up."""
    for query in re.findall(r'query "((?:[^"\\]|\\.)*)"', text):
        yield promql.parse(query.replace("\\", ""))


def _nodes(rules: Any) -> Iterator[tuple[Rule, Expr, tuple[Expr, ...]]]:
    for rule in rules:
        for node, above in promql.walk(rule.expr):
            yield rule, node, above


def _text(node: Expr) -> str:
    """The expression in one line."""
    text = re.sub(r"\s+", " ", node.prettify())
    return text if len(text) <= 80 else f"{text[:77]}..."
