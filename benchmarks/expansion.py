"""Recorded series written out: the query that a panel would have to ask if nothing were recorded.

Mechanical: a recorded series becomes the expression that its rules record, until only scraped series are left; a window
over one becomes a subquery with the step at which the rule is evaluated; the selector's matchers go into the scraped
series' selectors. Series that state a constant of the catalogue stay, as no scraped series tells it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import promql_parser as ast
from promql_parser import Expr, parse

EVALUATION = "15s"
"""How often rules are evaluated where their group says nothing else: the production stack's interval."""
_PLACE = "expanded_here_"
_PLACED = re.compile(rf"{_PLACE}(\d+)(?:\{{\}})?")
_EVERYTHING = frozenset({".*", ".+"})
_CHOOSING = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_FILTERS = frozenset({"or", "and", "unless"})


class CannotExpandError(Exception):
    """A recorded series cannot be written out; the message says why."""


@dataclass(frozen=True)
class Rule:
    """One rule that records a series."""

    expr: str
    labels: tuple[tuple[str, str], ...]
    interval: str
    """Time between two evaluations."""

    @property
    def constant(self) -> bool:
        """Whether it records what it states itself."""
        return not reads(self.expr)


class Expansion:
    """What the rules of a stack record, by name."""

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        self._rules: dict[str, list[Rule]] = {}
        for group in groups:
            for rule in group["rules"]:
                if "record" in rule:
                    made = Rule(rule["expr"], tuple(rule.get("labels", {}).items()), group.get("interval", EVALUATION))
                    self._rules.setdefault(rule["record"], []).append(made)

    def interval(self, name: str) -> str | None:
        """Time between two samples of a recorded series; None for one that is scraped."""
        return self._rules[name][0].interval if name in self._rules else None

    def recorded(self, expr: str) -> set[str]:
        """The recorded series that an expression reads, but constants."""
        return {name for name in reads(expr) if self._expandable(name)}

    def everything(self, expr: str) -> set[str]:
        """Every series that an expression reads, recorded ones and what they are made of."""
        found: set[str] = set()
        waiting = reads(expr)
        while waiting:
            name = waiting.pop()
            found.add(name)
            waiting |= {each for rule in self._rules.get(name, ()) for each in reads(rule.expr)} - found
        return found

    def raw(self, expr: str) -> str:
        """The expression without recorded series. Raises CannotExpandError."""
        return self._raw(parse(expr), ())

    def _expandable(self, name: str) -> bool:
        return name in self._rules and not all(rule.constant for rule in self._rules[name])

    def _raw(self, tree: Expr, within: tuple[str, ...]) -> str:
        # What replaces a node is put in as text at the end: `transform` would go on into it.
        definitions: list[str] = []

        def replaced(node: Expr) -> Expr | None:
            window = node.range if isinstance(node, ast.MatrixSelector) else None
            selector = node.vector_selector if isinstance(node, ast.MatrixSelector) else node
            if not isinstance(selector, ast.VectorSelector) or not self._expandable(selector.name or ""):
                return None
            definitions.append(self._definition(selector, within))
            moved = _moved(selector)
            place = f"({_PLACE}{len(definitions) - 1})"
            step = self._rules[selector.name or ""][0].interval
            if window is not None:
                return parse(f"{place}[{ast.display_duration(window)}:{step}]{moved}")
            return parse(f"last_over_time({place}[{step}:{step}]{moved})" if moved else place)

        text = str(ast.transform(tree, pre_visit=replaced))
        return _PLACED.sub(lambda match: definitions[int(match[1])], text)

    def _definition(self, selector: ast.VectorSelector, within: tuple[str, ...]) -> str:
        name = selector.name or ""
        if name in within:
            raise CannotExpandError(f"{name} reads its own last value")
        branches = [
            self._branch(rule, selector.matchers.matchers, (*within, name))
            for rule in self._rules[name]
            if _matches(rule, selector.matchers.matchers)
        ]
        if not branches:
            raise CannotExpandError(f"no rule records {selector}")
        return _united(branches)

    def _branch(self, rule: Rule, matchers: Sequence[ast.Matcher], within: tuple[str, ...]) -> str:
        stated = dict(rule.labels)
        tree = parse(rule.expr)
        asked = [matcher for matcher in matchers if matcher.name not in stated]
        narrowing = [matcher for matcher in asked if matcher.value not in _EVERYTHING]
        for matcher in narrowing:
            if not _passes(tree, matcher.name):
                raise CannotExpandError(f"{matcher} cannot be asked of what {within[-1]} is made of")
        text = self._raw(_narrowed(tree, narrowing), within)
        for label, value in stated.items():
            if not _says(tree, label, value):
                text = f'label_replace({text}, "{label}", "{value}", "", "")'
        return text


def reads(expr: str) -> set[str]:
    """Names of the series that an expression reads."""
    return {selector.name or _pattern(selector) for selector in _selectors(parse(expr))}


def _pattern(selector: ast.VectorSelector) -> str:
    return next((matcher.value for matcher in selector.matchers.matchers if matcher.name == "__name__"), "")


def _selectors(tree: Expr) -> list[ast.VectorSelector]:
    found: list[ast.VectorSelector] = []

    def note(node: Expr) -> None:
        if isinstance(node, ast.VectorSelector):
            found.append(node)

    ast.walk(tree, pre_visit=note)
    return found


def _united(branches: Sequence[str]) -> str:
    """All of them, as a balanced tree: a chain would compare the last with the sum of all before it."""
    if len(branches) == 1:
        return branches[0]
    half = len(branches) // 2
    return f"({_united(branches[:half])}) or ({_united(branches[half:])})"


def _moved(selector: ast.VectorSelector) -> str:
    """The selector's `offset` and `@`, as text."""
    bare: Any = parse(str(selector))
    bare.name, bare.matchers = "x", ast.Matchers([])
    return str(bare).removeprefix("x").removeprefix("{}")


def _matches(rule: Rule, matchers: Sequence[ast.Matcher]) -> bool:
    """Whether the labels that a rule states are those asked for."""
    stated = dict(rule.labels)
    return all(_accepts(matcher, stated[matcher.name]) for matcher in matchers if matcher.name in stated)


def _accepts(matcher: ast.Matcher, value: str) -> bool:
    if matcher.op in (ast.MatchOp.Equal, ast.MatchOp.NotEqual):
        found = value == matcher.value
    else:
        found = re.fullmatch(matcher.value, value) is not None
    return found == (matcher.op in (ast.MatchOp.Equal, ast.MatchOp.Re))


def _says(tree: Expr, label: str, value: str) -> bool:
    """Whether everything that is read has this label with this value, so that the result has it."""
    wanted = (label, value, ast.MatchOp.Equal)
    return _passes(tree, label) and all(
        wanted in [(matcher.name, matcher.value, matcher.op) for matcher in selector.matchers.matchers]
        for selector in _selectors(tree)
    )


def _narrowed(tree: Expr, matchers: Sequence[ast.Matcher]) -> Expr:
    """The expression with these matchers in every selector whose labels the result has."""
    if not matchers:
        return tree
    if isinstance(tree, ast.BinaryExpr) and any(_guarded(tree, matcher.name) for matcher in matchers):
        of_both = [matcher for matcher in matchers if not _guarded(tree, matcher.name)]
        between = str(tree).removeprefix(str(tree.lhs)).removesuffix(str(tree.rhs))
        return parse(f"({_narrowed(tree.lhs, matchers)}){between}({_narrowed(tree.rhs, of_both)})")

    def add(node: Expr) -> Expr | None:
        if not isinstance(node, ast.VectorSelector):
            return None
        node.matchers = ast.Matchers([*node.matchers.matchers, *matchers])
        return parse(str(node))  # only the text of a node knows of a change

    return ast.transform(tree, post_visit=add)


def _passes(node: Expr, label: str) -> bool:
    """Whether a label of the result is the same label of every series that is read."""
    match node:
        case ast.VectorSelector() | ast.MatrixSelector():
            return True
        case ast.ParenExpr() | ast.UnaryExpr() | ast.SubqueryExpr():
            return _passes(node.expr, label)
        case ast.AggregateExpr():
            return _kept(node, label) and _passes(node.expr, label)
        case ast.Call():
            return _passes_call(node, label)
        case ast.BinaryExpr() if _guarded(node, label):
            return _passes(node.lhs, label)
        case ast.BinaryExpr():
            return _matched(node, label) and _passes(node.lhs, label) and _passes(node.rhs, label)
    return True  # a number or a text


def _kept(node: ast.AggregateExpr, label: str) -> bool:
    if str(node.op) in _CHOOSING:
        return True
    if node.modifier is None:
        return False
    return (label in node.modifier.labels) is (node.modifier.type is ast.AggModifierType.By)


def _passes_call(node: ast.Call, label: str) -> bool:
    name = node.func.name
    if name in {"vector", "absent", "absent_over_time", "scalar"}:
        return False
    if name in {"label_replace", "label_join"} and str(node.args[1].val) == label:
        return False
    return all(_passes(argument, label) for argument in node.args)


def _guarded(node: Expr, label: str) -> bool:
    """Whether the right side only says which series of the left side there are, and not by this label."""
    if not isinstance(node, ast.BinaryExpr) or str(node.op) not in {"and", "unless"} or not node.modifier:
        return False
    matching = node.modifier.matching
    return matching is not None and matching.type is ast.LabelModifierType.Include and label not in matching.labels


def _matched(node: ast.BinaryExpr, label: str) -> bool:
    matching = node.modifier.matching if node.modifier else None
    if matching is None or str(node.op) == "or":
        return True
    return (label in matching.labels) is (matching.type is ast.LabelModifierType.Include)
