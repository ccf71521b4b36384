"""What rules, routes and inhibition obey together. A check takes a stack and returns what is wrong with it.

Most of it no tool checks; each is a way to lose or to double a notification that was seen on a real Alertmanager.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from checks import promql
from checks.promql import ast
from checks.rule_checks import ALWAYS_FIRING
from checks.rule_set import Findings, Rule, Stack
from quantities import seconds
from rehearsal import routes

LONGEST_GROUP_WAIT = 60
"""Seconds that alerts of one cause are given to arrive together; what is longer is a delay."""

LATE_CAUSES = {
    "DynamoDbErrors": "CloudWatch is late, so the services' own pages come first; it stands for what comes after it",
}
"""Outages that are told after their symptoms, and why it cannot be earlier."""


# --- matching, as Alertmanager does it ---


def given(rule: Rule) -> dict[str, str]:
    """The labels of an alert whose values are known."""
    return {"alertname": rule.name} | {name: value for name, value in rule.labels.items() if "{{" not in value}


def stated(rule: Rule, stack: Stack) -> set[str]:
    """The labels that an alert certainly has: the rule's own, and those that its expression says of every result."""
    results = [labels.names for labels in stack.shapes(rule.expr) if not labels.others]
    everywhere = frozenset.intersection(*results) if len(results) == len(stack.shapes(rule.expr)) else frozenset()
    return {"alertname", *rule.labels, *everywhere}


def may_match(matcher: str, rule: Rule, stack: Stack) -> bool:
    """Whether some alert of the rule can match; a value that only the data know can be anything but empty."""
    name, operator, value = routes.parsed(matcher)
    known = given(rule).get(name)
    if known is None and (name in rule.labels or any(labels.has(name) for labels in stack.shapes(rule.expr))):
        return bool(value) or operator.startswith("!")
    return routes.accepts(operator, value, known or "")


def routes_of(rule: Rule, stack: Stack) -> list[dict[str, Any]]:
    """The routes that an alert takes, with what they inherit; the root if no other matches."""
    return routes.taken(stack.routing["route"], lambda matcher: may_match(matcher, rule, stack))


def _mutings(stack: Stack) -> Iterator[tuple[dict[str, Any], Rule, Rule]]:
    """Every inhibition rule with each alert that mutes by it and each that it mutes."""
    for inhibition in stack.routing["inhibit_rules"]:
        sources, targets = (
            [rule for rule in stack.alerts if all(may_match(m, rule, stack) for m in inhibition[f"{side}_matchers"])]
            for side in ("source", "target")
        )
        same_name = "alertname" in inhibition["equal"]
        yield from (
            (inhibition, source, target)
            for source in sources
            for target in targets
            if source is not target and (source.name == target.name) >= same_name
        )


# --- routes ---


def alerts_reach_somebody(stack: Stack) -> Findings:
    """Every alert reaches a receiver with a channel, by a route of its own."""
    channels = {receiver["name"]: set(receiver) - {"name"} for receiver in stack.routing["receivers"]}
    for rule in stack.alerts:
        found = routes_of(rule, stack)
        if found == [stack.routing["route"]]:
            yield rule.says("no route but the last resort takes it", "give it a severity that is routed")
        if not any(channels[route["receiver"]] for route in found):
            yield rule.says("reaches a receiver without a channel", "configure a channel")


def routes_delay_nothing(stack: Stack) -> Findings:
    """A long wait begins anew at each reload, is skipped by what joins a group, and sees no flapping: `for` does."""
    for rule in stack.alerts:
        for route in routes_of(rule, stack):
            if seconds(route["group_wait"]) > LONGEST_GROUP_WAIT:
                late = f"waits {route['group_wait']} on the route to {route['receiver']}"
                yield rule.says(late, f"let the rule wait, and the route {LONGEST_GROUP_WAIT}s at most")


def alerts_of_a_message_have_one_name(stack: Stack) -> Findings:
    """The texts take name, summary and links from what the alerts of a message have in common."""
    for rule in stack.alerts:
        for route in routes_of(rule, stack):
            if "alertname" not in route["group_by"]:
                yield rule.says(f"is told with others by {route['receiver']}", "group that route by alertname, too")


# --- inhibition ---


def inhibition_compares_labels_that_are_there(stack: Stack) -> Findings:
    """Two missing labels count as equal: an alert without a service would be muted by, or mute, that of any."""
    for inhibition, source, target in _mutings(stack):
        for label in inhibition["equal"]:
            has = [label in stated(rule, stack) for rule in (source, target)]
            if not any(has) and "alertname" not in inhibition["equal"]:
                yield target.says(f"is muted by every {source.name}, as neither has {label}", f"give both {label}")
            elif any(has) and not all(has):
                yield target.says(f"only it or {source.name}, which mutes it, has {label}", f"give both {label}")


def severities_of_one_alert_compare_what_tells_it_apart(stack: Stack) -> Findings:
    """A label that is not compared lets the page about one thing mute the warning about another."""
    for inhibition, source, target in _mutings(stack):
        apart = stated(source, stack) & stated(target, stack) - {"severity", "owner"} - set(inhibition["equal"])
        if "alertname" in inhibition["equal"] and apart:
            yield target.says(
                f"is muted by {source.name} of another {', '.join(sorted(apart))}", "compare that label in the routing"
            )


def what_is_muted_waits_for_what_mutes_it(stack: Stack) -> Findings:
    """They may arrive in either order: a route must leave them time to meet."""
    for _, source, target in _mutings(stack):
        for route in routes_of(target, stack):
            if seconds(route["group_wait"]) < 1:
                leak = f"can leak past {source.name}, which mutes it, through the route to {route['receiver']}"
                yield target.says(leak, "group_wait of 1s at least")


def no_page_is_muted(stack: Stack) -> Findings:
    """Alertmanager mutes resolves, too: a page that was told before it is muted stays open for good."""
    for _, source, target in _mutings(stack):
        if target.labels.get("severity") == "critical":
            yield target.says(
                f"is muted by {source.name}, and its resolve with it", "say in its expression what pages instead"
            )


# --- symptoms ---


def symptoms_know_what_pages_for_them(stack: Stack) -> Findings:
    """An outage of a service, and one of what it depends on, is one page, not one message for each of its symptoms."""
    for rule, outage in _symptoms(stack):
        asked = (one for one in promql.read(rule.expr, _recorded(stack)) if one.name == "ALERTS")
        if not any(_asks_for(outage, selector) for selector in asked):
            yield rule.says(f"is told beside {outage.name}", "let its expression read service:outage_paged:info")


def symptoms_wait_for_what_pages_for_them(stack: Stack) -> Findings:
    """They must not come first, nor when the outage is over and their windows still hold it.

    A window holds it for its length, a scrape that comes late, and two evaluations.
    """
    for rule, outage in _symptoms(stack):
        if outage.lasts("for") > rule.lasts("for") and outage.name not in LATE_CAUSES:
            yield rule.says(f"fires before {outage.name}, which pages for it", "let it wait as long")
        window = stack.aftermath(rule.expr)
        late = stack.applications + 2 * stack.infrastructure if window else 0
        least = window + late + rule.lasts("keep_firing_for")
        if outage.lasts("keep_firing_for") < least:
            yield rule.says(
                f"may fire for {least}s after {outage.name}, which pages for it, has ended",
                f"shorten its windows, or let {outage.name} keep firing for {least}s",
            )


def _symptoms(stack: Stack) -> Iterator[tuple[Rule, Rule]]:
    """Every alert of a symptom with each page of an outage: of a service, or of what services depend on."""
    pages = [rule for rule in stack.alerts if rule.labels.get("severity") == "critical"]
    outages = [rule for rule in pages if rule.name == "ServiceDown" or "dependency" in rule.labels]
    return ((rule, outage) for rule in stack.alerts if "symptom" in rule.labels for outage in outages)


def _recorded(stack: Stack) -> dict[str, list[promql.Expr]]:
    return {name: [rule.expr for rule in found] for name, found in stack.recording.items()}


def _asks_for(rule: Rule, selector: ast.VectorSelector) -> bool:
    """Whether a selector of ALERTS takes an alert, in whatever state."""
    labels = given(rule)
    return all(_takes(m, labels.get(m.name)) for m in selector.matchers.matchers if m.name != "alertstate")


def _takes(matcher: ast.Matcher, value: str | None) -> bool:
    """Whether a matcher takes a value; one that only the data know can be anything."""
    if value is None:
        return matcher.name in {"service", "sli"}
    exact = matcher.op in (ast.MatchOp.Equal, ast.MatchOp.NotEqual)
    found = matcher.value == value if exact else re.fullmatch(matcher.value, value) is not None
    return found == (matcher.op in (ast.MatchOp.Equal, ast.MatchOp.Re))


# --- scraping ---


def no_relabeling_merges_series(stack: Stack) -> Findings:
    """After the scrape, series are kept or dropped, never rewritten: two that become one lose samples, silently."""
    for place, relabeling in stack.relabelings:
        if relabeling.get("action", "replace").lower() not in {"keep", "drop"}:
            yield f"{place}: {relabeling} rewrites series; keep or drop whole series, and aggregate in a rule"


def always_firing_alerts_have_their_own_route(stack: Stack) -> Findings:
    """Among others, they would bury them."""
    for rule in stack.alerts:
        for route in routes_of(rule, stack):
            named = any(matcher.startswith("alertname=") for matcher in route.get("matchers", []))
            if rule.name in ALWAYS_FIRING and not named:
                yield rule.says(f"goes to {route['receiver']} with other alerts", "give it a route of its own")
