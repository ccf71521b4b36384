"""The legend of a graph: which numbers it has, in which order its series are, and how many of them are in sight.

The rules are those of Grafana 13.2: under a graph a legend takes up to 35 % of the panel, beside it up to 60 %.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import screen
from report.board import Panel
from report.look import LookError
from report.sources import Series, Shown

SHARE = 0.35
"""Share of a panel that a legend under its graph takes at most."""

Numbers = Sequence[float]


def last(values: Numbers) -> float:
    """The last value that is a number; NaN if there is none."""
    return next((value for value in reversed(values) if not math.isnan(value)), math.nan)


CALCULATIONS: dict[str, tuple[str, Callable[[Numbers], float]]] = {
    "lastNotNull": ("Last *", last),
    "max": ("Max", lambda values: max(values, default=math.nan)),
    "min": ("Min", lambda values: min(values, default=math.nan)),
    "mean": ("Mean", lambda values: sum(values) / len(values) if values else math.nan),
    "sum": ("Total", sum),
}
"""What a legend says of each series, and how Grafana heads it."""


@dataclass(frozen=True)
class Entry:
    """One series of a legend."""

    place: int
    """Its place among the panel's series."""
    series: Series
    numbers: dict[str, float]
    """What the legend says of it, by heading."""


@dataclass(frozen=True)
class Legend:
    """A legend; one without headings lists names only."""

    headings: tuple[str, ...]
    entries: tuple[Entry, ...]
    beside: bool
    """Whether it is beside the graph rather than under it."""
    in_sight: int
    """How many entries are seen without scrolling."""


def legend(panel: Panel, shown: Shown) -> Legend | None:
    """The legend of a graph; None if the panel shows none. Raises LookError for what the report does not know."""
    options = (panel.raw.get("options") or {}).get("legend") or {}
    if options.get("showLegend") is False:
        return None
    known = [_calculation(panel, name) for name in options.get("calcs") or ()]
    entries = [
        Entry(place, one, {heading: calculate(_numbers(one)) for heading, calculate in known})
        for place, one in enumerate(shown.series)
    ]
    beside = options.get("placement") == "right"
    return Legend(
        tuple(heading for heading, _ in known),
        tuple(_sorted(entries, options.get("sortBy"), descending=bool(options.get("sortDesc")))),
        beside,
        min(len(entries), _rows(panel, beside=beside)),
    )


def _rows(panel: Panel, *, beside: bool) -> int:
    """How many whole entries there is room for, below the headings."""
    room = screen.height(panel.height) * (1 if beside else SHARE)
    return max(math.floor(room / screen.LEGEND_ROW) - 1, 1)


def _calculation(panel: Panel, name: str) -> tuple[str, Callable[[Numbers], float]]:
    if name not in CALCULATIONS:
        raise LookError(f"{panel.title}: a legend with {name!r}: the report knows {', '.join(CALCULATIONS)}")
    return CALCULATIONS[name]


def _numbers(one: Series) -> list[float]:
    return [value for _, value in one.points if not math.isnan(value)]


def _sorted(entries: list[Entry], heading: str | None, *, descending: bool) -> list[Entry]:
    """By one of the headings or by `Name`; what has no such number counts as the least."""
    if heading is None:
        return entries
    if heading == "Name":
        return sorted(entries, key=lambda entry: _natural(entry.series.legend), reverse=descending)
    numbers = {entry.place: entry.numbers.get(heading, math.nan) for entry in entries}
    least = {place: -math.inf if math.isnan(number) else number for place, number in numbers.items()}
    return sorted(entries, key=lambda entry: least[entry.place] * (-1 if descending else 1))


def _natural(name: str) -> list[str | int]:
    """Numbers within a name are in the order of numbers."""
    return [int(part) if part.isdecimal() else part.casefold() for part in re.split(r"([0-9]+)", name)]
