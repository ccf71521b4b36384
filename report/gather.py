"""Asks for every panel of every dashboard, and draws it: each board as it opens, a repeated row once for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal
from xml.etree.ElementTree import Element

import httpx

from report import draw
from report.board import Board, Json, Panel, Row, Variable, read
from report.charts import Frame, Mark
from report.look import named
from report.sources import Period, QueryError, Shown, Sources, legend
from report.variables import ALL, Choice, interpolate, opening, regex, values

ASKED_AT_ONCE = 6
"""Queries under way at a time: the sources work on this machine too."""

State = Literal["shown", "healthy", "empty", "elsewhere", "failed"]
"""`healthy` is empty where that is good news; `elsewhere` asks a data source that the rehearsal does not run."""


@dataclass(frozen=True)
class Drawn:
    """A panel and what it shows."""

    panel: Panel
    body: Element
    state: State


@dataclass(frozen=True)
class Part:
    """A row of a board; `value` is the one it was repeated for."""

    title: str
    value: str | None
    panels: tuple[Drawn, ...]


@dataclass(frozen=True)
class Drawing:
    """A board, drawn."""

    board: Board
    period: Period
    chosen: Mapping[str, str]
    """What is chosen, in words, by the variable's label."""
    parts: tuple[Part, ...]
    marks: tuple[Mark, ...]
    problem: str | None = None
    """Why its marks are missing."""

    @property
    def panels(self) -> Iterator[Drawn]:
        """Every panel, in reading order."""
        return (panel for part in self.parts for panel in part.panels)


@dataclass(frozen=True)
class Repetition:
    """A row once, with its choice."""

    row: Row
    choice: Choice
    value: str | None = None

    def title(self, text: str) -> str:
        """A title with the value that it is repeated for."""
        if self.row.repeat is None or self.value is None:
            return text
        return re.sub(rf"\$(?:\{{{self.row.repeat}\}}|{self.row.repeat}\b)", lambda _: self.value or "", text)


@dataclass(frozen=True)
class Plan:
    """What there is to ask for one board."""

    board: Board
    period: Period
    rows: tuple[Repetition, ...]
    looks: Mapping[str, Json]
    """The JSON of its annotations, by name."""

    @property
    def panels(self) -> int:
        """How many panels there are to draw."""
        return sum(len(repetition.row.panels) for repetition in self.rows)


def plan(text: str, sources: Sources, since: float | None = None) -> Plan:
    """What to ask for the board that this JSON describes, as it opens, over the last `since` seconds.

    By default it looks as far back as the board does when it is opened.
    Raises QueryError or httpx.HTTPError if the values of its variables cannot be had.
    """
    board = read(text)
    period = Period.last(since or board.since)
    choice, found = opening(board), values(board, sources, period)
    rows = [
        Repetition(row, choice | {row.repeat: regex([value])} if row.repeat and value else choice, value)
        for row in board.rows
        for value in (_chosen(board, row.repeat, found) if row.repeat else [None])
    ]
    return Plan(board, period, tuple(rows), {item["name"]: item for item in json.loads(text)["annotations"]["list"]})


def _chosen(board: Board, name: str, found: Mapping[str, Sequence[str]]) -> Sequence[str]:
    (variable,) = (item for item in board.variables if item.name == name)
    return found.get(name, ()) if ALL in variable.chosen else variable.chosen


def gather(what: Plan, sources: Sources, on_panel: Callable[[], object] = lambda: None) -> Drawing:
    """Ask for every panel and draw it; `on_panel` is called after each. A panel that fails shows why."""
    marks, problem = _marks(what, sources)

    def drawn(repetition: Repetition, panel: Panel) -> Drawn:
        panel = replace(panel, title=repetition.title(panel.title))
        found = _drawn(panel, sources, repetition.choice, what.period, marks)
        on_panel()
        return found

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        rows = [(item, [pool.submit(drawn, item, panel) for panel in item.row.panels]) for item in what.rows]
    return Drawing(
        what.board,
        what.period,
        {item.label: _words(item) for item in what.board.variables},
        tuple(
            Part(item.title(item.row.title), item.value, tuple(future.result() for future in futures))
            for item, futures in rows
        ),
        marks,
        problem,
    )


def _words(variable: Variable) -> str:
    return "All" if ALL in variable.chosen else ", ".join(variable.chosen) or "any"


def _drawn(panel: Panel, sources: Sources, choice: Choice, period: Period, marks: tuple[Mark, ...]) -> Drawn:
    try:
        shown = sources.ask(panel, choice, period)
        body = draw.body(panel, shown, Frame(period, _step(panel, choice, period), marks))
    except (QueryError, httpx.HTTPError, ValueError, LookupError) as error:
        return Drawn(panel, draw.failed(error), "failed")
    return Drawn(panel, body, _state(panel, shown))


def _state(panel: Panel, shown: Shown) -> State:
    if not panel.targets and panel.kind != "text":
        return "elsewhere"
    if not shown.empty or panel.kind == "text":
        return "shown"
    return "empty" if panel.empty is None else "healthy"


def _step(panel: Panel, choice: Choice, period: Period) -> float:
    """Seconds between two points of a panel's graph; of the query with the longest, as Grafana's axis is one."""
    shortest = [(interpolate(panel.min_step, choice, period), target.min_step) for target in panel.targets]
    return max((period.with_min_step(*steps).step for steps in shortest), default=period.step)


def _marks(what: Plan, sources: Sources) -> tuple[tuple[Mark, ...], str | None]:
    """What its annotations mark on the graphs, in order; or why that cannot be had."""
    marks: list[Mark] = []
    for annotation in what.board.annotations:
        look = what.looks[annotation.name]
        try:
            shown = sources.marks(annotation, opening(what.board), what.period)
        except (QueryError, httpx.HTTPError) as error:
            return (), f"{annotation.name}: {error}"
        step = what.period.with_min_step("", annotation.target.min_step).step
        for start, end, labels in _events(shown, step):
            words = [legend(look.get(form) or "", labels) for form in ("titleFormat", "textFormat") if look.get(form)]
            marks.append(Mark(start, end, " · ".join(words) or annotation.name, named(look.get("iconColor") or "blue")))
    return tuple(sorted(marks, key=lambda mark: mark.start)), None


def _events(shown: Shown, step: float) -> Iterator[tuple[float, float, Mapping[str, str]]]:
    """Each stretch of time in which a series has values without a gap, and each line."""
    for one in shown.series:
        stretch: list[float] = []
        for time, _ in one.points:
            if stretch and time - stretch[-1] > 1.5 * step:
                yield stretch[0], stretch[-1], one.labels
                stretch = []
            stretch.append(time)
        if stretch:
            yield stretch[0], stretch[-1], one.labels
    for line in shown.lines:
        yield line.time, line.time, line.labels
