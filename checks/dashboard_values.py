"""The rule that a panel shows numbers: where there was nothing to measure it shows nothing, not NaN.

A rule takes a dashboard's JSON and returns what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from checks import promql, rule_set
from checks.dashboard_json import Board, trees
from checks.expression_checks import NEVER_ZERO, never_zero
from checks.promql import Expr, ast

SIZES = {
    r"node_filefd_maximum|node_nf_conntrack_entries_limit|process_max_fds": "a limit of the kernel",
    r"kube_node_status_allocatable": "the size of a node",
    r"prometheus_engine_queries_concurrent_max|prometheus_notifications_queue_capacity": "a size",
    r"prometheus_rule_group_interval_seconds": "an interval",
    r"aws:monthly_budget:usd": "the settings refuse a budget of 0",
}
"""Series that a panel divides by as they are, beside those of the rules, and why they are never 0."""


def values_are_numbers(board: Board) -> list[str]:
    """x / 0 is infinite, 0 / 0 and a quantile of no observation are NaN: a legend would say so, and sort it first."""
    return [f"{title}: {problem}" for title, tree in trees(board) for problem in _problems(tree)]


def _problems(tree: Expr) -> Iterator[str]:
    for node, above in promql.walk(tree):
        if promql.operator(node) in {"/", "%"} and not _is_safe(promql.children(node)[1]):
            yield f"`{_text(node)}` divides by what may be 0; divide by (… > 0)"
        if _may_be_nan(node) and not _is_dropped(node, above):
            yield f"`{_text(node)}` is NaN where nothing is counted; add >= 0"


def _is_safe(divisor: Expr) -> bool:
    node = promql.bare(divisor)
    if isinstance(node, ast.Call) and node.func.name == "clamp_min":
        return (promql.number(node.args[1]) or 0) > 0
    if isinstance(node, ast.AggregateExpr) and promql.operator(node) in {"max", "min"}:
        return _is_safe(node.expr)
    return never_zero(node, [*NEVER_ZERO, *SIZES])


def _may_be_nan(node: Expr) -> bool:
    """Whether it is a quantile, of a histogram, of a summary, or as a rule records it."""
    if isinstance(node, ast.VectorSelector):
        return node.name in _recorded_quantiles() or "quantile" in {m.name for m in node.matchers.matchers}
    return _is_quantile(node)


def _is_quantile(node: Expr) -> bool:
    return isinstance(node, ast.Call) and node.func.name == "histogram_quantile"


def _is_dropped(node: Expr, above: Sequence[Expr]) -> bool:
    """Whether a comparison with a number is passed on the way up: no NaN is above, below or equal to one."""
    below = node
    for parent in reversed(above):
        if promql.is_filter(parent) and promql.operator(parent) != "!=":
            left, right = promql.children(parent)
            if str(promql.bare(left)) == str(below) and promql.is_scalar(right):
                return True
        below = parent
    return False


@cache
def _recorded_quantiles() -> frozenset[str]:
    """Series that a rule records from a quantile, which it does not drop where nothing is counted."""
    return frozenset(
        name
        for name, rules in rule_set.of_stack("prod").recording.items()
        for rule in rules
        if any(_is_quantile(node) and not _is_dropped(node, above) for node, above in promql.walk(rule.expr))
    )


def _text(node: Expr) -> str:
    return " ".join(str(node).split())[:80]
