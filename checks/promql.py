"""PromQL as a tree: what an expression reads, how far it looks back, and which labels its result has.

`promql_parser` reads the text; promtool of the pinned Prometheus remains the judge of what is valid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import promql_parser as ast
from promql_parser import Expr, parse

__all__ = ["Expr", "Labels", "Shapes", "ast", "parse"]

COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
SET_OPERATORS = frozenset({"and", "or", "unless"})
RATES = frozenset({"rate", "irate", "increase"})
"""Functions that turn a counter into what happened in a window."""
OCCURRENCES = frozenset({"resets", "changes", "absent_over_time", "present_over_time", "count_over_time"})
"""Functions of a window that ask of a counter only whether and how often it was there, or restarted."""
CHOOSING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
"""Aggregations that keep some series as they are, with all their labels."""

_COUNTER = re.compile(
    r"(?!aws_).*_(total|count|sum|bucket)|instance:.*:sum|node_(netstat|vmstat)_.*"
    r"|otelcol_(receiver|processor|exporter)_(?!queue_).*"
)
"""What counts, by name. CloudWatch's `_sum` is a statistic of a period, so a gauge; the counters of the kernel and of
the log agent have no suffix."""


def is_counter(name: str) -> bool:
    """Whether a series of this name only ever grows."""
    return bool(_COUNTER.fullmatch(name))


# --- the tree ---


def children(node: Expr) -> tuple[Expr, ...]:
    """What a node is made of, in the order of the text."""
    match node:
        case ast.BinaryExpr():
            return node.lhs, node.rhs
        case ast.Call():
            return tuple(node.args)
        case ast.AggregateExpr():
            return (node.expr,) if node.param is None else (node.param, node.expr)
        case ast.MatrixSelector():
            return (node.vector_selector,)
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return (node.expr,)
    return ()


def walk(node: Expr, above: tuple[Expr, ...] = ()) -> Iterator[tuple[Expr, tuple[Expr, ...]]]:
    """Every node, and those that it is within from the outermost on; parentheses are left out."""
    if not isinstance(node, ast.ParenExpr):
        yield node, above
        above = (*above, node)
    for child in children(node):
        yield from walk(child, above)


def selectors(expr: Expr) -> list[ast.VectorSelector]:
    """Every selector of series."""
    return [node for node, _ in walk(expr) if isinstance(node, ast.VectorSelector)]


def read(expr: Expr, recorded: Mapping[str, Iterable[Expr]]) -> list[ast.VectorSelector]:
    """What an expression selects, itself or through the series that are recorded, by name, from these expressions."""
    found: list[ast.VectorSelector] = []
    followed: set[str | None] = set()
    waiting = [expr]
    while waiting:
        new = selectors(waiting.pop())
        found += new
        names = {selector.name for selector in new} - followed
        followed |= names
        waiting += [source for name in names for source in recorded.get(name or "", ())]
    return found


def metric(selector: ast.VectorSelector) -> str:
    """Name of the series that a selector reads, or the pattern that it gives instead of one."""
    patterns = (matcher.value for matcher in selector.matchers.matchers if matcher.name == "__name__")
    return selector.name or next(patterns, "")


def calls(expr: Expr, *names: str) -> list[ast.Call]:
    """Every call of one of these functions."""
    return [node for node, _ in walk(expr) if isinstance(node, ast.Call) and node.func.name in names]


def labels_named(node: Expr) -> frozenset[str]:
    """The labels that a node itself names: in matchers, `by`, `without`, `on` and `ignoring`."""
    match node:
        case ast.VectorSelector():
            return frozenset(matcher.name for matcher in node.matchers.matchers)
        case ast.AggregateExpr() if node.modifier:
            return frozenset(node.modifier.labels)
        case ast.BinaryExpr() if node.modifier and node.modifier.matching:
            return frozenset(node.modifier.matching.labels)
    return frozenset()


def bare(node: Expr) -> Expr:
    """The expression without the parentheses around it."""
    while isinstance(node, ast.ParenExpr):
        node = node.expr
    return node


def operator(node: Expr) -> str:
    """The operator of a binary expression or the name of an aggregation; empty for anything else."""
    return str(node.op) if isinstance(node, ast.BinaryExpr | ast.AggregateExpr) else ""


def is_filter(node: Expr) -> bool:
    """Whether it is a comparison that drops series, not one that answers 0 or 1."""
    if not isinstance(node, ast.BinaryExpr) or str(node.op) not in COMPARISONS:
        return False
    return not (node.modifier and node.modifier.return_bool)


def number(node: Expr) -> float | None:
    """The value of a number, also in parentheses, as `vector(…)` or with a sign; None for anything else."""
    match bare(node):
        case ast.NumberLiteral(val=value):
            return float(value)
        case ast.UnaryExpr(expr=inner):
            positive = number(inner)
            return None if positive is None else -positive
        case ast.Call(func=function, args=[argument]) if function.name == "vector":
            return number(argument)
    return None


def is_scalar(node: Expr) -> bool:
    """Whether it is a number without labels, so that nothing has to be matched."""
    match bare(node):
        case ast.NumberLiteral() | ast.StringLiteral():
            return True
        case ast.Call(func=function):
            return function.name in {"scalar", "time", "pi"}
        case ast.UnaryExpr(expr=inner):
            return is_scalar(inner)
        case ast.BinaryExpr(lhs=left, rhs=right):
            return is_scalar(left) and is_scalar(right)
    return False


def values(expr: Expr) -> Iterator[Expr]:
    """The parts that give the result its value: conditions only decide whether there is one."""
    node = bare(expr)
    if isinstance(node, ast.BinaryExpr) and (is_filter(node) or str(node.op) in SET_OPERATORS):
        yield from values(node.rhs if is_scalar(node.lhs) else node.lhs)
        if str(node.op) == "or":
            yield from values(node.rhs)
    else:
        yield node


def unrated(expr: Expr) -> Iterator[ast.VectorSelector]:
    """Counters whose value is read as it is: since when it counts is chance, so only its growth means something.

    Asking whether it is there is no such reading: `absent()`, `count`, `0 * counter`, `… unless counter`; nor whether
    it has counted anything, `counter > 0`, nor comparing it with itself earlier: `counter - counter offset 1h`.
    """
    for node, above in walk(expr):
        if isinstance(node, ast.VectorSelector) and is_counter(metric(node)) and not _only_growth(node, above):
            yield node


def _only_growth(node: Expr, above: tuple[Expr, ...]) -> bool:
    below: Expr = node
    for parent in reversed(above):
        match parent:
            case ast.Call(func=function) if function.name != "last_over_time":
                return function.name in RATES | OCCURRENCES | {"absent", "timestamp"}
            case ast.AggregateExpr(op=op) if str(op) in {"count", "group"}:
                return True
            case ast.BinaryExpr(op=op, lhs=left, rhs=right):
                if (str(op), 0) in {("*", number(left)), ("*", number(right)), (">", number(right))}:
                    return True
                if str(op) in {"and", "unless"} and str(bare(right)) == str(below):
                    return True
                if str(op) in COMPARISONS | {"-"} and _with_itself_earlier(left, right):
                    return True
        below = parent
    return False


def _with_itself_earlier(left: Expr, right: Expr) -> bool:
    same = {metric(selector) for selector in selectors(left)} == {metric(selector) for selector in selectors(right)}
    return same and any(selector.offset for selector in selectors(right))


def lookback(node: Expr, recorded: Callable[[str], int] = lambda _: 0) -> int:
    """How far back the expression looks, in seconds: windows and offsets, those within each other added up.

    `recorded` says how far a recorded series looks back itself.
    """
    return _own_lookback(node, recorded) + max((lookback(child, recorded) for child in children(node)), default=0)


def aftermath(node: Expr, recorded: Callable[[str], int] = lambda _: 0) -> int:
    """How long a condition may still hold when its cause is over, in seconds.

    Its lookback, but `a and b` ends with the first of the two, and what `unless` takes away does not prolong it.
    """
    match operator(node), [aftermath(child, recorded) for child in children(node)]:
        case "and", inner:
            return min(inner)
        case "unless", [left, _]:
            return left
        case _, inner:
            return _own_lookback(node, recorded) + max(inner, default=0)


def _own_lookback(node: Expr, recorded: Callable[[str], int]) -> int:
    match node:
        case ast.VectorSelector():
            return _seconds(node.offset) + recorded(node.name or "")
        case ast.MatrixSelector():
            return _seconds(node.range)
        case ast.SubqueryExpr():
            return _seconds(node.range) + _seconds(node.offset)
    return 0


def _seconds(delta: Any) -> int:
    return round(delta.total_seconds()) if delta else 0


# --- labels ---


@dataclass(frozen=True)
class Labels:
    """The labels that a series can have: the named ones, or all but those."""

    names: frozenset[str] = frozenset()
    others: bool = False
    """Whether it can have every label but the named ones."""

    def has(self, name: str) -> bool:
        """Whether it can have this label."""
        return (name in self.names) != self.others

    def states(self, name: str) -> bool:
        """Whether the expression itself says that it has this label."""
        return not self.others and name in self.names

    def only(self, names: frozenset[str]) -> Labels:
        """No labels but these, as `by` and `on` leave them."""
        return Labels(frozenset(name for name in names if self.has(name)))

    def without(self, names: frozenset[str]) -> Labels:
        """Less these labels, as `without` and `ignoring` leave them."""
        return Labels(self.names | names if self.others else self.names - names, self.others)

    def plus(self, names: frozenset[str]) -> Labels:
        """With these labels too."""
        return Labels(self.names - names if self.others else self.names | names, self.others)

    def matched(self, other: Labels) -> Labels | None:
        """What two series have that are equal in all labels; None if they never are."""
        if self.others and other.others:
            return Labels(self.names | other.names, others=True)
        if self.others or other.others:
            closed, open_ = (other, self) if self.others else (self, other)
            return closed.only(closed.names) if all(map(open_.has, closed.names)) else None
        return self if self.names == other.names else None

    def __str__(self) -> str:
        listed = ", ".join(sorted(self.names)) or "none"
        return f"all but {listed}" if self.others else listed


Shapes = frozenset[Labels]
"""The label sets of a result; more than one where `or`, or several rules of one name, join different ones."""
Recorded = Callable[[str], Shapes | None]
"""Label sets of the series that rules record; None for a series that is scraped."""

ANY: Shapes = frozenset({Labels(others=True)})
NONE: Shapes = frozenset({Labels()})


@singledispatch
def shapes(node: Expr, recorded: Recorded) -> Shapes:  # noqa: ARG001  # the case without labels
    """The label sets that the result of an expression can have; a literal has no labels."""
    return NONE


@shapes.register
def _(node: ast.VectorSelector, recorded: Recorded) -> Shapes:
    found = recorded(node.name or "") or ANY
    empty = frozenset(m.name for m in node.matchers.matchers if m.op == ast.MatchOp.Equal and not m.value)
    return frozenset(labels.without(empty) for labels in found)


@shapes.register
def _(node: ast.MatrixSelector, recorded: Recorded) -> Shapes:
    return shapes(node.vector_selector, recorded)


@shapes.register(ast.ParenExpr)
@shapes.register(ast.UnaryExpr)
@shapes.register(ast.SubqueryExpr)
def _(node: Any, recorded: Recorded) -> Shapes:
    return shapes(node.expr, recorded)


@shapes.register
def _(node: ast.AggregateExpr, recorded: Recorded) -> Shapes:
    inner = shapes(node.expr, recorded)
    if str(node.op) in CHOOSING:
        return inner
    added = frozenset({str(node.param.val)} if str(node.op) == "count_values" and node.param else ())
    if node.modifier is None:
        return frozenset({Labels(added)})
    names = frozenset(node.modifier.labels)
    by = node.modifier.type == ast.AggModifierType.By
    kept = (labels.only(names) if by else labels.without(names) for labels in inner)
    return frozenset(labels.plus(added) for labels in kept)


@shapes.register
def _(node: ast.Call, recorded: Recorded) -> Shapes:
    name = node.func.name
    if name in {"absent", "absent_over_time"}:
        equal = (m.name for s in selectors(node)[:1] for m in s.matchers.matchers if m.op == ast.MatchOp.Equal)
        return frozenset({Labels(frozenset(equal))})
    vectors = [argument for argument in node.args if not is_scalar(argument)]
    found = shapes(vectors[0], recorded) if vectors and name != "scalar" else NONE
    if name == "histogram_quantile":
        return frozenset(labels.without(frozenset({"le"})) for labels in found)
    if name in {"label_replace", "label_join"}:
        return frozenset(labels.plus(frozenset({str(node.args[1].val)})) for labels in found)
    return found


@shapes.register
def _(node: ast.BinaryExpr, recorded: Recorded) -> Shapes:
    left, right = shapes(node.lhs, recorded), shapes(node.rhs, recorded)
    if str(node.op) == "or":
        return left | right
    if str(node.op) in SET_OPERATORS or is_scalar(node.rhs):
        return left
    if is_scalar(node.lhs):
        return right
    pairs = (_joined(node, one, other) for one in left for other in right)
    return frozenset(labels for labels in pairs if labels is not None)


def _joined(node: ast.BinaryExpr, left: Labels, right: Labels) -> Labels | None:
    """The labels of `left op right`; None if the two never match."""
    matching = matched_on(node, left, right)
    if matching is None:
        return None
    card = node.modifier.card if node.modifier else None
    copied = frozenset((node.modifier and node.modifier.group_labels) or ())
    if card == ast.VectorMatchCardinality.ManyToOne:
        return left.plus(copied)
    if card == ast.VectorMatchCardinality.OneToMany:
        return right.plus(copied)
    return matching


def matched_on(node: ast.BinaryExpr, left: Labels, right: Labels) -> Labels | None:
    """The labels that the two sides of an operation are matched on; None if they never match."""
    matching = node.modifier.matching if node.modifier else None
    if matching is None:
        return left.matched(right)
    names = frozenset(matching.labels)
    if matching.type == ast.LabelModifierType.Include:
        both = all(left.has(name) and right.has(name) for name in names)
        return left.only(names) if both else None
    return left.without(names).matched(right.without(names))
