"""Every query of every panel returns data in the running stack, or is declared to be empty while all is well."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from report import variables
from report.board import Board
from report.sources import Period, Sources
from tests.rehearsal import panels
from tests.rehearsal.panels import STATES, Question
from tests.rehearsal.running import Running

DEADLINE_SECONDS = 240
"""The slowest: the group of the error budget is evaluated every 3 min."""

RANGE_SECONDS = 120
"""Short, as some panels compare with the start of the range, when there must have been data."""


@pytest.fixture(scope="module")
def boards(rehearsal: Running) -> list[Board]:
    return panels.boards(rehearsal)


@pytest.fixture(scope="module")
def sources(rehearsal: Running) -> Sources:
    return panels.sources(rehearsal)


@pytest.fixture(scope="module")
def asked(rehearsal: Running, boards: list[Board], sources: Sources) -> list[Question]:
    """Everything that the dashboards can ask, with the values that there are now."""
    now = period(rehearsal)
    return [
        question for shown in boards for question in panels.questions(shown, variables.values(shown, sources, now), now)
    ]


def period(rehearsal: Running) -> Period:
    return Period.last(RANGE_SECONDS, scrape=panels.scrape_interval(rehearsal))


def lines(found: Sequence[object]) -> str:
    return "\n".join(["", *map(str, found)])


def test_every_variable_has_values(rehearsal: Running, boards: list[Board], sources: Sources) -> None:
    def without() -> set[str]:
        listed = {shown.uid: variables.values(shown, sources, period(rehearsal)) for shown in boards}
        wanted = ((shown.uid, item.name) for shown in boards for item in shown.variables if item.query or item.options)
        return {f"{uid}: {name}" for uid, name in wanted if name not in listed[uid]}

    deadline = time.monotonic() + DEADLINE_SECONDS
    while missing := without():
        assert time.monotonic() < deadline, f"variables without values:{lines(sorted(missing))}"
        time.sleep(2)
    assert all(panels.RESOLUTION in variables.everything(shown) for shown in boards)


def test_every_query_of_every_panel_returns_data(rehearsal: Running, asked: list[Question], sources: Sources) -> None:
    assert len(asked) > 500
    waiting = [one for one in asked if one.panel.empty is None]
    deadline = time.monotonic() + DEADLINE_SECONDS
    while waiting := panels.empty(waiting, sources, period(rehearsal)):
        assert time.monotonic() < deadline, f"{len(waiting)} queries return nothing:{lines(waiting)}"
        time.sleep(2)


def test_what_may_be_empty_is_asked_without_an_error(
    rehearsal: Running, asked: list[Question], sources: Sources
) -> None:
    panels.empty((one for one in asked if one.panel.empty is not None), sources, period(rehearsal))


def test_exactly_what_may_be_empty_is_shown_in_some_state(boards: list[Board]) -> None:
    may_be_empty = {(panel.board, panel.title) for shown in boards for panel in shown.panels if panel.empty is not None}
    states = [panels.shown_by(state) for state in STATES]
    assert {(uid, title) for titles in states for uid, listed in titles.items() for title in listed} == may_be_empty


def test_what_the_ordinary_load_shows_is_shown(rehearsal: Running) -> None:
    panels.wait_until_shown(rehearsal, panels.shown_by("ordinary"), 60)
