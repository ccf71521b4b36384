"""What the expressions of all rules obey: counters, windows, divisions, labels and matching.

docs/checks.md says where each check comes from, and what is not checked here and why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from checks import promql
from checks.promql import Expr, ast
from checks.rule_set import Findings, Rule, Stack, template_queries
from quantities import seconds

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


# --- expressions ---


def comparisons_depend_on_data(stack: Stack) -> Findings:
    """Two numbers, twice the same, or `count(…) == 0`, which is absent rather than 0, are always or never true."""
    for rule, node, _ in _nodes(stack.rules):
        if not isinstance(node, ast.BinaryExpr) or str(node.op) not in promql.COMPARISONS:
            continue
        sides = [promql.bare(node.lhs), promql.bare(node.rhs)]
        constant = all(promql.number(side) is not None for side in sides) or str(sides[0]) == str(sides[1])
        if constant or (promql.operator(sides[0]), str(node.op), promql.number(sides[1])) == ("count", "==", 0):
            yield rule.says(f"`{_text(node)}` has the same answer whatever the data", "compare what can differ")


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
        if not never_zero(promql.children(node)[1]) and not any(map(_asks_for_more, above)):
            yield rule.says(f"`{_text(node)}` divides by what may be 0", "divide by (… > 0)")


def _asks_for_more(parent: Expr) -> bool:
    """`… and requests > 3`: where there is nothing to divide by, nothing is left."""
    if promql.operator(parent) != "and":
        return False
    condition = promql.bare(promql.children(parent)[1])
    return promql.is_filter(condition) and promql.operator(condition) in {">", ">="}


def never_zero(expr: Expr, known: Iterable[str] = NEVER_ZERO) -> bool:
    """Whether a divisor needs no guard; `known` are patterns of series that are never 0."""
    node = promql.bare(expr)
    value = promql.number(node)
    if value is not None:
        return value != 0
    if promql.is_filter(node) or promql.operator(node) == "count":  # the count of nothing is absent
        return True
    selectors = promql.selectors(node)
    return bool(selectors) and all(
        any(re.fullmatch(pattern, selector.name or "") for pattern in known) for selector in selectors
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
    for expr in (rule.expr, *(query for text in texts for query in template_queries(text))):
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


def _nodes(rules: Any) -> Iterator[tuple[Rule, Expr, tuple[Expr, ...]]]:
    for rule in rules:
        for node, above in promql.walk(rule.expr):
            yield rule, node, above


def _text(node: Expr) -> str:
    """The expression in one line."""
    text = re.sub(r"\s+", " ", node.prettify())
    return text if len(text) <= 80 else f"{text[:77]}..."
