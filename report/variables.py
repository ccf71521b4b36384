"""A dashboard's variables: what can be chosen, and how Grafana puts a choice into a query."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from quantities import seconds
from report.board import Board, Source, Variable

Choice = Mapping[str, str]
"""What is chosen: the text that Grafana puts into queries, by variable; for All the variable's own text for it."""

ALL = "$__all"
SCRAPE_INTERVAL = 30.0
"""Seconds; the data source's `timeInterval`, which is the stack's `scrape.applications`, by default."""

RESOLUTIONS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Steps in seconds; Grafana takes the nearest."""

_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_LABEL_VALUES = re.compile(r"label_values\((?:(?P<selector>.+),)?\s*(?P<label>\w+)\s*\)", re.DOTALL)
_SPECIAL = re.compile(r"[$^*{}\[\]'+?.()|]")
_SPECIAL_AS_TYPED = re.compile(r"[\\^$*+?.()|\[\]{}/]")


class Typed(str):
    """What somebody typed into a field: a text, where what is chosen from a list is a pattern already."""

    __slots__ = ()


@dataclass(frozen=True)
class Period:
    """A time range as Grafana asks for it: Unix seconds, and the seconds between two points of a graph."""

    start: float
    end: float
    step: float = 30.0
    scrape: float = SCRAPE_INTERVAL
    """Seconds between two scrapes, as the data source's `timeInterval` states them."""

    @classmethod
    def last(
        cls, length: float, *, end: float | None = None, points: int = 600, scrape: float = SCRAPE_INTERVAL
    ) -> Period:
        """The last `length` seconds before `end` (now), in the steps of a graph that is `points` pixels wide.

        The steps may be too short for a query: `with_min_step` says how short they may be.
        """
        end = time.time() if end is None else end
        nearest = min(RESOLUTIONS, key=lambda step: abs(step - length / points))
        return cls(end - length, end, nearest, scrape)

    @property
    def length(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start

    def with_min_step(self, of_panel: str, of_query: str) -> Period:
        """With steps no shorter than a panel or else one of its queries says, in a duration or an empty text.

        A query's own is then also taken for the time between two scrapes; without any, the data source's counts.
        Source: Grafana's documentation of the panel's "Min interval", the query's "Min step" and `$__rate_interval`.
        """
        if of_query:
            return replace(self, step=max(self.step, seconds(of_query)), scrape=float(seconds(of_query)))
        return replace(self, step=max(self.step, seconds(of_panel) if of_panel else self.scrape))

    @property
    def rate_interval(self) -> float:
        """Seconds of `$__rate_interval`: it holds four scrapes, and no event between two points is left out.

        Source: Grafana's documentation of `$__rate_interval`.
        """
        return max(self.step + self.scrape, 4 * self.scrape)


class LabelValues(Protocol):
    """Where the values of a label can be asked for."""

    def label_values(self, source: Source, label: str, selector: str | None, period: Period) -> list[str]:
        """The values of a label within a period, of the series that a selector finds or of all."""


def regex(values: Sequence[str]) -> str:
    """Text that stands for the values in a matcher `=~"…"`: one escaped, several as `(a|b)`.

    Backslashes are written twice, as the text stands within quotes.
    """
    escaped = [_SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", r"\\\\")) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def everything(board: Board) -> dict[str, str]:
    """All of every variable; what a variable without All opens with."""
    return {item.name: _opening(item) if item.all_value is None else item.all_value for item in board.variables}


def opening(board: Board) -> dict[str, str]:
    """What is chosen when the dashboard is opened."""
    return {item.name: _opening(item) for item in board.variables}


def chosen(board: Board, choice: Mapping[str, Sequence[str]]) -> Board:
    """The board with these values chosen, as by `var-<name>` in its address; unknown names are ignored."""
    variables = (replace(item, chosen=tuple(choice.get(item.name, item.chosen))) for item in board.variables)
    return replace(board, variables=tuple(variables))


def _opening(variable: Variable) -> str:
    if variable.all_value is not None:
        return variable.all_value if ALL in variable.chosen else regex(variable.chosen)
    return Typed(variable.chosen[0]) if variable.kind == "textbox" else variable.chosen[0]


def values(board: Board, sources: LabelValues, period: Period | None = None) -> dict[str, list[str]]:
    """The values of every variable that has any, within a period; by default that which the dashboard opens with."""
    period = period or Period.last(board.since)
    found = {item.name: _values(item, board, sources, period) for item in board.variables}
    return {name: listed for name, listed in found.items() if listed}


def _values(variable: Variable, board: Board, sources: LabelValues, period: Period) -> list[str]:
    if variable.query is None or variable.source is None:
        return list(variable.options)
    query = _LABEL_VALUES.fullmatch(variable.query.strip())
    if query is None:
        raise ValueError(f"{board.uid}: variable {variable.name}: {variable.query!r} is no label_values(…)")
    selector = query["selector"] and interpolate(query["selector"].strip(), everything(board), period)
    return sorted(sources.label_values(variable.source, query["label"], selector, period))


def choices(board: Board, listed: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """All of everything, then each single value of each variable with all of the others."""
    most = everything(board)
    single = [most | {name: _text(board, name, value)} for name, found in listed.items() for value in found]
    return [most, *(choice for choice in single if choice != most)]


def _text(board: Board, name: str, value: str) -> str:
    (variable,) = (item for item in board.variables if item.name == name)
    return regex([value]) if variable.all_value is not None else value


def interpolate(expr: str, choice: Choice, period: Period, *, instant: bool = False) -> str:
    """The query that Grafana sends: choices and durations in place of their variables; unknown ones stay.

    `${name:regex}` is a pattern that finds what was typed, for a text within backticks: each backslash is written once.
    Source: Grafana's documentation of the variable formats.

    `$__auto`, of LogQL, is the step, or the whole range of an instant query.
    """
    durations = {
        "__interval": period.step,
        "__rate_interval": period.rate_interval,
        "__range": period.length,
        "__auto": period.length if instant else period.step,
    }
    known = dict(choice) | {name: f"{round(length)}s" for name, length in durations.items()}
    known |= {"__range_s": f"{round(period.length)}", "__interval_ms": f"{round(1000 * period.step)}"}

    def text(match: re.Match[str]) -> str:
        value = known.get(match[1] or match[2], match[0])
        escaped = match[3] == "regex" and isinstance(value, Typed)
        return _SPECIAL_AS_TYPED.sub(r"\\\g<0>", value) if escaped else value

    return _VARIABLE.sub(text, expr)
