"""Asks for every panel of every dashboard, and draws it: each board as it opens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal
from xml.etree.ElementTree import Element

import httpx

from quantities import seconds
from report import colours, draw
from report.board import Board, Json, Panel, Variable, read
from report.charts import Frame, Mark
from report.sources import Period, QueryError, Shown, Sources, legend
from report.variables import ALL, Choice, chosen, interpolate, opening

ASKED_AT_ONCE = 6
"""Queries under way at a time: the sources work on this machine too."""
SHORTEST = 5 * 60
"""Seconds that a graph shows at least, however young the data is."""
MISSING = "No data"
"""How the words of a panel begin that lacks what it needs: in the first minutes that may only not be there yet."""
SETTLED = 5 * 60
"""Seconds after which each rule has its first result: the slowest group is evaluated every 3 minutes."""

State = Literal["shown", "healthy", "empty", "early", "elsewhere", "failed"]
"""`healthy` is empty where that is good news, and `early` where the data is younger than the panel looks back;
`elsewhere` asks a data source that the rehearsal does not run."""

_WINDOW = re.compile(r"(?:(?:rate|increase|[\[:])|\boffset\s+)([0-9]+[smhdw])\b")
"""How far a query looks back: `[6h]`, `offset 1d`, or a recorded series' name that ends in `rate6h`."""


@dataclass(frozen=True)
class Drawn:
    """A panel and what it shows."""

    panel: Panel
    body: Element
    state: State


@dataclass(frozen=True)
class Part:
    """A row of a board."""

    title: str
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
class Plan:
    """What there is to ask for one board."""

    board: Board
    period: Period
    looks: Mapping[str, Json]
    """The JSON of its annotations, by name."""


def plan(
    text: str,
    since: float | None = None,
    sources: Sources | None = None,
    choice: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """What to ask for the board that this JSON describes, over the last `since` seconds, with what is chosen.

    By default it has the choices that it opens with and looks as far back as when it is opened. In any case it looks
    no further back than `sources` have data: what was not yet running then would look like an outage.
    """
    board = chosen(read(text), choice or {})
    looks = {item["name"]: item for item in json.loads(text)["annotations"]["list"]}
    period = Period.last(since or board.since)
    return Plan(board, period if sources is None else _with_data(period, sources), looks)


def _with_data(period: Period, sources: Sources) -> Period:
    """A period without the time before the first scrape in it."""
    return Period.last(min(period.length, max(sources.age(period), SHORTEST)), end=period.end)


def gather(
    what: Plan,
    sources: Sources,
    boards: Mapping[str, Board],
    on_panel: Callable[[], object] = lambda: None,
    others: str = "",
) -> Drawing:
    """Ask for every panel and draw it; `on_panel` is called after each. A panel that fails shows why.

    `boards` are those of the page, by uid, and `others` is the URL of a server that draws others.
    """
    marks, problem = marked(what, sources)
    choice = opening(what.board)

    def drawn(panel: Panel) -> Drawn:
        found = _drawn(panel, sources, choice, Frame(what.period, what.period.step, marks, boards, others))
        on_panel()
        return found

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        rows = [(row.title, [pool.submit(drawn, panel) for panel in row.panels]) for row in what.board.rows]
    return Drawing(
        what.board,
        what.period,
        {item.label: _words(item) for item in what.board.variables},
        tuple(Part(title, tuple(future.result() for future in futures)) for title, futures in rows),
        marks,
        problem,
    )


def _words(variable: Variable) -> str:
    return "All" if ALL in variable.chosen else ", ".join(variable.chosen) or "any"


def _drawn(panel: Panel, sources: Sources, choice: Choice, frame: Frame) -> Drawn:
    try:
        period = frame.period
        if panel.since:
            period = _with_data(Period.last(panel.since, end=period.end), sources)
        shown = sources.ask(panel, choice, period)
        state, wanted = _state(panel, shown), max(_reach(panel), SETTLED)
        if state == "empty" or (shown.empty and (panel.empty or "").startswith(MISSING)):
            had = sources.age(Period.last(wanted, end=period.end))
            if 0 < had < wanted:
                return Drawn(panel, draw.early(wanted, had), "early")
        body = draw.body(panel, shown, replace(frame, period=period, step=step_of(panel, choice, period)))
    except (QueryError, httpx.HTTPError, ValueError, LookupError) as error:
        return Drawn(panel, draw.failed(error), "failed")
    return Drawn(panel, body, state)


def _state(panel: Panel, shown: Shown) -> State:
    if not panel.targets and panel.kind != "text":
        return "elsewhere"
    if not shown.empty or panel.kind == "text":
        return "shown"
    return "empty" if panel.empty is None else "healthy"


def _reach(panel: Panel) -> int:
    """Seconds that a panel's queries look back."""
    found = (seconds(text) for target in panel.targets for text in _WINDOW.findall(target.expr))
    return max(found, default=0)


def step_of(panel: Panel, choice: Choice, period: Period) -> float:
    """Seconds between two points of a panel's graph; of the query with the longest, as Grafana's axis is one."""
    shortest = [(interpolate(panel.min_step, choice, period), target.min_step) for target in panel.targets]
    return max((period.with_min_step(*steps).step for steps in shortest), default=period.step)


def marked(what: Plan, sources: Sources) -> tuple[tuple[Mark, ...], str | None]:
    """What its annotations mark on the graphs, in order; or why that cannot be had."""
    marks: list[Mark] = []
    for annotation in what.board.annotations:
        look = what.looks[annotation.name]
        try:
            shown = sources.marks(annotation, opening(what.board), what.period)
        except (QueryError, httpx.HTTPError) as error:
            return (), f"{annotation.name}: {error}"
        step = what.period.with_min_step("", annotation.target.min_step).step
        events = _moments(shown, what.period) if look.get("useValueForTime") else _stretches(shown, step)
        for start, end, labels in events:
            words = [legend(look.get(form) or "", labels) for form in ("titleFormat", "textFormat") if look.get(form)]
            marks.append(
                Mark(start, end, " · ".join(words) or annotation.name, colours.named(look.get("iconColor") or "blue"))
            )
    return tuple(sorted(marks, key=lambda mark: mark.start)), None


def _moments(shown: Shown, period: Period) -> Iterator[tuple[float, float, Mapping[str, str]]]:
    """Each moment of the period that a value is: in Unix milliseconds, and maybe the same at several steps."""
    for one in shown.series:
        for moment in sorted({value / 1000 for _, value in one.points}):
            if period.start <= moment <= period.end:
                yield moment, moment, one.labels


def _stretches(shown: Shown, step: float) -> Iterator[tuple[float, float, Mapping[str, str]]]:
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
