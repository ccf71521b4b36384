"""What rules, routes and inhibition obey together. A check takes a stack and returns what is wrong with it.

Most of it no tool checks; each is a way to lose or to double a notification that was seen on a real Alertmanager.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.contract.rule_checks import ALWAYS_FIRING, Findings
from tests.contract.rule_set import Rule, Stack
from validation import seconds

LONG_WAIT = 60
"""Seconds of `group_wait` from which on it is a delay on purpose, not a chance for alerts to arrive together."""

LATE_CAUSES = {
    "DynamoDbErrors": "CloudWatch is late, so the services' own pages come first; it mutes what comes after it",
}
"""What mutes symptoms that fire before it, and why it cannot be earlier."""

ENDS_WITH_ITS_CAUSE = {
    ("ServiceDown", "TrafficCeased"): "the first request after an outage ends it, whatever its windows hold",
    ("PublicUrlDown", "TrafficCeased"): "the first request after an outage ends it, whatever its windows hold",
}
"""What mutes, what is muted and by its windows may outlast it, and why it does not."""


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
    name, operator, value = _parsed(matcher)
    known = given(rule).get(name)
    if known is None and (name in rule.labels or any(labels.has(name) for labels in stack.shapes(rule.expr))):
        return bool(value) or operator.startswith("!")
    found = re.fullmatch(value if "~" in operator else re.escape(value), known or "") is not None
    return found == operator.startswith("=")


def _parsed(matcher: str) -> tuple[str, str, str]:
    found = re.fullmatch(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"(.*)"\s*', matcher)
    if not found:
        raise ValueError(f'matcher {matcher!r}: expected a form such as severity="critical"')
    return found[1], found[2], found[3]


def routes_of(rule: Rule, stack: Stack) -> list[dict[str, Any]]:
    """The routes that an alert takes, with what they inherit; the root if no other matches."""
    root = stack.routing["route"]
    found = []
    for route in root["routes"]:
        if all(may_match(matcher, rule, stack) for matcher in route["matchers"]):
            found.append({key: value for key, value in root.items() if key != "routes"} | route)
            if not route.get("continue"):
                break
    return found or [root]


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


def _by_cause(inhibition: dict[str, Any]) -> bool:
    """Whether an alert mutes what follows from it, not a lower severity of itself.

    It is named, or says which dependency of the services it is about.
    """
    return any(matcher.startswith(("alertname=", "dependency=")) for matcher in inhibition["source_matchers"])


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


def delays_hold_for_every_alert(stack: Stack) -> Findings:
    """An alert that joins a group is sent with its next message: a route that waits on purpose has groups of one."""
    for rule in stack.alerts:
        for route in routes_of(rule, stack):
            grouped = route["group_by"]
            varying = {name for name in stated(rule, stack) if name not in given(rule)} - set(grouped)
            whole = all(not labels.others for labels in stack.shapes(rule.expr))
            if seconds(route["group_wait"]) > LONG_WAIT and grouped != ["..."] and (varying or not whole):
                late = f"skips the delay of {route['receiver']} where others differ in {', '.join(sorted(varying))}"
                yield rule.says(late, "group that route by '...'")


# --- inhibition ---


def inhibition_starts_from_alerts_that_exist(stack: Stack) -> Findings:
    """A renamed alert would mute nothing from then on."""
    for inhibition in stack.routing["inhibit_rules"]:
        if _by_cause(inhibition) and not any(
            all(may_match(matcher, rule, stack) for matcher in inhibition["source_matchers"]) for rule in stack.alerts
        ):
            yield f"routing: no alert matches {', '.join(inhibition['source_matchers'])}; correct the inhibition rule"


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


def causes_fire_before_their_symptoms(stack: Stack) -> Findings:
    """What mutes must be there when what it mutes arrives, and a route must leave them time to meet."""
    for inhibition, source, target in _mutings(stack):
        late = _by_cause(inhibition) and source.lasts("for") > target.lasts("for")
        if late and source.name not in LATE_CAUSES:
            yield target.says(f"fires before {source.name}, which mutes it", "let it wait as long")
        for route in routes_of(target, stack):
            if seconds(route["group_wait"]) < 1:
                yield target.says(f"can leak through the route to {route['receiver']}", "group_wait of 1s at least")


def causes_outlast_their_symptoms(stack: Stack) -> Findings:
    """A window still holds the outage when it is over: its length, a scrape that comes late, and two evaluations."""
    for inhibition, source, target in _mutings(stack):
        if not _by_cause(inhibition) or (source.name, target.name) in ENDS_WITH_ITS_CAUSE:
            continue
        window = stack.aftermath(target.expr)
        late = stack.applications + 2 * stack.infrastructure if window else 0
        least = window + late + target.lasts("keep_firing_for")
        if source.lasts("keep_firing_for") < least:
            yield target.says(
                f"may fire for {least}s after {source.name}, which mutes it, has ended",
                f"shorten its windows, or let {source.name} keep firing for {least}s",
            )


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
