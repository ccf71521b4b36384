"""The deployed dashboards, asked as Grafana would ask them, and what `panels.yaml` declares about them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from checks.waiting import until_none
from quantities import seconds
from rehearsal.deployed import Deployed
from report import board, variables
from report.board import Annotation, Board, Panel, Target
from report.sources import Period, Sources
from report.variables import Choice, interpolate
from tests.rehearsal.running import Running

RESOLUTION = "interval"
"""The variable that says how far apart the points of a graph are."""

AT_ONCE = 8
"""Queries under way at once."""

STATES: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
"""The states of the running stack, each with the panels that show something in it and may be empty otherwise."""

Titles = Mapping[str, list[str]]
"""Titles of panels by the uid of their dashboard."""


@dataclass(frozen=True)
class Question:
    """One query of a panel, asked with one value of a variable, or with all of everything."""

    panel: Panel
    target: Target
    choice: Choice
    value: tuple[str, str] | None = None
    """The variable and the value that is not All."""

    def __str__(self) -> str:
        """Where it is found and what is chosen."""
        chosen = f"{self.value[0]}={self.value[1]}" if self.value else "All"
        return f"{self.panel.board}: {self.panel.title} [{self.target.ref}] with {chosen}"


def deployed(running: Running) -> Deployed:
    """What was deployed to the stand-in cluster."""
    return Deployed(running.project / ".rehearsal" / "cluster")


def boards(running: Running) -> list[Board]:
    """The dashboards as they were deployed."""
    return [board.read(text) for item in deployed(running).dashboards() for text in item["data"].values()]


def scrape_interval(running: Running) -> float:
    """Seconds between scrapes, as the deployed data source tells Grafana."""
    return float(seconds(data_source(running, "prometheus")["timeInterval"]))


def data_source(running: Running, uid: str) -> dict[str, Any]:
    """The options of a deployed data source, as they are in Grafana's provisioning file: each dollar is there twice."""
    (file,) = (text for item in deployed(running).data_sources() for text in item["data"].values())
    (found,) = (one["jsonData"] for one in json.loads(file)["datasources"] if one["uid"] == uid)
    return dict(found)


def sources(running: Running) -> Sources:
    """Where the panels' data comes from."""
    return Sources(running.ports.url("prometheus"), running.ports.url("loki"))


def questions(shown: Board, listed: Mapping[str, list[str]], period: Period) -> Iterator[Question]:
    """Every query of every panel with all of everything, and with every single value of each variable it reads."""
    for choice in variables.choices(shown, listed):
        value = _single(shown, choice)
        for panel in shown.panels:
            for target in panel.targets:
                if value is None or _reads(target, value[0]):
                    asked = at_the_end(panel, target, choice, period) if value and value[0] == RESOLUTION else target
                    yield Question(panel, asked, choice, value)


def at_the_end(panel: Panel, target: Target, choice: Choice, period: Period) -> Target:
    """A graph's query as it is put for its last point, at the very end of a period.

    Grafana asks for points at multiples of the step: with a coarse one the last may be older than the data.
    """
    coarse = period.with_min_step(interpolate(panel.min_step, choice, period), target.min_step)
    return replace(target, expr=interpolate(target.expr, choice, coarse, instant=target.instant), instant=True)


def _single(shown: Board, choice: Choice) -> tuple[str, str] | None:
    most = variables.everything(shown)
    return next(((name, value) for name, value in choice.items() if value != most[name]), None)


def _reads(target: Target, name: str) -> bool:
    names = r"__(rate_)?interval|__auto" if name == RESOLUTION else name
    return re.search(rf"\$\{{?({names})\b", target.expr) is not None


def empty(asked: Iterable[Question], where: Sources, period: Period) -> list[Question]:
    """The questions that have no data as an answer. Raises QueryError if one is refused."""

    def answered(question: Question) -> bool:
        found = where.run(question.target, question.choice, period, str(question), question.panel.min_step)
        return not found.empty

    asked = list(asked)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [question for question, shown in zip(asked, pool.map(answered, asked), strict=True) if not shown]


def shown_by(state: str) -> Titles:
    """The panels that are declared to show something in a state."""
    titles: Titles = STATES[state]["panels"]
    return titles


def marked(running: Running, name: str, period: Period) -> list[str]:
    """Dashboards on which the annotation of this name marks something."""
    where = sources(running)

    def marks(shown: Board, annotation: Annotation) -> bool:
        return not where.marks(annotation, variables.everything(shown), period).empty

    return [
        shown.uid
        for shown in boards(running)
        for annotation in shown.annotations
        if annotation.name == name and marks(shown, annotation)
    ]


def wait_until_shown(running: Running, titles: Titles, length: float = 300) -> None:
    """Ask the panels, with all of everything, until each query of each shows something."""
    asked = [
        Question(panel, target, variables.everything(shown))
        for shown in boards(running)
        for panel in shown.panels
        for target in panel.targets
        if panel.title in titles.get(panel.board, [])
    ]
    wait_until_answered(running, asked, length)


def wait_until_answered(running: Running, asked: Iterable[Question], length: float) -> None:
    """Ask for the last `length` seconds until every question has data as its answer."""
    waiting = list(asked)

    def unanswered() -> list[Question]:
        nonlocal waiting
        waiting = empty(waiting, sources(running), Period.last(length, scrape=scrape_interval(running)))
        return waiting

    until_none(unanswered, what="these queries return nothing")
