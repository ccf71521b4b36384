"""What every rule obeys besides its expression. A check takes the rules of a stack and returns what is wrong with them.

docs/checks.md says where each check comes from, and what is not checked here and why.
"""

from __future__ import annotations

import re
from collections import Counter

import yaml

from checks import promql
from checks.promql import Expr, ast
from checks.rule_set import Findings, Rule, Stack, template_labels, template_queries
from components.metrics.component import FOR_GRACE_PERIOD
from quantities import seconds

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
            for query in template_queries(text):
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
