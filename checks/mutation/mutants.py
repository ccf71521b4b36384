"""Mutants of a Prometheus rule: the rule with one small mistake each.

PromQL is not parsed: a tokenizer that tells strings, durations, numbers, names and operators apart is enough to know
what may be changed. A mutant that PromQL does not accept is no harm, as promtool rejects it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from quantities import DURATION_IN_TEXT, milliseconds, seconds

NUMBERS = (0.5, 0.9, 1.1, 2.0)
"""Factors of a number; 0, which they do not change, becomes 1."""
LENGTHS = (0.5, 2)
"""Factors of a window and of a wait."""
AGGREGATIONS = ("sum", "avg", "max", "min")
SET_OPERATORS = ("and", "or", "unless")
SEVERITIES = ("critical", "warning", "info")
LABEL_LISTS = ("by", "without", "on", "ignoring", "group_left", "group_right")
OPPOSITE = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "==": "!=", "!=": "=="}
BOUNDARY = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}

_TOKEN = re.compile(
    rf"""
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<comment>\#[^\n]*)
    |(?P<duration>{DURATION_IN_TEXT}(?!\w))
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>[a-zA-Z_][\w:]*)
    |(?P<operator>[=!<>]=|[=!]~|[^\s\w])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Mutation:
    """One mistake, and the keys of the rule that have it."""

    operator: str
    """Kind of the mistake, such as `boundary`."""
    change: str
    """What became what: `> -> >=`."""
    line: str
    """The line with the mistake, for people."""
    edits: dict[str, Any]
    """The keys of the rule that change, with their new values; None removes a key."""

    def of(self, rule: dict[str, Any]) -> dict[str, Any]:
        """The rule with the mistake."""
        return {key: value for key, value in (rule | self.edits).items() if value is not None}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int
    matching: bool
    """Whether it is within `{…}`."""


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str
    change: str


def mutations(rule: dict[str, Any]) -> list[Mutation]:
    """Every mutation of a rule, those of its expression first."""
    return [*_of_expression(rule["expr"]), *_of_waits(rule), *_of_severity(rule)]


def numbered(found: list[Mutation]) -> list[Mutation]:
    """The mutations, with changes that are alike told apart: the second `> -> >=` is `> -> >= (2)`."""
    seen: Counter[tuple[str, str]] = Counter()
    result = []
    for mutation in found:
        seen[mutation.operator, mutation.change] += 1
        number = seen[mutation.operator, mutation.change]
        result.append(mutation if number == 1 else replace(mutation, change=f"{mutation.change} ({number})"))
    return result


def _of_expression(expression: str) -> Iterator[Mutation]:
    tokens = list(_tokens(expression))
    for operator, edits in _OPERATORS.items():
        for edit in edits(tokens):
            mutated = expression[: edit.start] + edit.text + expression[edit.end :]
            line = mutated[: edit.start].count("\n")
            yield Mutation(operator, edit.change, mutated.split("\n")[line].strip(), {"expr": mutated})


def _of_waits(rule: dict[str, Any]) -> Iterator[Mutation]:
    for key in ("for", "keep_firing_for"):
        if key not in rule:
            continue
        lengths = [f"{round(factor * seconds(rule[key]))}s" for factor in LENGTHS]
        for length in ("0s", *lengths):
            yield Mutation(key, f"{rule[key]} -> {length}", f"{key}: {length}", {key: length})


def _of_severity(rule: dict[str, Any]) -> Iterator[Mutation]:
    labels = rule.get("labels", {})
    if "alert" not in rule:
        return
    for severity in SEVERITIES:
        if severity != labels["severity"]:
            change = f"{labels['severity']} -> {severity}"
            yield Mutation("severity", change, f"severity: {severity}", {"labels": labels | {"severity": severity}})


def _tokens(expression: str) -> Iterator[_Token]:
    matching = False
    for found in _TOKEN.finditer(expression):
        kind, text = str(found.lastgroup), found.group()
        if kind == "comment":
            continue
        matching = (matching or text == "{") and text != "}"
        yield _Token(kind, text, found.start(), found.end(), matching)


def _swaps(token: _Token, others: list[str]) -> Iterator[_Edit]:
    for other in others:
        yield _Edit(token.start, token.end, other, f"{token.text} -> {other}")


def _numbers(tokens: list[_Token]) -> Iterator[_Edit]:
    for token in tokens:
        if token.kind == "number":
            value = float(token.text)
            yield from _swaps(token, [f"{factor * value:.12g}" for factor in NUMBERS] if value else ["1"])


def _comparisons(tokens: list[_Token]) -> Iterator[_Edit]:
    for token in tokens:
        if token.kind == "operator" and not token.matching and token.text in OPPOSITE:
            yield from _swaps(token, [OPPOSITE[token.text]])


def _boundaries(tokens: list[_Token]) -> Iterator[_Edit]:
    for token in tokens:
        if token.kind == "operator" and not token.matching and token.text in BOUNDARY:
            yield from _swaps(token, [BOUNDARY[token.text]])


def _set_operators(tokens: list[_Token]) -> Iterator[_Edit]:
    for token in tokens:
        if token.kind == "name" and not token.matching and token.text in SET_OPERATORS:
            yield from _swaps(token, [other for other in SET_OPERATORS if other != token.text])


def _aggregations(tokens: list[_Token]) -> Iterator[_Edit]:
    for position, (token, following) in enumerate(pairwise(tokens)):
        aggregates = token.kind == "name" and token.text in AGGREGATIONS and following.text in {"(", "by", "without"}
        if aggregates and not _makes_nothing(tokens[:position]):
            yield from _swaps(token, [other for other in AGGREGATIONS if other != token.text])


def _makes_nothing(before: list[_Token]) -> bool:
    """Whether the next operand is only multiplied by 0: its labels remain, which all aggregations have in common."""
    texts = ["(", *(token.text for token in before)]
    return texts[-2:] == ["0", "*"] and texts[-3] in {"(", "or"}  # not `x / 0 * y` nor `x ^ 0 * y`


def _windows(tokens: list[_Token]) -> Iterator[_Edit]:
    for token in tokens:
        if token.kind == "duration":
            lengths = [round(factor * milliseconds(token.text)) for factor in LENGTHS]
            yield from _swaps(token, [_duration(length) for length in lengths])


def _duration(length: int) -> str:
    return f"{length}ms" if length % 1000 else f"{length // 1000}s"


def _matchers(tokens: list[_Token]) -> Iterator[_Edit]:
    for position, token in enumerate(tokens):
        if token.text == "{":
            yield from _dropped(tokens, position + 1, "}")


def _labels(tokens: list[_Token]) -> Iterator[_Edit]:
    for position, (token, following) in enumerate(pairwise(tokens)):
        if token.kind == "name" and token.text in LABEL_LISTS and following.text == "(":
            yield from _dropped(tokens, position + 2, ")")


def _dropped(tokens: list[_Token], first: int, closing: str) -> Iterator[_Edit]:
    """The list that begins at `first`, without one of its items each, and without the comma that goes with it."""
    items: list[list[_Token]] = [[]]
    for token in tokens[first:]:
        if token.text == closing:
            break
        if token.text == ",":
            items.append([])
        else:
            items[-1].append(token)
    items = [item for item in items if item]
    for number, item in enumerate(items):
        start, end = item[0].start, item[-1].end
        if number + 1 < len(items):
            end = items[number + 1][0].start
        elif number:
            start = items[number - 1][-1].end
        yield _Edit(start, end, "", f"without {''.join(token.text for token in item)}")


_OPERATORS: dict[str, Callable[[list[_Token]], Iterator[_Edit]]] = {
    "number": _numbers,
    "comparison": _comparisons,
    "boundary": _boundaries,
    "set": _set_operators,
    "aggregation": _aggregations,
    "matcher": _matchers,
    "window": _windows,
    "label": _labels,
}
